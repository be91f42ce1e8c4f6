"""Keyword scores counted here are those of Elasticsearch: sentences of a shop, in each form of the query."""

import json
import random
from functools import partial
from typing import Any

import numpy as np
import pytest
from elasticsearch import Elasticsearch
from elasticsearch.helpers import bulk
from shell import ROOT

from esmm.learn.analysis import analysed
from esmm.learn.bm25 import Column, Words

BOOSTS = {"title": 3.0, "body": 1.0, "note": 1.5}
FORMS = {
    "combined_fields": {"combined_fields": {"query": "?", "fields": ["title^3", "body", "note^1.5"]}},
    "best_fields": {"multi_match": {"query": "?", "fields": ["title^3", "body", "note^1.5"]}},
    "most_fields": {"multi_match": {"query": "?", "fields": ["title^3", "body", "note^1.5"], "type": "most_fields"}},
}
QUERIES = (
    "women's running shoes",
    "the 4.5 inch knives of steel",
    "batteries",
    "soft cotton tees",
    "XK-200 lamps & bags",
)
COUNT = 120


def products() -> list[dict[str, Any]]:
    """Long and short texts from the sample's own sentences, some fields empty."""
    rng = random.Random(3)
    lines = (ROOT / "ingest" / "sample" / "products.jsonl").read_text(encoding="utf-8").splitlines()
    said = [json.loads(line)["description"] for line in lines]
    odd = [
        "Women's running shoes, 4.5 inches.",
        "Knives' blades: stainless steel, 1,000 uses",
        "XK-200 battery; tee-shirts",
    ]
    return [
        {
            "title": rng.choice(odd) + " " + rng.choice(said)[:40],
            "body": " ".join(rng.choices(said + odd, k=rng.choice([0, 1, 3, 30]))),
            "note": rng.choice([None, "The lamps", "bags and bags"]),
        }
        for _ in range(COUNT)
    ]


@pytest.fixture(scope="module", params=["english", "standard"])
def cut(request: pytest.FixtureRequest, analyzer: str) -> str:
    """What texts are analysed with."""
    if request.param != analyzer == "standard":
        pytest.skip("this server knows no language")
    return str(request.param)


@pytest.fixture(scope="module")
def index(client: Elasticsearch, module_alias: str, cut: str) -> str:
    name = f"{module_alias}-{cut}"
    fields = {field: {"type": "text", "analyzer": cut} for field in BOOSTS}
    settings = {"number_of_replicas": 0, "number_of_shards": 1}
    client.indices.create(index=name, mappings={"properties": fields}, settings=settings)
    bulk(client, ({"_index": name, "_id": str(n), **fields} for n, fields in enumerate(products())), refresh=True)
    return name


@pytest.mark.parametrize("form", FORMS)
def test_scores_are_those_of_the_server(client: Elasticsearch, index: str, cut: str, form: str) -> None:
    words_of = partial(analysed, analyzer=cut)
    columns = {field: Column([words_of(product[field] or "") for product in products()], words_of) for field in BOOSTS}
    words = Words(columns, BOOSTS, "or")
    seen = 0
    for query in QUERIES:
        asked = json.loads(json.dumps(FORMS[form]).replace("?", query))
        hits = client.search(index=index, query=asked, size=COUNT, source=False)["hits"]["hits"]
        there = {int(hit["_id"]): hit["_score"] for hit in hits}
        found = words.scores(query, form)  # type: ignore[arg-type]
        here = {number: float(found[number]) for number in np.flatnonzero(~np.isnan(found))}
        assert here == pytest.approx(there, rel=1e-5), query
        seen += len(there)
    assert seen > COUNT
