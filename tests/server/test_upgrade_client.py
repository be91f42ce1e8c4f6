"""``exact`` against ``client``, which shares no script and no sum with it, and against the keyword's own order."""

from itertools import pairwise
from statistics import median
from typing import Any

import numpy as np
import pytest
import stall
from elasticsearch import Elasticsearch

from esmm.cluster import Capabilities
from esmm.query import client_side
from esmm.query.clauses import VectorClause
from esmm.query.explain import hits_of
from esmm.query.fusion import Fusion, Window
from esmm.query.guard import guard_of
from esmm.query.parts import Parts, Recall
from esmm.query.strategies import exact
from esmm.query.upgrade import Options, upgrade_body
from esmm.recipe import Search

pytestmark = pytest.mark.usefixtures("painless")

Json = dict[str, Any]
LIMITS = Search(k=20, num_candidates=60, depth=200, window=400)
PLAIN: Json = {"match": {"body": "red fine lamp"}}
QUERIES: list[Json | None] = [
    PLAIN,
    {
        "bool": {
            "must": [PLAIN],
            "filter": [{"range": {"price": {"gte": 20}}}],
            "must_not": {"term": {"brand": "Ostra"}},
        }
    },
    {"function_score": {"query": PLAIN, "field_value_factor": {"field": "price", "missing": 1}}},
    {"bool": {"filter": [{"term": {"stock": 3}}]}},
    {"dis_max": {"queries": [PLAIN, {"match": {"title": "shoe"}}], "tie_breaker": 0.5}},
    {"nested": {"path": "reviews", "query": {"match": {"reviews.words": "shirt"}}, "score_mode": "max"}},
    None,
]
FUSIONS = [
    Fusion({"keyword": 1.0, "text": 1.0, "image": 1.0}, 2.0),
    Fusion({"keyword": 3.0, "text": 0.1, "image": 5.0}, 40.0, {"text": Window(0.2, 0.9), "image": Window(-1, 1)}),
    Fusion({"keyword": 0.0, "text": 0.3, "image": 0.0}),
]


@pytest.fixture(scope="module", params=[1, 3], ids=["1 shard", "3 shards"])
def index(request: pytest.FixtureRequest, client: Elasticsearch, module_alias: str) -> str:
    name = f"{module_alias}-{request.param}"
    stall.build(client, name, shards=request.param)
    return name


def away() -> VectorClause:
    return VectorClause("avoid", "text_vector", [1.0, 0, 0, 0, 0, 0, 0, 0], away=True)


@pytest.mark.parametrize("recall", ["union", "rescue", "rerank"])
@pytest.mark.parametrize("fusion", FUSIONS)
@pytest.mark.parametrize("query", QUERIES, ids=lambda query: next(iter(query)) if query else "none")
def test_exact_and_client_agree(
    client: Elasticsearch, index: str, can: Capabilities, query: Json | None, fusion: Fusion, recall: Recall
) -> None:
    guard = guard_of(query).filters
    for extra in ((), (away(),)):
        clauses = tuple(clause for clause in (*stall.clauses(), *extra) if fusion.weight(clause.name) > 0)
        keyword = query if query or recall == "union" else {"match_all": {}}
        parts = Parts(keyword, {"size": 60, "_source": ["brand"]}, clauses, fusion, LIMITS, can, guard, recall)
        answer = client.search(index=index, body=exact(parts), include_named_queries_score=True)
        one, other = hits_of(answer.body, fusion), client_side.search(client, index, parts, size=60)
        theirs = {hit.id: hit.score for hit in client_side.search(client, index, parts, size=400)}
        assert [hit.score for hit in one] == pytest.approx([hit.score for hit in other], abs=1e-4)
        assert [hit.score for hit in one] == pytest.approx([theirs[hit.id] for hit in one], abs=1e-4)
        # The same order, but for scores that float32 cannot tell apart.
        for mine, its in zip(one, other, strict=True):
            assert mine.id == its.id or mine.score == pytest.approx(theirs[its.id], abs=1e-6)
        assert all(hit.source.keys() <= {"brand"} for hit in other)


def test_products_without_a_vector_are_scored_by_the_rest(client: Elasticsearch, index: str, can: Capabilities) -> None:
    parts = Parts(PLAIN, {"size": 200}, tuple(stall.clauses()), FUSIONS[0], LIMITS, can)
    hits = client_side.search(client, index, parts, size=200)
    without = [hit for hit in hits if hit.id[0] == "p" and int(hit.id[1:]) % 7 == 0]
    assert len(without) > 3
    assert all({part.clause for part in hit.parts} <= {"keyword", "text"} for hit in without)


def test_client_obeys_the_post_filter(client: Elasticsearch, index: str, can: Capabilities) -> None:
    rest = {"post_filter": {"term": {"brand": "Ostra"}}, "size": 50}
    parts = Parts(PLAIN, rest, tuple(stall.clauses()), FUSIONS[0], LIMITS, can)
    hits = client_side.search(client, index, parts, size=50)
    answer = client.search(index=index, body=exact(parts))["hits"]["hits"]
    assert {hit.source["brand"] for hit in hits} == {"Ostra"}
    assert [hit.score for hit in hits] == pytest.approx([hit["_score"] for hit in answer], abs=1e-4)


SCALES = (1e-3, 3e-2, 1.0, 50.0, 1e4, 1e7)


@pytest.mark.parametrize("scale", SCALES)
def test_with_hardly_any_weight_the_order_is_the_keywords(
    client: Elasticsearch, index: str, can: Capabilities, scale: float
) -> None:
    """Wherever two normalised scores differ in float32, whatever the scores' size, after calibration."""
    factor = {"field": "price", "missing": 1, "modifier": "ln2p", "factor": 3}
    scored = {"query": PLAIN, "field_value_factor": factor, "boost": scale}
    body: Json = {"query": {"function_score": scored}, "size": 200, "_source": False}
    own = client.search(index=index, body=body)["hits"]["hits"]
    top = own[0]["_score"]
    assert scale / 2 < top < scale * 100
    queries = [
        {"function_score": {**scored, "query": {"match": {"body": words}}}} for words in ("red", "fine old", "lamp")
    ]
    ranked = [client.search(index=index, query=query, size=10)["hits"]["hits"] for query in queries]
    fusion = Fusion({"keyword": 1.0, "text": 1e-9, "image": 1e-9}, median(hits[-1]["_score"] for hits in ranked))
    options = Options(recall="rerank")
    made = upgrade_body(body, stall.clauses(), fusion, limits=LIMITS, can=can, options=options)
    assert made.strategy == "exact"
    hybrid = [hit["_id"] for hit in client.search(index=index, body=made.body)["hits"]["hits"]]
    assert set(hybrid) == {hit["_id"] for hit in own}
    raw = {hit["_id"]: float(hit["_score"]) for hit in own}
    normalised = {name: np.float32(score / (score + fusion.saturation)) for name, score in raw.items()}
    assert len(set(normalised.values())) > 20, "they do differ"
    assert all(normalised[one] >= normalised[other] for one, other in pairwise(hybrid))


def test_weights_of_nought_are_the_callers_own_body(can: Capabilities) -> None:
    body = {"query": PLAIN, "aggs": {"a": {"terms": {"field": "brand"}}}, "sort": ["_score"]}
    nothing = Fusion({"text": 0.0, "image": 0.0})
    made = upgrade_body(body, stall.clauses(), nothing, limits=LIMITS, can=can)
    assert (made.body, made.strategy) == (body, "keyword")
