"""Whether a recipe fits a catalogue, and how long that is."""

import gzip
from pathlib import Path
from typing import Any

import pytest

from esmm.errors import RecipeError
from esmm.ingest.fit import check_fit, estimate
from tests.conftest import tiny_recipe

FULL: dict[str, Any] = {"id": "1", "title": "a", "brand": "b", "gender": "Men", "price": 1, "image": "a.jpg"}


def test_a_recipe_that_fits() -> None:
    check_fit(tiny_recipe(), [FULL])
    check_fit(tiny_recipe(), [{"id": "1", "title": "a"}, FULL])
    check_fit(tiny_recipe(), [{**FULL, "brand": None}])
    check_fit(tiny_recipe(), [])


def test_every_missing_field_is_told_with_its_line_and_what_was_meant() -> None:
    product = {**FULL, "Title": "a", "sku": "1"}
    del product["title"], product["id"], product["price"]
    with pytest.raises(RecipeError) as caught:
        check_fit(tiny_recipe(), [product])
    assert caught.value.faults == [
        "line 2: the catalogue has no field id",
        "line 6: the catalogue has no field title; did you mean Title?",
        "line 9: the catalogue has no field price",
    ]
    assert caught.value.message.startswith("tiny.toml has 3 faults")
    assert caught.value.hint == "fields of the catalogue: Title, brand, gender, image, sku"


def test_a_field_inside_an_object_is_there() -> None:
    recipe = tiny_recipe(**{"gender =": '"who.gender" ='})
    check_fit(recipe, [{**FULL, "who": {"gender": "Men"}}])
    with pytest.raises(RecipeError, match=r"no field who\.gender"):
        check_fit(recipe, [FULL])


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.jsonl", 3), ("a.ndjson", 3), ("a.csv", 2), ("a.tsv", 2), ("a.csv.gz", 2), ("a.jsonl.gz", 3), ("a.json", None)],
)
def test_the_estimate_counts_line_ends(tmp_path: Path, name: str, expected: int | None) -> None:
    data = b"one\ntwo\nthree\n"
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    assert estimate(str(tmp_path / name)) == expected


def test_what_cannot_be_counted(tmp_path: Path) -> None:
    (tmp_path / "broken.jsonl.gz").write_bytes(gzip.compress(b"a\n" * 1000)[:20])
    (tmp_path / "not.csv.gz").write_bytes(b"a,b\n1,2\n")
    for name in ("broken.jsonl.gz", "not.csv.gz", "missing.jsonl", "-"):
        assert estimate(str(tmp_path / name) if name != "-" else name) is None
