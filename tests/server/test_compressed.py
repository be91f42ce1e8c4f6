"""A catalogue loaded and searched by compressed encoders; one loaded by torch refuses them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import shop
import tiny_models
import torch
from elasticsearch import Elasticsearch

from esmm.cluster import Capabilities
from esmm.compress import compress, folders_of
from esmm.encoders import load_encoders
from esmm.encoders.tower import Tower, TowerConfig, save_tower
from esmm.errors import EncoderError
from esmm.ingest.job import Job, Server, Source
from esmm.ingest.load import load
from esmm.ingest.vectors import VectorCache
from esmm.query.fusion import Window
from esmm.query.search import Ask, Searcher
from esmm.recipe import Recipe, parse

COUNT = 12


@pytest.fixture
def source(tmp_path: Path) -> Source:
    shop.write_photos(tmp_path, COUNT)
    return Source(str(shop.write(tmp_path / "catalog.jsonl", shop.products(COUNT))))


@pytest.fixture
def torch_recipe(recipe_text: str, tmp_path: Path) -> Recipe:
    """A tiny text encoder, and a photo tower in its space, both of random weights."""
    bert = tiny_models.bert(tmp_path / "bert")
    made = parse(recipe_text.replace("digest-32", str(bert)))
    space = load_encoders(made)[0]["text"].info.space
    torch.manual_seed(2)
    (tmp_path / "tower").mkdir()
    config = TowerConfig("t", "mobilenet_v3_small", side=96, hidden=32, dims=16, text="bert", space=space)
    save_tower(Tower(config).eval(), tmp_path / "tower")
    return parse(made.toml.replace("digest-16", str(tmp_path / "tower")), source="shop.toml")


def searcher(recipe: Recipe, source: Source, server: Server, cache: Path) -> Searcher:
    """Load the catalogue and return what searches it."""
    encoders, faults = load_encoders(recipe)
    assert not faults
    with VectorCache(cache) as known:
        load(Job(source, recipe, server, encoders, known))
    made = Searcher(server.client, recipe, server.can)
    # Cosines of a tower that has learned nothing may all be negative.
    made.fusion = replace(made.fusion, windows={"text_to_image": Window(-1.0, 1.0)})
    return made


def test_words_and_photos_by_compressed_encoders(
    painless: None,
    client: Elasticsearch,
    can: Capabilities,
    source: Source,
    torch_recipe: Recipe,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ESMM_CACHE", str(tmp_path / "cache"))
    server, cache = Server(client, can), tmp_path / "vectors.sqlite"
    text = torch_recipe.toml.replace("[image]", 'device = "onnx"\n[image]') + '\ndevice = "onnx"\n'
    small = parse(text, source="shop.toml")
    compress(small, folders_of(small, None))

    by_torch = searcher(torch_recipe, source, server, cache).search(Ask("green lamp", size=COUNT))
    with pytest.raises(EncoderError, match=r"they differ in id \('bert', 'bert-int8'\), revision"):
        Searcher(client, small, can).search(Ask("green lamp"))

    mine = searcher(small, source, server, cache)
    by_words = mine.search(Ask("green lamp", size=COUNT))
    # Words reach photos.
    assert {"text", "text_to_image"} <= {part.clause for hit in by_words.hits for part in hit.parts}
    for clause in ("text", "text_to_image"):
        one, other = (
            {h.id: p.raw for h in found.hits for p in h.parts if p.clause == clause} for found in (by_torch, by_words)
        )
        assert one.keys() == other.keys()
        np.testing.assert_allclose([one[product] for product in other], list(other.values()), atol=0.08)
        assert one != other
    assert mine.search(Ask(photo=shop.photo(7))).hits[0].id == "p7"
    assert replace(by_words, took=0) == replace(mine.search(Ask("green lamp", size=COUNT)), took=0)
