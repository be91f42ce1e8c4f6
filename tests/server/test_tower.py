"""A tower that esmm align trained, as image.model: words find products by their photos."""

from dataclasses import replace
from pathlib import Path

import pytest
import tiny_models
from elasticsearch import Elasticsearch

from esmm.align.pairs import Catalogue
from esmm.align.run import Job, align
from esmm.align.settings import Settings
from esmm.cluster import Capabilities
from esmm.encoders import load_encoders
from esmm.encoders.tower import TowerEncoder
from esmm.index_meta import meta_of
from esmm.ingest.job import Job as LoadJob
from esmm.ingest.job import Server, Source
from esmm.ingest.load import load
from esmm.ingest.vectors import VectorCache
from esmm.query.fusion import Window
from esmm.query.search import Ask, Searcher
from esmm.recipe import parse

SAMPLE = Path(__file__).parents[2] / "ingest" / "sample" / "products.jsonl"
BACKBONE = "mobilenet_v3_small"
COUNT = 20
RECIPE = """
[index]
name = "{alias}"
analyzer = "{analyzer}"
[fields]
title = {{ type = "text", embed = 1 }}
category = {{ type = "text" }}
image = {{ type = "photo" }}
[text]
model = "digest-32"
[image]
model = "{tower}"
"""
NO_WORD = "zzyzx"  # no product says it, so that its hits are found by vectors alone


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    """A tower trained for one short epoch, on a backbone with random weights."""
    weights = tiny_models.backbone(tmp_path / "w.pth", BACKBONE)
    settings = Settings(epochs=1, probe=0, batch=16, side=32, hidden=16)
    recipe = parse(RECIPE.format(alias="none", analyzer="standard", tower="digest-8"), source="esmm.toml")
    catalogues = [Catalogue(Source(str(SAMPLE)), recipe)]
    align(Job(catalogues, tmp_path / "tower", settings, backbone=BACKBONE, weights=weights, limit=COUNT))
    return tmp_path / "tower"


def test_words_find_products_by_their_photos(
    painless: None, client: Elasticsearch, can: Capabilities, alias: str, analyzer: str, trained: Path, tmp_path: Path
) -> None:
    recipe = parse(RECIPE.format(alias=alias, analyzer=analyzer, tower=trained), source="esmm.toml")
    encoders, faults = load_encoders(recipe, device="cpu")
    assert not faults
    with VectorCache(tmp_path / "v.sqlite") as cache:
        report = load(LoadJob(Source(str(SAMPLE)), recipe, Server(client, can), encoders, cache))
    assert report.rejected == 0
    noted = meta_of(client, alias)["clauses"]["image"]["encoder"]
    assert (noted["id"], noted["revision"]) == ("tower", TowerEncoder(trained).info.revision)

    searcher = Searcher(client, recipe, can, device="cpu")
    # Cosines of a tower that has learned next to nothing may all be negative.
    searcher.fusion = replace(searcher.fusion, windows={"text_to_image": Window(-1.0, 1.0)})
    hits = searcher.search(Ask(NO_WORD, size=5)).hits
    assert len(hits) == 5
    by_photo = [part for hit in hits for part in hit.parts if part.clause == "text_to_image"]
    assert by_photo
    assert max(part.contribution for part in by_photo) > 0
    assert not [part for hit in hits for part in hit.parts if part.clause == "keyword"]
    raw = {hit.id: part.raw for hit in hits for part in hit.parts if part.clause == "text_to_image"}
    words = encoders["text"].encode([NO_WORD])[0]
    for product, cosine in raw.items():
        stored = client.search(
            index=alias, query={"ids": {"values": [product]}}, fields=[{"field": "image_vector"}], source=False
        )["hits"]["hits"][0]["fields"]["image_vector"]
        assert cosine == pytest.approx(float(words @ stored), abs=2e-3)
