"""The text that a query asks for."""

from typing import Any

import pytest

from esmm.errors import QueryError
from esmm.query.text import text_of, without_operators

RED = {"match": {"title": "red shoe"}}


@pytest.mark.parametrize(
    "query",
    [
        RED,
        {"match": {"title": {"query": " red shoe ", "operator": "and"}}},
        {"match_phrase": {"title": "red shoe"}},
        {"match_bool_prefix": {"title": "red shoe"}},
        {"multi_match": {"query": "red shoe", "fields": ["title", "body"]}},
        {"combined_fields": {"query": "red shoe", "fields": ["title"]}},
        {"simple_query_string": {"query": "+red shoe*"}},
        {"query_string": {"query": "title:red shoe^2 -blue"}},
        {"semantic": {"field": "s", "query": "red shoe"}},
        {"intervals": {"title": {"all_of": {"intervals": [{"match": {"query": "red shoe", "max_gaps": 3}}]}}}},
        {"more_like_this": {"like": ["red shoe", {"_id": "1"}], "fields": ["title"]}},
        {
            "bool": {
                "must": [RED],
                "should": [{"match_phrase": {"title": "red shoe"}}],
                "filter": {"match": {"body": "x"}},
            }
        },
        {"bool": {"must": RED, "must_not": {"match": {"title": "blue"}}}},
        {"dis_max": {"queries": [RED, {"match": {"body": "red shoe"}}]}},
        {"function_score": {"query": RED, "functions": [{"filter": {"match": {"body": "new"}}, "weight": 2}]}},
        {"boosting": {"positive": RED, "negative": {"match": {"title": "used"}}}},
        {"constant_score": {"filter": RED}},
        {"nested": {"path": "r", "query": RED}},
        {"bool": {"must": [RED, {"match": {"available": True}}, {"term": {"match": {"value": "title"}}}]}},
    ],
)
def test_one_text(query: dict[str, Any]) -> None:
    assert text_of(query) == "red shoe"


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
        ("Orlando", "Orlando"),
        ("*:*", ""),
    ],
)
def test_syntax_is_stripped(given: str, left: str) -> None:
    assert without_operators(given) == left
