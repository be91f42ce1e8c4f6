"""`esmm tune` where no one weight serves all questions: a gate wins, and moves the weights of each search."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shop
from elasticsearch import Elasticsearch
from loaded import load_shop
from shell import Esmm
from test_tune import KINDS, RECIPE, judged

from esmm.cluster import Capabilities
from esmm.query.model import FusionModel
from esmm.recipe import parse

pytestmark = pytest.mark.usefixtures("painless")

# As rare as one another, so that their keyword scores tell nothing: each on three products.
TINTS = [
    "red",
    "green",
    "blue",
    "black",
    "white",
    "grey",
    "pink",
    "purple",
    "orange",
    "yellow",
    "brown",
    "silver",
    "golden",
    "beige",
]
CODES = [f"AB{number}" for number in range(10, 24)]


def products() -> list[dict[str, str]]:
    made = []
    for number, kind in enumerate(KINDS):
        for place in range(3):
            tint, code = TINTS[(3 * number + place) % 14], CODES[(5 * number + 4 * place) % 14]
            made.append({"id": f"{kind}, {tint}, {code}", "title": f"{tint} {kind} {code}"})
    return made


def questions() -> dict[str, dict[str, float]]:
    """With a colour the thing is meant, whatever its colour; with a code what has the code, whatever it is."""
    asked: dict[str, dict[str, float]] = {}
    ids = [product["id"] for product in products()]
    for number, (kind, other) in enumerate(KINDS.items()):
        things = [name for name in ids if name.startswith(f"{kind},")]
        for place in (7, 10):
            tint, code = TINTS[(3 * number + place) % 14], CODES[(5 * number + place) % 14]
            asked[f"{tint} {other}"] = {n: float(n in things) for n in ids if n in things or f" {tint}," in n}
            asked[f"{code} {other}"] = {n: float(n.endswith(code)) for n in ids if n in things or n.endswith(code)}
    return asked


@pytest.fixture
def folder(place: Path, client: Elasticsearch, can: Capabilities, alias: str, analyzer: str) -> Path:
    (place / "esmm.toml").write_text(RECIPE.format(name=alias, analyzer=analyzer), encoding="utf-8")
    recipe = parse((place / "esmm.toml").read_text("utf-8"), source=str(place / "esmm.toml"))
    load_shop(client, can, recipe, shop.write(place / "catalog.jsonl", products()), place, device="cpu")
    judged(place / "judged.tsv", questions())
    return place


def first(esmm: Esmm, words: str) -> tuple[dict[str, Any], dict[str, float]]:
    """The best hit, and the weights that it was found by."""
    hit = esmm("search", words, "--device", "cpu", "--json").json()["hits"][0]
    assert hit["score"] == pytest.approx(sum(part["contribution"] for part in hit["clauses"]), abs=1e-4)
    return hit, {part["clause"]: part["weight"] for part in hit["clauses"]}


def test_a_gate_that_wins_moves_the_weights_of_each_search(esmm: Esmm, folder: Path) -> None:
    done = esmm("tune", "judged.tsv", "--device", "cpu", "--no-floors")
    assert done.code == 0
    model = FusionModel.load(folder / "fusion.json")
    assert (model.kind, model.label) == ("gate", "proven")
    assert model.gate is not None
    thing, by_thing = first(esmm, "blue couch")
    code, by_code = first(esmm, "AB17 couch")
    assert thing["id"].startswith("sofa")
    assert code["id"].endswith("AB17")
    assert by_thing["text"] > 1.5 * by_code["text"]
    assert weights_shown(esmm, "AB17 couch")["text"] == pytest.approx(by_code["text"])


def weights_shown(esmm: Esmm, words: str) -> dict[str, float]:
    (told,) = esmm("fusion", "show", "--query", words, "--json").json()["queries"]
    return dict(told["weights"])


def test_a_gate_that_looks_at_centres_serves_what_was_measured(esmm: Esmm, folder: Path) -> None:
    """Each search, the page of evaluate and `fusion show` ask the model for the vector that the gate looks at."""
    done = esmm("tune", "judged.tsv", "--device", "cpu", "--no-floors", "--centres", "3")
    assert done.code == 0
    model = FusionModel.load(folder / "fusion.json")
    assert model.gate is not None
    toml = (folder / "esmm.toml").read_text("utf-8")
    assert np.shape(model.gate.centres) == (3, 384)
    assert {"near_1", "near_2", "near_3"} <= set(model.gate.coefficients["text"])
    for words in ("blue couch", "AB17 couch"):
        _, weights = first(esmm, words)
        assert weights_shown(esmm, words)["text"] == pytest.approx(weights["text"])
    words = toml.replace('model = "all-MiniLM-L6-v2"', 'model = "no-such-model"')
    (folder / "esmm.toml").write_text(words, encoding="utf-8")
    assert "near_1" not in esmm("fusion", "show", "--query", "blue couch").out, "it was tuned for another recipe"
    (folder / "esmm.toml").write_text(toml, encoding="utf-8")
    assert "near_1" in esmm("fusion", "show", "--query", "blue couch").out
    assert esmm("evaluate", "judged.tsv", "--device", "cpu", "--json", "new.json").code == 0


def test_more_centres_than_questions_are_refused(esmm: Esmm, folder: Path) -> None:
    refused = esmm("tune", "judged.tsv", "--device", "cpu", "--no-floors", "--centres", "60")
    assert refused.code == 1
    assert "56 different ones, too few for 60 centres" in refused.err
    assert not (folder / "fusion.json").exists()
