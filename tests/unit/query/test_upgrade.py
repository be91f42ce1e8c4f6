"""Which strategy a body gets and why; what is refused, by name and with the remedy; what is noted."""

import copy
import json
from typing import Any

import pytest
from elasticsearch.dsl import Search as DslSearch

from esmm.cluster import Capabilities
from esmm.errors import EsmmError, Incompatible, QueryError
from esmm.query.body import RULES
from esmm.query.clauses import VectorClause
from esmm.query.fusion import Fusion
from esmm.query.parts import FACETS, Parts, keyword_facets
from esmm.query.strategies import boosts
from esmm.query.upgrade import Options, Upgraded, upgrade_body
from esmm.recipe import Search

RED = {"match": {"title": "red"}}
TEXT = VectorClause("text", "text_vector", [0.6, 0.8])
AWAY = VectorClause("avoid", "text_vector", [0.8, 0.6], away=True)
LIMITS = Search(k=10, num_candidates=20, depth=30, window=60)
PAID = Capabilities(licence="trial", modules=frozenset({"lang-painless", "rank-rrf"}))
BARE = Capabilities(modules=frozenset())


def up(
    body: Any,
    *vectors: VectorClause,
    can: Capabilities = Capabilities(),  # noqa: B008
    fusion: Fusion = Fusion({}),  # noqa: B008
    **options: Any,
) -> Upgraded:
    return upgrade_body(body, vectors or [TEXT], fusion, limits=LIMITS, can=can, options=Options(**options))


def fault(body: Any, *vectors: VectorClause, **options: Any) -> EsmmError:
    with pytest.raises(EsmmError) as caught:
        up(body, *vectors, **options)
    assert caught.value.hint
    return caught.value


def test_dict_text_and_dsl_give_the_same() -> None:
    body = DslSearch().query("match", title="red")[2:5].to_dict()
    same = [up(given).body for given in (body, json.dumps(body), DslSearch.from_dict(body))]
    assert same[0] == same[1] == same[2]
    assert same[0]["from"] == 2


def test_nothing_of_the_callers_is_touched() -> None:
    body = {
        "query": {"bool": {"must": [RED], "filter": [{"term": {"a": 1}}]}},
        "aggs": {"x": {"global": {}}},
        "knn": [],
    }
    before = copy.deepcopy(body)
    for options in ({}, {"facets": "keyword"}, {"strategy": "boost", "recall": "rescue"}):
        up(body, **options)
    assert body == before


@pytest.mark.parametrize(
    ("rest", "reason"),
    [
        ({"collapse": {"field": "a"}}, "collapse: a rescore would choose"),
        ({"min_score": 1}, "min_score: under exact it would look at the first stage's score"),
        ({"search_after": [1, 2], "sort": ["_score", "id"]}, "search_after: a rescore cannot be continued"),
        ({"indices_boost": [{"a": 2}]}, "indices_boost: a rescore forgets it"),
        ({"rescore": {"query": {"rescore_query": RED}}}, "rescore: it belongs to the keyword's score"),
        ({"sort": ["_score", "id"]}, "sort by _score and id: a rescore allows no tie-break"),
        ({"sort": {"_score": "asc"}}, "sort by _score, worst first: a rescore allows the best first only"),
        ({"aggs": {"a": {"top_hits": {}}}}, "aggregations that read _score: they would see the first stage's"),
        ({"aggs": {"a": {"max": {"script": "doc['x'].value * _score"}}}}, "aggregations that read _score"),
        ({"aggs": {"a": {"top_metrics": {"sort": {"_score": "desc"}}}}}, "aggregations that read _score"),
    ],
)
def test_boost_is_chosen_with_the_reason_and_exact_refused(rest: dict[str, Any], reason: str) -> None:
    body = {"query": RED, **rest}
    made = up(body)
    assert made.strategy == "boost"
    assert made.notes[-1].startswith(f"strategy boost: {reason}")
    assert {key: made.body[key] for key in rest} == rest
    assert fault(body, strategy="exact").message.startswith(f"strategy exact cannot serve this body: {reason}")
    assert up(body, strategy="boost").notes == ()


