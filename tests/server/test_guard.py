"""What the rules of the guard say about Elasticsearch, asked of Elasticsearch itself."""

from typing import Any

import pytest
import stall
from elasticsearch import Elasticsearch, ElasticsearchWarning

from esmm.query.guard import guard_of
from tests.unit.query.test_guard import ASKED, BINDING, BINDING_IN_LUCENE

# The stall joins products and offers, which a server without any module cannot.
pytestmark = pytest.mark.usefixtures("painless")

ANY: dict[str, Any] = {"match_all": {}}
NONE: dict[str, Any] = {"match_none": {}}
COUNTS = range(1, 6)


@pytest.fixture(scope="module")
def index(client: Elasticsearch, module_alias: str) -> str:
    stall.build(client, module_alias)
    return module_alias


def ids(client: Elasticsearch, index: str, query: dict[str, Any]) -> set[str]:
    answer = client.search(index=index, query=query, size=200, source=False)
    return {hit["_id"] for hit in answer["hits"]["hits"]}


@pytest.mark.parametrize("minimum", ASKED)
def test_minimum_should_match(client: Elasticsearch, index: str, minimum: str) -> None:
    """So many of the clauses are enough, and one fewer is not."""
    for count, asked in zip(COUNTS, ASKED[minimum], strict=True):
        for matching in range(count + 1):
            should = [ANY] * matching + [NONE] * (count - matching)
            query = {"bool": {"must": [ANY], "should": should, "minimum_should_match": minimum}}
            if (count, minimum) != (1, "150%"):
                assert bool(client.count(index=index, query=query)["count"]) == (matching >= asked)


@pytest.mark.parametrize("minimum", [None, 0, 1, 2, "-1", "50%"])
@pytest.mark.parametrize("part", ["must", "filter", "must_not", None])
@pytest.mark.parametrize("count", [0, 1, 2])
def test_when_one_of_the_shoulds_must_match(
    client: Elasticsearch, index: str, minimum: Any, part: str | None, count: int
) -> None:
    """Exact conditions alone: the guard of such a bool is the bool, so both find the same."""
    stars = [{"term": {"stock": number}} for number in range(count)]
    query = {"bool": {"should": stars, **({part: [{"range": {"price": {"gte": 30}}}]} if part else {})}}
    if minimum is not None:
        query["bool"]["minimum_should_match"] = minimum
    guard = {"bool": {"filter": list(guard_of(query).filters)}}
    assert ids(client, index, guard) == ids(client, index, query)


def test_the_old_name_of_must_not(client: Elasticsearch, index: str) -> None:
    query = {"bool": {"mustNot": [{"range": {"price": {"gte": 30}}}]}}
    with pytest.warns(ElasticsearchWarning, match="mustNot"):
        found = ids(client, index, query)
    assert found == ids(client, index, {"bool": {"filter": list(guard_of(query).filters)}}) != ids(client, index, ANY)


@pytest.mark.parametrize(
    ("kind", "words"),
    [*(("query_string", each) for each in BINDING_IN_LUCENE), *(("simple_query_string", each) for each in BINDING)],
)
def test_operators_bind(client: Elasticsearch, index: str, kind: str, words: str) -> None:
    """Something that holds a word of the query, or all that is positive in it, is nevertheless no hit."""
    plain = words.replace("n:", "stock:").replace("A", "Ostra") if ":" in words else words
    found = ids(client, index, {kind: {"query": plain, "fields": ["title"]}})
    words_alone = ids(client, index, {"match": {"title": "red shoe"}})
    assert words_alone - found
