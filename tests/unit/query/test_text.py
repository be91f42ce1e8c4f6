"""The text that a query asks for."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esmm.errors import QueryError
from esmm.query.rewrite import with_text
from esmm.query.text import escaped, text_of, without_operators

Json = dict[str, Any]

RED = {"match": {"title": "red shoe"}}
OTHER = {"match": {"title": "blue lamp"}}
# One of each kind that holds words; ASKED stands where they are.
LEAVES: list[Json] = [
    {"match": {"title": "ASKED"}},
    {"match": {"title": {"query": "ASKED", "operator": "and"}}},
    {"match_phrase": {"title": {"query": "ASKED", "slop": 2}}},
    {"match_phrase_prefix": {"title": "ASKED"}},
    {"match_bool_prefix": {"title": "ASKED"}},
    {"multi_match": {"query": "ASKED", "fields": ["title", "body"]}},
    {"combined_fields": {"query": "ASKED", "fields": ["title"]}},
    {"query_string": {"query": "ASKED", "default_field": "title"}},
    {"simple_query_string": {"query": "ASKED", "fields": ["title"]}},
    {"semantic": {"field": "s", "query": "ASKED"}},
    {"sparse_vector": {"field": "s", "inference_id": "elser", "query": "ASKED"}},
    {"text_expansion": {"s": {"model_id": "elser", "model_text": "ASKED"}}},
    {"knn": {"field": "v", "k": 5, "query_vector_builder": {"text_embedding": {"model_text": "ASKED"}}}},
    {"intervals": {"title": {"match": {"query": "ASKED", "filter": {"not_containing": {"match": {"query": "old"}}}}}}},
    {"intervals": {"title": {"all_of": {"intervals": [{"match": {"query": "ASKED"}}, {"prefix": {"prefix": "re"}}]}}}},
    {"intervals": {"title": {"any_of": {"intervals": [{"fuzzy": {"term": "shoo"}}, {"match": {"query": "ASKED"}}]}}}},
    {"more_like_this": {"like": "ASKED", "fields": ["title"], "unlike": "blue lamp"}},
    {"more_like_this": {"like": ["ASKED", {"_id": "1"}], "fields": ["title"]}},
]
# Queries around another one; what OTHER asks for is no part of the question.
WRAPPERS: list[Callable[[Json], Json]] = [
    lambda q: {"bool": {"must": [q], "filter": OTHER}},
    lambda q: {"bool": {"must": q, "must_not": [OTHER]}},
    lambda q: {"bool": {"should": [q, {"match": {"stocked": True}}], "mustNot": OTHER}},
    lambda q: {"bool": {"must": [q, {"term": {"match": {"value": "title"}}}, {"match": {"brand": ""}}]}},
    lambda q: {"dis_max": {"queries": [q, {"exists": {"field": "multi_match"}}]}},
    lambda q: {"function_score": {"query": q, "functions": [{"filter": OTHER, "weight": 2}]}},
    lambda q: {"script_score": {"query": q, "script": {"source": "_score", "params": {"query": "blue"}}}},
    lambda q: {"constant_score": {"filter": q, "boost": 3}},
    lambda q: {"boosting": {"positive": q, "negative": OTHER, "negative_boost": 0.5}},
    lambda q: {"nested": {"path": "reviews", "query": q, "inner_hits": {}}},
    lambda q: {"has_child": {"type": "offer", "query": q}},
    lambda q: {"has_parent": {"parent_type": "shop", "query": q}},
    lambda q: {"bool": {"should": [q, {"span_multi": {"match": {"prefix": {"title": {"value": "re"}}}}}]}},
    lambda q: {"bool": {"should": [q, {"sparse_vector": {"field": "s", "query_vector": {"re": 0.4}}}]}},
    lambda q: {"bool": {"should": [q, {"knn": {"field": "v", "query_vector": [0.1], "filter": OTHER}}]}},
    lambda q: {"bool": {"should": [q, {"query_string": {"query": "*:*"}}]}},
    lambda q: {"pinned": {"ids": ["1"], "organic": q}},
]
TREES = st.recursive(
    st.sampled_from(LEAVES),
    lambda inner: st.one_of(
        st.builds(lambda wrap, q: wrap(q), st.sampled_from(WRAPPERS), inner),
        st.lists(inner, min_size=2, max_size=3).map(lambda queries: {"dis_max": {"queries": queries}}),
    ),
    max_leaves=6,
)
TEXTS = st.text(min_size=1).map(lambda text: " ".join(text.split())).filter(bool)


def asking(query: Json, words: str) -> Json:
    """Return the query with words where ASKED stands."""
    made: Json = json.loads(json.dumps(query).replace("ASKED", json.dumps(words)[1:-1]))
    return made


@pytest.mark.parametrize("query", [*LEAVES, *(wrap(LEAVES[0]) for wrap in WRAPPERS)], ids=lambda q: next(iter(q)))
def test_one_text_is_found_and_replaced_and_nothing_else(query: Json) -> None:
    before = asking(query, "red shoe")
    assert text_of(before) == "red shoe"
    assert with_text(before, "abc") == asking(query, "abc")
    assert before == asking(query, "red shoe"), "what was given stays as it was"


@given(TREES, TEXTS)
def test_what_is_put_in_is_found_again(query: Json, text: str) -> None:
    before = asking(query, "red shoe")
    made = with_text(before, text)
    assert text_of(made) == text
    assert with_text(made, "red shoe") == before


def test_every_text_of_several_is_replaced() -> None:
    several = {"bool": {"must": [{"match": {"title": " red "}}], "should": [{"match": {"year": 2024}}]}}
    assert with_text(several, "a") == {
        "bool": {"must": [{"match": {"title": "a"}}], "should": [{"match": {"year": "a"}}]}
    }


@pytest.mark.parametrize("kind", ["query_string", "simple_query_string"])
def test_operators_go_with_the_words_that_they_stood_among(kind: str) -> None:
    given = {kind: {"query": 'title:red^2 +shoe* -"light blue"', "fields": ["title"]}}
    assert text_of(given) == "red shoe"
    assert with_text(given, "abc") == {kind: {"query": "abc", "fields": ["title"]}}
    assert with_text(given, "-abc AND d") == {kind: {"query": "\\-abc \\AND d", "fields": ["title"]}}
    assert with_text(given, "<query_text>")[kind]["query"] == "<query_text>", "a client finds its placeholder"


@given(TEXTS)
def test_an_escaped_text_has_no_operators(text: str) -> None:
    assert without_operators(escaped(text)) == text


@pytest.mark.parametrize(
    "query",
    [None, {}, {"match_all": {}}, {"term": {"brand": "red"}}, {"bool": {"filter": [RED]}}, {"match": {"title": " "}}],
)
def test_no_text(query: Any) -> None:
    assert text_of(query) is None


def test_a_number_is_a_text() -> None:
    assert text_of({"match": {"title": 501}}) == "501"


def test_several_texts_are_refused() -> None:
    with pytest.raises(QueryError) as caught:
        text_of({"bool": {"must": [RED], "should": [{"match": {"brand": "Nike"}}]}})
    assert caught.value.message == "the query asks for 2 different texts ('red shoe', 'Nike')"
    assert "text=" in caught.value.hint


@pytest.mark.parametrize(
    ("given", "left"),
    [
        ("red shoe", "red shoe"),
        ("red -blue shoe", "red shoe"),
        ("red NOT blue shoe", "red shoe"),
        ("red !blue shoe", "red shoe"),
        ('red -"light blue" shoe', "red shoe"),
        ("red -(blue OR green) shoe", "red shoe"),
        ("red -brand:Nike shoe", "red shoe"),
        ("red AND shoe", "red shoe"),
        ("(red OR blue) && shoe", "red blue shoe"),
        ("red | shoe", "red shoe"),
        ("+red^2.5 shoe~1", "red shoe"),
        ('"red shoe"~3', "red shoe"),
        ("brand:Nike shoe", "Nike shoe"),
        ("brand : Nike shoe", "Nike shoe"),
        ("shoe price:[10 TO 20]", "shoe"),
        ("shoe price:>=10", "shoe"),
        ("shoe _exists_:photo", "shoe"),
        ("sho* /re[dt]/", "sho re dt"),
        ("t-shirt red - blue", "t-shirt red blue"),
        ("title\\:red", "title:red"),
        ("\\-red \\(shoe\\)", "-red (shoe)"),
        ("red shoe\\", "red shoe"),
        ("Orlando", "Orlando"),
        ("*:*", ""),
    ],
)
def test_syntax_is_stripped(given: str, left: str) -> None:
    assert without_operators(given) == left