def test_without_scripts_it_is_boost() -> None:
    assert up({"query": RED}, can=BARE).notes == ("strategy boost: the server has no painless scripts",)
    refused = fault({"query": RED}, can=BARE, strategy="exact")
    assert isinstance(refused, Incompatible)
    assert "painless" in refused.message


def test_strategies_that_need_a_licence() -> None:
    for name in ("linear", "rrf"):
        assert "licence" in fault({"query": RED}, strategy=name).message
        made = up({"query": RED, "size": 3}, can=PAID, strategy=name)
        assert (made.strategy, list(made.body["retriever"]), made.body["size"]) == (name, [name], 3)
        for rest, said in (
            ({"sort": "_score"}, "allows no sort"),
            ({"collapse": {"field": "a"}}, "cannot serve this body: collapse"),
        ):
            assert said in fault({"query": RED, **rest}, can=PAID, strategy=name).message
        assert "cannot keep to recall rerank" in fault({"query": RED}, can=PAID, strategy=name, recall="rerank").message
        operators = {"query_string": {"query": "red -shoe"}}
        assert "recall rerank" in fault({"query": operators}, can=PAID, strategy=name).message


def test_an_unknown_strategy() -> None:
    assert fault({"query": RED}, strategy="best").message == "there is no strategy best"


@pytest.mark.parametrize("name", ["boost", "linear", "rrf"])
def test_only_exact_keeps_away(name: str) -> None:
    said = fault({"query": RED}, TEXT, AWAY, can=PAID, strategy=name).message
    assert said == f"strategy {name} cannot keep away from anything (avoid)"


def test_to_keep_away_alone_searches_what_the_keyword_finds() -> None:
    assert up({"query": RED}, AWAY).body["query"] == RED
    assert up({}, AWAY).body["query"] == {"match_all": {}}


def test_keys_that_are_refused() -> None:
    refused = [key for key, rule in RULES.items() if rule.fate == "refused"]
    said = fault({"query": RED, **dict.fromkeys(refused, 1)}).message
    assert [key for key in refused if f"{key}: {RULES[key].how}" not in said] == []


@pytest.mark.parametrize(
    ("knn", "said"),
    [
        ({"field": "v"}, "knn has no field and query_vector"),
        ({"query_vector_builder": {}, "field": "v"}, "knn has no field and query_vector"),
        (3, "knn has no field and query_vector"),
        ({"field": "v", "query_vector": [1], "boost": 2}, "knn.boost cannot be kept by a hybrid search"),
        ({"field": "v", "query_vector": [1], "inner_hits": {}}, "knn.inner_hits cannot be kept by a hybrid search"),
        ({"field": "v", "query_vector": [1], "k": "many"}, "k must be a whole number, not 'many'"),
        ({"field": "v", "query_vector": [1], "filter": [{}]}, "knn.filter must be an object"),
        ([{"field": "v", "query_vector": [1]}, {"field": "v"}], "knn2 has no field and query_vector"),
    ],
)
def test_knn_that_cannot_be_kept(knn: Any, said: str) -> None:
    assert fault({"query": RED, "knn": knn}).message.startswith(said)


def test_knn_has_the_servers_defaults() -> None:
    knn = {"field": "v", "query_vector": [1], "filter": {"term": {"a": 1}}, "similarity": 0.3}
    body = up({"query": RED, "size": 30, "knn": knn}).body
    brought = body["query"]["bool"]["should"][2]["knn"]
    assert (brought["k"], brought["num_candidates"], brought["similarity"]) == (30, 45, 0.3)
    assert brought["filter"] == [{"term": {"a": 1}}]
    assert body["rescore"]["window_size"] == 10 + 30 + 30


@pytest.mark.parametrize(
    ("retriever", "said"),
    [
        ([], "retriever must be an object with one kind"),
        ({}, "retriever must be an object with one kind"),
        ({"standard": None}, "retriever must be an object with one kind"),
        ({"standard": {"_name": "x"}}, "retriever.standard._name cannot be kept"),
        ({"standard": {"query": {}}}, "retriever.standard must be an object with one kind of query"),
        ({"standard": {"terminate_after": 3}}, "the body has what a hybrid search cannot keep: terminate_after"),
        ({"rrf": {"retrievers": []}}, "a rrf retriever is a fusion of its own"),
    ],
)
def test_retrievers_that_cannot_be_kept(retriever: Any, said: str) -> None:
    assert fault({"retriever": retriever}).message.startswith(said)


