"""What of a query binds vector hits: each rule by an oracle that walks through made-up products in Python."""

import itertools
from typing import Any

import pytest

from esmm.errors import QueryError
from esmm.query.guard import bare, guard_of, required_of

Json = dict[str, Any]
A, B, C = ({"term": {"tags": tag}} for tag in "abc")
WORDS = {"match": {"title": "red"}}
ODD = {"query_string": {"query": "red -shoe"}}
PRODUCTS = [frozenset(tags) for size in range(4) for tags in itertools.combinations("abc", size)]


def passes(filters: Any, product: frozenset[str]) -> bool:
    """Evaluate filters over ``tags`` as Elasticsearch would: an oracle that knows term, bool and match_none."""
    return all(_passes(query, product) for query in filters)


def _passes(query: Json, product: frozenset[str]) -> bool:
    kind, inside = next(iter(query.items()))
    if kind != "bool":
        return kind == "term" and inside["tags"] in product
    matching = sum(_passes(each, product) for each in inside.get("should", []))
    return (
        passes([*inside.get("must", []), *inside.get("filter", [])], product)
        and not any(_passes(each, product) for each in inside.get("must_not", []))
        and matching >= inside.get("minimum_should_match", 0)
    )


def kept(query: Json) -> set[str]:
    guard = guard_of(query)
    assert not guard.unknown
    return {"".join(sorted(product)) for product in PRODUCTS if passes(guard.filters, product)}


EVERY = {"", "a", "b", "c", "ab", "ac", "bc", "abc"}
WITH_A = {"a", "ab", "ac", "abc"}


@pytest.mark.parametrize(
    ("query", "products"),
    [
        (WORDS, EVERY),
        (A, WITH_A),
        ({"match_none": {}}, set()),
        ({"bool": {"must": [WORDS], "filter": [A]}}, WITH_A),
        ({"bool": {"must": [WORDS], "filter": A}}, WITH_A),
        ({"bool": {"must": [WORDS, A]}}, WITH_A),
        ({"bool": {"must": WORDS, "must_not": [A]}}, EVERY - WITH_A),
        ({"bool": {"must": WORDS, "must_not": [A, B]}}, {"", "c"}),
        ({"bool": {"must": WORDS, "mustNot": A}}, EVERY - WITH_A),
        ({"bool": {"must": [{"bool": {"filter": [A], "must_not": [B]}}]}}, {"a", "ac"}),
        ({"bool": {"should": [A]}}, WITH_A),
        ({"bool": {"should": [A, B]}}, EVERY - {"", "c"}),
        ({"bool": {"should": [A, WORDS]}}, EVERY),
        ({"bool": {"should": [A], "must": [WORDS]}}, EVERY),
        ({"bool": {"should": [A], "filter": [B]}}, {"b", "ab", "bc", "abc"}),
        ({"bool": {"should": [A], "must": [WORDS], "minimum_should_match": 1}}, WITH_A),
        ({"bool": {"should": [A], "must": [WORDS], "minimum_should_match": "0%"}}, EVERY),
        ({"bool": {"should": [A], "minimum_should_match": 0}}, WITH_A),
        ({"bool": {"should": [A, B, C], "minimum_should_match": 2}}, {"ab", "ac", "bc", "abc"}),
        ({"bool": {"should": [A, B, WORDS], "minimum_should_match": 2}}, EVERY - {"", "c"}),
        ({"bool": {"should": [A, B, WORDS], "minimum_should_match": 3}}, {"ab", "abc"}),
        ({"bool": {"should": [A, B], "minimum_should_match": 3}}, set()),
        ({"bool": {"should": [WORDS], "minimum_should_match": 2}}, set()),
        ({"bool": {"filter": [A], "minimum_should_match": 1}}, set()),
        ({"bool": {"must_not": [A], "minimum_should_match": 1}}, EVERY - WITH_A),
        ({"bool": {}}, EVERY),
        ({"function_score": {"query": A, "functions": [{"filter": B, "weight": 2}]}}, WITH_A),
        ({"function_score": {"weight": 2}}, EVERY),
        ({"script_score": {"query": A, "script": {"source": "1"}}}, WITH_A),
        ({"boosting": {"positive": A, "negative": B, "negative_boost": 0.2}}, WITH_A),
        ({"constant_score": {"filter": A}}, WITH_A),
        ({"constant_score": {"filter": WORDS}}, EVERY),
        ({"dis_max": {"queries": [A, {"bool": {"must": [WORDS], "must_not": [B]}}]}}, EVERY - {"b", "bc"}),
        ({"dis_max": {"queries": [A, WORDS]}}, EVERY),
        ({"dis_max": {"queries": [A, WORDS, ODD]}}, EVERY),
        ({"knn": {"field": "v", "query_vector": [1], "filter": A}}, WITH_A),
        ({"pinned": {"ids": ["1"], "organic": {"bool": {"filter": [A]}}}}, WITH_A),
    ],
)  # fmt: skip
def test_who_passes(query: Json, products: set[str]) -> None:
    assert kept(query) == products


