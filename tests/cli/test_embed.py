"""`esmm embed`: the vector that a search sends for words or a photo, without a server."""

from pathlib import Path

import numpy as np
import pytest
from shell import Esmm

from esmm.encoders.digest import DigestEncoder


@pytest.fixture
def vectors_sent(esmm: Esmm) -> dict[str, list[float]]:
    """Vectors by clause, as the request of a search with words and a photo holds them."""
    body = esmm("search", "navy shirt", "photos/5.png", "--print").json()
    clauses = [clause["bool"]["must"][0] for clause in body["rescore"]["query"]["rescore_query"]["bool"]["should"]]
    scripts = {clause["script_score"]["_name"]: clause["script_score"]["script"]["params"] for clause in clauses}
    return {name.removeprefix("esmm:"): params["q"] for name, params in scripts.items() if "q" in params}


@pytest.fixture(autouse=True)
def no_server(shop_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ELASTICSEARCH_URL", "http://127.0.0.1:9")


def test_words_and_photo(esmm: Esmm, vectors_sent: dict[str, list[float]]) -> None:
    assert esmm("embed", "navy", "shirt").json() == vectors_sent["text"]
    assert esmm("embed", "photos/5.png").json() == vectors_sent["image"]
    for clause in ("text", "text_to_image"):
        assert esmm("embed", "navy shirt", "--clause", clause).json() == vectors_sent[clause]


def test_words_are_embedded_as_those_of_a_question(esmm: Esmm, shop_folder: Path, recipe_text: str) -> None:
    tailored = '"digest-32"\nquery_prefix = "query: "\npassage_prefix = "passage: "\ndims = 8'
    (shop_folder / "esmm.toml").write_text(recipe_text.replace('"digest-32"', tailored), encoding="utf-8")
    whole = DigestEncoder(32).encode(["query: navy"])[0, :8]
    assert esmm("embed", "navy").json() == pytest.approx((whole / np.linalg.norm(whole)).tolist(), abs=1e-6)


def test_what_cannot_be_embedded(esmm: Esmm) -> None:
    esmm("embed", "navy", "photos/5.png").fatal("words or of a photo, not of both", "each by itself")
    esmm("embed", " ").fatal("nothing is given", "words or a photo")
    esmm("embed", "photos/5.png", "--clause", "text").fatal("no text vector that can be compared", "--clause")
    assert esmm("embed").code == 2


def test_only_the_encoder_that_is_needed_must_load(esmm: Esmm, shop_folder: Path, recipe_text: str) -> None:
    (shop_folder / "esmm.toml").write_text(recipe_text.replace("digest-16", "./no-such-model"), encoding="utf-8")
    assert len(esmm("embed", "navy shirt").json()) == 32
    esmm("embed", "photos/5.png").fatal("no-such-model", "")
    esmm("embed", "navy", "--clause", "text_to_image").fatal("no-such-model", "")


def test_words_for_photo_vectors_of_the_same_space(esmm: Esmm, shop_folder: Path, recipe_text: str) -> None:
    (shop_folder / "esmm.toml").write_text(recipe_text.replace("digest-16", "digest-32"), encoding="utf-8")
    assert esmm("embed", "navy", "--clause", "text_to_image").json() == esmm("embed", "navy").json()
    esmm("embed", "navy", "--clause", "image").fatal("no image vector that can be compared", "--clause")
