"""The keyword query that esmm writes, and filters."""

import pytest

from esmm.errors import QueryError
from esmm.query.clauses import MAX_LETTERS, MAX_WORDS, filters_of, keyword_query
from tests.conftest import tiny_recipe

MATCH = {"query": "red shoe", "fields": ["title^3", "brand^2"], "operator": "or"}
FILTER = {"terms": {"gender": ["Men"]}}


def test_the_fields_and_boosts_are_those_of_the_recipe() -> None:
    assert keyword_query(tiny_recipe(), "red shoe", []) == {"combined_fields": MATCH}


def test_filters_sit_inside_the_query() -> None:
    query = {"bool": {"must": [{"combined_fields": MATCH}], "filter": [FILTER]}}
    assert keyword_query(tiny_recipe(), "red shoe", [FILTER]) == query


def test_the_form_is_the_same_without_words() -> None:
    query = {"bool": {"must": [{"combined_fields": {**MATCH, "query": ""}}], "filter": [FILTER]}}
    assert keyword_query(tiny_recipe(), "", [FILTER]) == query


def test_the_form_and_operator_of_the_recipe() -> None:
    recipe = tiny_recipe(**{"[text]": '[search]\nform = "cross_fields"\noperator = "and"\n[text]'})
    expected = {"multi_match": {**MATCH, "operator": "and", "type": "cross_fields"}}
    assert keyword_query(recipe, "red shoe", []) == expected


def test_a_pasted_page_is_cut() -> None:
    query = keyword_query(tiny_recipe(), "word\n" * 5000, [])
    assert query["combined_fields"]["query"].split() == ["word"] * MAX_WORDS


def test_a_page_without_spaces_is_cut() -> None:
    query = keyword_query(tiny_recipe(), "".join(map(chr, range(0x4E00, 0x4E00 + 20_000))), [])
    assert len(query["combined_fields"]["query"]) == MAX_LETTERS


@pytest.mark.parametrize("text", ["red\n shoe\u2028", "  ", "word " * MAX_WORDS])
def test_a_short_text_stays_as_it_is(text: str) -> None:
    assert keyword_query(tiny_recipe(), text, [])["combined_fields"]["query"] == text


def test_filters_go_to_the_field_that_holds_the_exact_value() -> None:
    found = filters_of(tiny_recipe(), {"gender": ["Men", "Women"], "brand": ["Acme"]})
    assert found == [{"terms": {"gender": ["Men", "Women"]}}, {"terms": {"brand.raw": ["Acme"]}}]
    assert filters_of(tiny_recipe(), {}) == []


def test_filters_that_cannot_be() -> None:
    with pytest.raises(QueryError) as caught:
        filters_of(tiny_recipe(), {"title": ["x"], "gender": ["Men"], "size": ["9"]})
    assert caught.value.message == "cannot filter by title, size"
    assert caught.value.hint == "fields that can be filtered: gender, price, brand"
