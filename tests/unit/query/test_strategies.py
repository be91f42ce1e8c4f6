"""``exact`` as a pure function: what it puts on the wire, and what it leaves alone."""

import copy
from typing import Any

import pytest

from esmm.cluster import Capabilities
from esmm.query.clauses import VectorClause
from esmm.query.fusion import Fusion, Window
from esmm.query.upgrade import Options, upgrade_body
from esmm.recipe import Search

CALLER: dict[str, Any] = {
    "query": {"bool": {"must": [{"match": {"title": {"query": "shoe", "_name": "mine"}}}]}},
    "size": 7,
    "from": 3,
    "aggs": {"b": {"terms": {"field": "brand.raw"}}},
}
TEXT = VectorClause("text", "text_vector", (0.6, 0.8))
IMAGE = VectorClause("image", "image_vector", (1.0, 0.0))
GUARD = [{"term": {"shop": 1}}]
LIMITS = Search(k=11, num_candidates=13, depth=5, window=60)


def hybrid(body: dict[str, Any], fusion: Fusion, *, can: Capabilities | None = None, **more: Any) -> dict[str, Any]:
    options = Options(guard=tuple(more.get("guard", GUARD)))
    return upgrade_body(body, [TEXT, IMAGE], fusion, limits=LIMITS, can=can or Capabilities(), options=options).body


def fused(body: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the clauses of the rescore by the name under which the server returns their score."""
    clauses = body["rescore"]["query"]["rescore_query"]["bool"]["should"]
    return {clause["bool"]["must"][0]["script_score"]["_name"]: clause["bool"] for clause in clauses}


def test_the_callers_body_is_not_touched_and_its_other_parts_stay() -> None:
    before = copy.deepcopy(CALLER)
    body = hybrid(CALLER, Fusion({}))
    assert before == CALLER
    assert {key: body[key] for key in ("size", "from", "aggs")} == {
        key: CALLER[key] for key in ("size", "from", "aggs")
    }
    assert body.keys() == CALLER.keys() | {"rescore"}


def test_each_clause_is_named_and_weighted_outside_its_name() -> None:
    clauses = fused(hybrid(CALLER, Fusion({"keyword": 0.5, "text": 2, "image": 3})))
    assert {name: clause["boost"] for name, clause in clauses.items()} == {
        "esmm:keyword": 0.5,
        "esmm:text": 2,
        "esmm:image": 3,
    }
    keyword = clauses["esmm:keyword"]["must"][0]["script_score"]
    assert keyword["query"] == {"bool": {"must": [CALLER["query"]], "_name": "esmm:keyword:raw"}}


def test_the_scripts_get_the_numbers_of_the_fusion() -> None:
    clauses = fused(hybrid(CALLER, Fusion({}, 4.5, {"image": Window(0.2, 0.6)})))
    params = {name: clause["must"][0]["script_score"]["script"]["params"] for name, clause in clauses.items()}
    assert params["esmm:keyword"] == {"k": 4.5}
    assert params["esmm:text"] == {"q": (0.6, 0.8), "field": "text_vector", "low": 0, "width": 1}
    assert params["esmm:image"] == {"q": (1, 0), "field": "image_vector", "low": 0.2, "width": pytest.approx(0.4)}


def test_a_product_without_the_vector_is_not_scored_by_it() -> None:
    scored = fused(hybrid(CALLER, Fusion({})))["esmm:image"]["must"][0]["script_score"]
    assert scored["query"] == {"bool": {"filter": [{"exists": {"field": "image_vector"}}]}}


def test_the_first_stage_gathers_the_keyword_hits_and_each_vectors_neighbours() -> None:
    body = hybrid(CALLER, Fusion({}))
    keyword, text, image = body["query"]["bool"]["should"]
    assert keyword == {"bool": {"must": [CALLER["query"]]}}
    assert body["query"]["bool"]["minimum_should_match"] == 1
    for knn, clause in ((text["knn"], TEXT), (image["knn"], IMAGE)):
        assert (knn["field"], knn["query_vector"]) == (clause.field, clause.vector)
        assert (knn["k"], knn["num_candidates"], knn["filter"]) == (11, 13, GUARD)
        assert knn["boost"] >= 1e6
    assert body["rescore"]["window_size"] == 60
    assert body["rescore"]["query"]["query_weight"] == 0


def test_a_server_whose_knn_query_has_no_k_gathers_num_candidates() -> None:
    """A window that held only k of them would leave too few places to the keyword's hits."""
    wide = Search(k=11, num_candidates=40, depth=5, window=60)
    windows = [
        upgrade_body(CALLER, [TEXT, IMAGE], Fusion({}), limits=wide, can=Capabilities(version)).body["rescore"]
        for version in ((8, 14, 0), (8, 15, 0))
    ]
    assert [rescore["window_size"] for rescore in windows] == [40 + 40 + 5, 60]


def test_the_page_changes_neither_window_nor_candidates() -> None:
    one, other = hybrid(CALLER, Fusion({})), hybrid({**CALLER, "from": 40}, Fusion({}))
    assert one["rescore"] == other["rescore"]
    assert one["query"] == other["query"]


def test_before_8_15_the_knn_query_has_no_k() -> None:
    body = hybrid(CALLER, Fusion({}), can=Capabilities((8, 14, 1)))
    knn = body["query"]["bool"]["should"][1]["knn"]
    assert "k" not in knn
    assert knn["num_candidates"] >= LIMITS.k, "each shard returns as many as this"


def test_without_a_guard_there_is_no_filter() -> None:
    assert "filter" not in hybrid(CALLER, Fusion({}), guard=[])["query"]["bool"]["should"][1]["knn"]


def test_a_vector_of_weight_0_leaves_the_request() -> None:
    body = hybrid(CALLER, Fusion({"text": 0}))
    assert fused(body).keys() == {"esmm:keyword", "esmm:image"}
    assert "text_vector" not in str(body)


def test_with_only_the_keyword_left_the_body_is_the_callers_own() -> None:
    assert hybrid(CALLER, Fusion({"text": 0, "image": 0})) == CALLER
    assert upgrade_body(CALLER, [], Fusion({}), limits=LIMITS, can=Capabilities()).body == CALLER


def test_a_keyword_of_weight_0_still_gathers_but_does_not_count() -> None:
    body = hybrid(CALLER, Fusion({"keyword": 0}))
    assert fused(body).keys() == {"esmm:text", "esmm:image"}
    assert body["query"]["bool"]["should"][0] == {"bool": {"must": [CALLER["query"]]}}


def test_a_photo_alone_has_no_keyword_clause() -> None:
    body = hybrid({"size": 5}, Fusion({}))
    assert fused(body).keys() == {"esmm:text", "esmm:image"}
    assert [list(clause) for clause in body["query"]["bool"]["should"]] == [["knn"], ["knn"]]
