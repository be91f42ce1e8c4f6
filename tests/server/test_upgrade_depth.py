"""How deep a query may be: our count is the server's, and what it would refuse once wrapped is refused by us."""

from typing import Any

import pytest
import stall
from elasticsearch import ApiError, Elasticsearch

from esmm.cluster import Capabilities
from esmm.errors import QueryError
from esmm.query import upgrade
from esmm.query.body import MAX_DEPTH, check_depth, depth_of
from esmm.query.fusion import Fusion
from esmm.query.upgrade import Options, upgrade_body
from esmm.recipe import Search

pytestmark = pytest.mark.usefixtures("painless")

Json = dict[str, Any]
LIMITS = Search(k=5, num_candidates=10, depth=20, window=60)
WRAPPERS: dict[str, Any] = {
    "must": lambda inner: {"bool": {"must": [inner]}},
    "should": lambda inner: {"bool": {"should": inner}},
    "filter": lambda inner: {"bool": {"filter": [inner]}},
    "must_not": lambda inner: {"bool": {"must_not": inner}},
    "dis_max": lambda inner: {"dis_max": {"queries": [inner]}},
    "guarded dis_max": lambda inner: {
        "dis_max": {"queries": [inner, {"bool": {"must_not": {"term": {"brand": "x"}}}}]}
    },
    "function_score": lambda inner: {"function_score": {"query": inner}},
    "functions": lambda inner: {"function_score": {"functions": [{"filter": inner, "weight": 2}]}},
    "script_score": lambda inner: {"script_score": {"query": inner, "script": {"source": "_score + 1"}}},
    "constant_score": lambda inner: {"constant_score": {"filter": inner}},
    "positive": lambda inner: {"boosting": {"positive": inner, "negative": {"match_none": {}}, "negative_boost": 1}},
    "negative": lambda inner: {"boosting": {"positive": {"match_all": {}}, "negative": inner, "negative_boost": 1}},
    "both": lambda inner: {"bool": {"must": [inner, {"term": {"stock": 1}}], "must_not": {"term": {"stock": 2}}}},
}
SPANS: dict[str, Any] = {
    "span_or": lambda inner: {"span_or": {"clauses": [inner]}},
    "span_near": lambda inner: {"span_near": {"clauses": [inner], "slop": 2}},
    "span_first": lambda inner: {"span_first": {"match": inner, "end": 3}},
    "span_not": lambda inner: {"span_not": {"include": inner, "exclude": {"span_term": {"title": "old"}}}},
    "span_containing": lambda inner: {"span_containing": {"big": {"span_term": {"title": "old"}}, "little": inner}},
    "span_within": lambda inner: {"span_within": {"big": inner, "little": {"span_term": {"title": "old"}}}},
    "span_field_masking": lambda inner: {"span_field_masking": {"query": inner, "field": "title"}},
}


@pytest.fixture(scope="module")
def index(client: Elasticsearch, module_alias: str) -> str:
    stall.build(client, module_alias)
    return module_alias


def accepted(client: Elasticsearch, index: str, body: Json) -> bool:
    try:
        client.search(index=index, body=body)
    except ApiError as error:
        assert "nested depth" in str(error.body), error.body
        return False
    return True


def chain(wrapper: Any, depth: int, leaf: Json) -> Json:
    while depth_of(leaf) < depth:
        leaf = wrapper(leaf)
    return leaf


@pytest.mark.parametrize("name", [*WRAPPERS, *SPANS])
def test_our_count_is_the_servers(client: Elasticsearch, index: str, name: str) -> None:
    leaf: Json = {"span_term": {"title": "red"}} if name in SPANS else {"term": {"brand": "Ostra"}}
    wrapper = (WRAPPERS | SPANS)[name]
    for depth in (MAX_DEPTH - 1, MAX_DEPTH, MAX_DEPTH + 1):
        query = chain(wrapper, depth, leaf)
        assert depth_of(query) == depth
        assert accepted(client, index, {"query": query, "size": 0}) == (depth <= MAX_DEPTH)


@pytest.mark.parametrize("strategy", ["exact", "boost"])
@pytest.mark.parametrize("recall", ["union", "rescue", "rerank"])
@pytest.mark.parametrize("name", WRAPPERS)
def test_refused_just_where_the_server_would(
    client: Elasticsearch,
    index: str,
    can: Capabilities,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    strategy: Any,
    recall: Any,
) -> None:
    options = Options(strategy=strategy, recall=recall)
    seen = set()
    for depth in range(MAX_DEPTH - 5, MAX_DEPTH + 1):
        body = {"query": chain(WRAPPERS[name], depth, {"term": {"brand": "Ostra"}}), "size": 0}

        def made(body: Json = body) -> Json:
            return upgrade_body(body, stall.clauses(), Fusion({}), limits=LIMITS, can=can, options=options).body

        with monkeypatch.context() as patched:
            patched.setattr(upgrade, "MAX_DEPTH", 99)
            fits = accepted(client, index, made())
        seen.add(fits)
        if fits:
            made()
        else:
            with pytest.raises(QueryError, match=rf"is {depth} queries deep, upgraded by strategy {strategy} 3\d;"):
                made()
    assert seen == {True, False}


def test_a_query_too_deep_by_itself_is_refused_with_its_depth() -> None:
    with pytest.raises(QueryError, match="query is 31 queries deep; Elasticsearch reads 30"):
        check_depth(chain(WRAPPERS["must"], 31, {"match_all": {}}), "query")