def test_a_standard_retriever_without_query_finds_everything() -> None:
    keyword = up({"retriever": {"standard": {"filter": {"term": {"a": 1}}}}}).body["query"]["bool"]["should"][0]
    inside = {"bool": {"must": [{"match_all": {}}], "filter": [{"term": {"a": 1}}]}}
    assert keyword == {"bool": {"must": [inside]}}


@pytest.mark.parametrize(
    ("body", "said"),
    [({"from": 55, "size": 6}, "from + size is 61"), ({"size": "x"}, "size must"), ({"sort": [3]}, "sort holds 3")],
)
def test_pages_and_sorts_that_cannot_be(body: Any, said: str) -> None:
    assert fault({"query": RED, **body}).message.startswith(said)


def test_boost_pages_on_beyond_the_window() -> None:
    assert up({"query": RED, "from": 500, "size": 100}, strategy="boost").strategy == "boost"


def test_what_is_noted() -> None:
    filtered = {"bool": {"must": [RED], "filter": [{"term": {"a": 1}}, {"term": {"b": 1}}]}}
    assert up({"query": filtered}).notes == ("2 filters of the query bind the vectors' hits too",)
    said = up({"query": {"query_string": {"query": "red -shoe"}}})
    assert said.notes[0].startswith("the filters of query_string with operators cannot be told")
    assert "knn" not in str(said.body["query"])
    assert "not by score" in up({"query": RED, "sort": "price"}).notes[0]
    assert "no clause beside it has a weight" in up({"query": RED}, fusion=Fusion({"text": 0})).notes[0]


def test_without_vectors_nothing_is_looked_at() -> None:
    """What a hybrid search cannot keep does not matter where there is none."""
    body = {"query": RED, "terminate_after": 3, "rescore": {}, "retriever": {"rrf": {}}, "size": "x"}
    assert up(body, fusion=Fusion({"text": 0}), strategy="rrf").body == body


def test_the_window_is_never_more_than_the_server_takes() -> None:
    knn = {"field": "v", "query_vector": [1], "k": 10_000, "num_candidates": 10_000}
    assert up({"query": RED, "knn": knn}).body["rescore"]["window_size"] == 10_000


def test_boosts_are_the_tangent_of_the_fusion() -> None:
    """Where s = k, d/ds of w·s/(s+k) is w/4k; a cosine weighs w, and a knn score moves half as fast."""
    parts = Parts(RED, {}, (TEXT,), Fusion({"keyword": 2.0, "text": 0.5}, 8.0), LIMITS, Capabilities())
    (height,) = boosts(parts).values()
    step = 1e-6
    slope = (2 * (8 + step) / (16 + step) - 2 * 8 / 16) / step
    assert height * (step / 2) * slope == pytest.approx(0.5 * step, rel=1e-5)


def test_a_keyword_without_weight_counts_nothing_under_boost() -> None:
    keyword = up({"query": RED}, strategy="boost", fusion=Fusion({"keyword": 0})).body["query"]["bool"]["should"][0]
    assert keyword["bool"]["boost"] == 0


def test_facets_of_the_keyword() -> None:
    aggs = {"a": {"terms": {"field": "x"}}, "g": {"global": {}, "aggs": {}}}
    made = up({"query": RED, "aggs": aggs}, facets="keyword").body["aggs"]
    assert made == {"g": aggs["g"], FACETS: {"filter": RED, "aggs": {"a": aggs["a"]}}}
    alone = up({"query": RED, "aggs": {"g": aggs["g"]}}, facets="keyword").body["aggs"]
    assert alone == {"g": aggs["g"]}
    answer = {"g": {"doc_count": 9}, FACETS: {"doc_count": 4, "a": {"buckets": []}}}
    assert keyword_facets(answer) == {"g": {"doc_count": 9}, "a": {"buckets": []}}


def test_every_refusal_is_an_error_of_ours() -> None:
    for body in (
        None,
        [],
        "x",
        {"query": 3},
        {"query": {"bool": {"must": {"bool": 4}}}},
        {"knn": "x"},
        {"retriever": 1},
    ):
        assert isinstance(fault(body), QueryError)
