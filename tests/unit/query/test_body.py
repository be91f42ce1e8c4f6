"""A caller's body: what is taken, what is none, and how deep a query is."""

import json
from typing import Any

import pytest
from elasticsearch.dsl import Q, Search

from esmm.errors import QueryError
from esmm.query.body import MAX_BYTES, MAX_DEPTH, RULES, depth_of, read_body, whole_number

RED = {"match": {"title": "red"}}


def refusal(body: Any) -> str:
    with pytest.raises(QueryError) as caught:
        read_body(body)
    assert caught.value.hint
    return caught.value.message


def deep(levels: int) -> Any:
    query: Any = RED
    for _ in range(levels - 1):
        query = {"bool": {"must": [query]}}
    return query


@pytest.mark.parametrize(
    "body", [{"query": RED}, '{"query": {"match": {"title": "red"}}}', b'{"query": {"match": {"title": "red"}}}']
)
def test_a_dict_a_text_and_bytes_are_read(body: Any) -> None:
    assert read_body(body) == {"query": RED}


def test_a_dsl_search_is_read() -> None:
    search = Search().query(Q("match", title="red")).filter("term", brand="A")[5:8]
    assert read_body(search) == search.to_dict()
    assert read_body(search)["from"] == 5


def test_the_caller_keeps_the_body() -> None:
    given = {"query": RED}
    read_body(given)["size"] = 3
    assert given == {"query": RED}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ([{"query": RED}], "a search body is a JSON object, not a list"),
        ("[1]", "a search body is a JSON object, not a list"),
        (17, "a search body is a JSON object, not a number"),
        (1.5, "a search body is a JSON object, not a number"),
        ("3", "a search body is a JSON object, not a number"),
        (True, "a search body is a JSON object, not true or false"),
        (None, "a search body is a JSON object, not nothing"),
        ("null", "a search body is a JSON object, not nothing"),
        ('"red"', "a search body is a JSON object, not a text"),
        (object(), "a search body is a JSON object, not object"),
        ("red shoe", "the body is not JSON: Expecting value: line 1 column 1 (char 0)"),
        ("", "the body is not JSON: Expecting value: line 1 column 1 (char 0)"),
        (b"\xff\xfe\x00", "the body is not JSON"),
        ('{"min_score": NaN}', "the body is not JSON: NaN is no number"),
        ('{"size": 1, "size": 2}', "the body is not JSON: the key 'size' stands twice in one object"),
        ({"qeury": RED, "sizes": 3}, "the search API has no key 'qeury', 'sizes' in its body"),
        ({1: RED}, "the search API has no key 1 in its body"),
        ({"aggs": {}, "aggregations": {}}, "aggs and aggregations are two names of one key"),
    ],
)  # fmt: skip
def test_what_is_no_body(body: Any, said: str) -> None:
    assert refusal(body).startswith(said)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"a": 1, "b": 2}, "query must be an object with one kind of query in it, not one with 2 (a, b)"),
        ({}, "query must be an object with one kind of query in it, not an empty one"),
        ("red", "query must be an object with one kind of query in it, not a text"),
        ([RED], "query must be an object with one kind of query in it, not a list"),
        ({"bool": []}, "bool must be an object, not a list"),
        ({"bool": None}, "bool must be an object, not nothing"),
        ({"bool": {"should": "red"}}, "bool.should must be an object with one kind of query in it, not a text"),
        ({"bool": {"must": [RED, {}]}}, "bool.must must be an object with one kind of query in it, not an empty one"),
        ({"bool": {"filter": [None]}}, "bool.filter must be an object with one kind of query in it, not nothing"),
        ({"nested": {"query": 3}}, "nested.query must be an object with one kind of query in it, not a number"),
        (
            {"function_score": {"functions": [{"filter": []}]}},
            "function_score.functions must be an object with one kind of query in it, not a list",
        ),
    ],
)  # fmt: skip
def test_what_is_no_query(query: Any, said: str) -> None:
    assert refusal({"query": query}) == said
    assert (
        refusal({"post_filter": query}) == f"post_filter{said.removeprefix('query')}"
        if said.startswith("query")
        else said
    )


def test_a_body_beyond_all_measure() -> None:
    long = {"query": {"terms": {"id": ["x" * 1000] * (MAX_BYTES // 1000 + 1)}}}
    assert refusal(long) == "the body is more than 5,000,000 bytes long"
    assert refusal(json.dumps(long)).startswith("the body is 5,0")
    assert refusal('{"query": ' * 100_000) == "the body is nested too deep to be a search"
    assert refusal({"query": {"script_score": {"script": {"params": json.loads("[" * 900 + "]" * 900)}}}}) == (
        "the body is nested more than 200 levels deep"
    )


def test_a_thousand_levels() -> None:
    assert refusal({"query": deep(1000)}) == "the body is nested more than 200 levels deep"
    assert refusal({"query": deep(MAX_DEPTH + 1)}) == "query is 31 queries deep; Elasticsearch reads 30"
    assert read_body({"query": deep(MAX_DEPTH)})


def test_depth_counts_queries_not_braces() -> None:
    assert depth_of(RED) == 1
    assert depth_of(deep(7)) == 7
    assert depth_of({"term": {"bool": {"value": {"must": [RED]}}}}) == 1, "a field may have the name of a query"
    assert depth_of({"bool": {"must": None, "should": [], "filter": RED}}) == 2
    assert depth_of({"function_score": {"query": None, "functions": [{"weight": 2}, {"filter": deep(3)}]}}) == 4
    assert depth_of({"bool": {"mustNot": RED}}) == 2


@pytest.mark.parametrize(("value", "number"), [(3, 3), ("3", 3), (3.0, 3), (3.9, 3)])
def test_numbers_are_read_as_the_server_reads_them(value: Any, number: int) -> None:
    assert whole_number({"size": value}, "size", 10) == number
    assert whole_number({}, "size", 10) == 10


@pytest.mark.parametrize("value", [None, "many", [3], float("nan"), float("inf")])
def test_what_is_no_number(value: Any) -> None:
    with pytest.raises(QueryError, match="size must be a whole number, not"):
        whole_number({"size": value}, "size", 10)


def test_each_rule_says_how() -> None:
    assert all(rule.how for rule in RULES.values() if rule.fate != "kept")