@pytest.mark.parametrize("kind", ["nested", "has_child", "has_parent"])
def test_related_documents_are_bound_as_the_query_binds_them(kind: str) -> None:
    how = {"path": "p", "type": "t", "parent_type": "t", "ignore_unmapped": True, "min_children": 2}
    query = {kind: {**how, "query": {"bool": {"must": [WORDS], "filter": [A]}}, "score_mode": "max", "inner_hits": {}}}
    assert guard_of(query).filters == ({kind: {**how, "query": A}},)
    assert guard_of({kind: {"path": "p", "query": WORDS}}).filters == ()


@pytest.mark.parametrize(
    ("query", "named"),
    [
        (ODD, "query_string with operators"),
        ({"bool": {"must": [ODD], "filter": [A]}}, "query_string with operators"),
        ({"dis_max": {"queries": [A, ODD]}}, "query_string with operators"),
        ({"function_score": {"query": A, "min_score": 2}}, "function_score.min_score"),
        ({"script_score": {"query": A, "script": {}, "min_score": 2}}, "script_score.min_score"),
        ({"has_child": {"type": "t", "query": A, "max_children": 2}}, "has_child.max_children"),
        ({"wrapper": {"query": "e30="}}, "wrapper"),
        ({"percolate": {}}, "percolate"),
        ({"of_the_next_version": {}}, "of_the_next_version"),
    ],
)
def test_what_cannot_be_told_is_named(query: Json, named: str) -> None:
    assert guard_of(query).unknown == named


# What a real node makes of each (9.4.3): does the part after the sign, or with the field, bind the hits?
BINDING = ["red -shoe", "red +shoe", "(red)-shoe", '"red"-shoe', "-red", "+red"]
BINDING_IN_LUCENE = [*BINDING, "red^2-shoe", "red NOT shoe", "red !shoe", "red AND shoe", "red && shoe", "brand:A"]
BINDING_IN_LUCENE += ["brand : A", "n:>5", "n:[1 TO 3]", "red AND(shoe)", "red OR NOT shoe"]
FREE = [
    "red",
    "red shoe",
    "red-shoe",
    "red - shoe",
    "red|shoe",
    "red~1",
    '"red shoe"~2',
    "red*",
    "shoe,-red",
    "red not shoe",
    "NOTred",
]


@pytest.mark.parametrize("words", BINDING_IN_LUCENE)
def test_operators_of_query_string(words: str) -> None:
    assert guard_of({"query_string": {"query": words}}).unknown


@pytest.mark.parametrize("words", BINDING)
def test_operators_of_simple_query_string(words: str) -> None:
    assert guard_of({"simple_query_string": {"query": words}}).unknown


@pytest.mark.parametrize("words", [*FREE, "title\\:A"])
def test_words_without_operators(words: str) -> None:
    assert guard_of({"query_string": {"query": words}}) == guard_of(None)
    assert guard_of({"simple_query_string": {"query": words}}) == guard_of(None)


def test_simple_query_string_knows_fewer() -> None:
    for words in ("red NOT shoe", "brand:A", "red AND shoe", "[red]"):
        assert not guard_of({"simple_query_string": {"query": words}}).unknown


# minimum_should_match -> how many of 1, 2, 3, 4, 5 clauses a real node asks for; tests/server asks it again.
ASKED = {
    "2": [2, 2, 2, 2, 2], "50%": [0, 1, 1, 2, 2], "-50%": [1, 1, 2, 2, 3], "-25%": [1, 2, 3, 3, 4],
    "100%": [1, 2, 3, 4, 5], "3<90%": [1, 2, 3, 3, 4], "1<2": [1, 2, 2, 2, 2], "2<-25% 9<-3": [1, 2, 3, 3, 4],
    "1<1 2<3": [1, 1, 3, 3, 3], " 2 ": [2, 2, 2, 2, 2], "2 < 3": [1, 2, 3, 3, 3], "-9": [0, 0, 0, 0, 0],
    "9": [9, 9, 9, 9, 9], "1<50% 3<2": [1, 1, 1, 2, 2], "+1": [1, 1, 1, 1, 1], "150%": [1, 3, 4, 6, 7], "-0": [0] * 5,
}  # fmt: skip


@pytest.mark.parametrize("minimum", ASKED)
def test_minimum_should_match(minimum: str) -> None:
    assert [required_of(minimum, count) for count in range(1, 6)] == ASKED[minimum]


@pytest.mark.parametrize("minimum", ["abc", "50 %", "", "49.5%", 2.0, True, "2<", "<3", [2]])
def test_minimum_should_match_that_is_none(minimum: Any) -> None:
    with pytest.raises(QueryError, match="minimum_should_match"):
        required_of(minimum, 3)


def test_bare_takes_away_inner_hits_only() -> None:
    inner = {"nested": {"path": "p", "query": A, "inner_hits": {"size": 3}}}
    assert bare([{"bool": {"filter": [inner]}}]) == [{"bool": {"filter": [{"nested": {"path": "p", "query": A}}]}}]
    assert bare({"term": {"inner_hits": "x"}}) == {"term": {"inner_hits": "x"}}
    assert inner["nested"]["inner_hits"] == {"size": 3}
