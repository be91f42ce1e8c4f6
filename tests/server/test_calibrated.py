"""Calibration: every kind of query asks each text of the log, and gives that text's own score."""

from typing import Any

import pytest
import stall
from elasticsearch import Elasticsearch

from esmm.errors import QueryError
from esmm.query.calibrate import calibrate

Json = dict[str, Any]
# Queries of a log that asked for something else, by the words that they ask for now.
KINDS: dict[str, Any] = {
    "match": lambda words: {"match": {"body": words}},
    "match_phrase_prefix": lambda words: {"match_phrase_prefix": {"body": {"query": words, "slop": 20}}},
    "match_bool_prefix": lambda words: {"match_bool_prefix": {"body": words}},
    "multi_match": lambda words: {"multi_match": {"query": words, "fields": ["title", "body^2"]}},
    "combined_fields": lambda words: {"combined_fields": {"query": words, "fields": ["title", "body"]}},
    "query_string": lambda words: {"query_string": {"query": words, "fields": ["body"]}},
    "simple_query_string": lambda words: {"simple_query_string": {"query": words, "fields": ["body"]}},
    "intervals": lambda words: {"intervals": {"body": {"all_of": {"intervals": [{"match": {"query": words}}]}}}},
    "more_like_this": lambda words: {
        "more_like_this": {"fields": ["body"], "like": [words], "min_term_freq": 1, "min_doc_freq": 1}
    },
    "function_score": lambda words: {"function_score": {"query": {"match": {"body": words}}, "weight": 2}},
}
TEXTS = ("red shirt", "blue lamp", "shoe")


@pytest.fixture(scope="module")
def index(client: Elasticsearch, module_alias: str) -> str:
    stall.build(client, module_alias)
    return module_alias


@pytest.mark.parametrize("kind", KINDS)
def test_each_text_gives_its_own_score(client: Elasticsearch, index: str, kind: str) -> None:
    logged = KINDS[kind]("kettle")
    found = [calibrate(client, index, logged, [text]) for text in TEXTS]
    asked = [
        client.search(index=index, query=KINDS[kind](text), size=10)["hits"]["hits"][-1]["_score"] for text in TEXTS
    ]
    assert found == pytest.approx(asked, abs=1e-6)
    assert len(set(found)) > 1
    assert calibrate(client, index, logged, TEXTS) == pytest.approx(sorted(asked)[1], abs=1e-6)


def test_a_constant_score_is_calibrated_to_its_constant(client: Elasticsearch, index: str) -> None:
    query = {"constant_score": {"filter": {"match": {"body": "kettle"}}, "boost": 4}}
    assert [calibrate(client, index, query, [text]) for text in TEXTS] == [4, 4, 4]
    with pytest.raises(QueryError, match="no query of the log finds anything"):  # it does ask for the log's words
        calibrate(client, index, query, ["zeppelin"])


@pytest.mark.parametrize(
    "text", ["red AND", "-red (", 'a "b', "shirt:", "x\\", "[1 TO", "AND OR NOT", "red && || !", "/x"]
)
@pytest.mark.parametrize("kind", ["query_string", "simple_query_string"])
def test_no_sign_of_a_log_is_syntax(client: Elasticsearch, index: str, kind: str, text: str) -> None:
    logged = KINDS[kind]("+kettle -lamp")
    assert calibrate(client, index, logged, [text, "red shirt"]) > 0


def test_a_query_without_words_cannot_be_calibrated(client: Elasticsearch, index: str) -> None:
    with pytest.raises(QueryError, match="asks for no text"):
        calibrate(client, index, {"term": {"brand": "Ostra"}}, TEXTS)
