"""Search templates as values: parameters, refusals, and what a template is made of."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from esmm.cluster import Capabilities
from esmm.errors import Incompatible, QueryError
from esmm.query.clauses import MAX_WORDS, VectorClause
from esmm.query.encode import Ask, Source
from esmm.query.fusion import Fusion
from esmm.query.templates import Setting, built, facets_of, need_mustache, parameters, search_template
from tests.conftest import tiny_recipe

SOURCES = [Source("text", "text_vector", "text", "text"), Source("image", "image_vector", "photo", "image")]
SHARED = [*SOURCES, Source("text_to_image", "image_vector", "text", "text")]
FUSION = Fusion({"keyword": 1.0, "text": 0.25, "image": 2.0}, 7.5)


def setting(
    fusion: Fusion = FUSION, can: Capabilities | None = None, sources: Sequence[Source] = tuple(SOURCES)
) -> Setting:
    return Setting(tiny_recipe(), sources, fusion, can or Capabilities())


def test_parameters_of_a_question() -> None:
    ask = Ask("red shirt", filters={"gender": ["Men"], "brand": ["Ostra"]}, size=5, start=10)
    vectors = [VectorClause("text", "text_vector", (0.5,)), VectorClause("image", "image_vector", (1.0,))]
    case = setting(replace(FUSION, weights={"keyword": 1.0, "text": 0.5, "image": 0.0}))
    assert parameters(case, ask, vectors) == {
        "query_text": "red shirt",
        "text_vector": (0.5,),
        "filters": [{"terms": {"gender": ["Men"]}}, {"terms": {"brand.raw": ["Ostra"]}}],
        "from": 10,
        "size": 5,
    }
    assert parameters(case, Ask("word " * 5000), [])["query_text"].split() == ["word"] * MAX_WORDS
    with pytest.raises(QueryError, match="no clause like_text"):
        parameters(case, ask, [VectorClause("like_text", "text_vector", (0.5,))])


def test_one_vector_of_words_serves_both_fields() -> None:
    case = setting(sources=SHARED)
    vectors = [VectorClause(source.clause, source.field, (0.5,)) for source in SHARED if source.modality == "text"]
    params = parameters(case, Ask("red shirt"), vectors)
    assert params == {"query_text": "red shirt", "text_vector": (0.5,), "from": 0, "size": 10}
    body = built(case, "exact", params)
    assert [each["knn"]["field"] for each in body["query"]["bool"]["should"][1:]] == ["text_vector", "image_vector"]
    head = search_template(case, "exact").source.partition("}}")[0]
    assert "weights (keyword, text, image, text_to_image)" in head
    assert head.count("text_vector") == 1
    silent = setting(replace(FUSION, weights={"text": 0.0}), sources=SHARED)
    assert parameters(silent, Ask("red shirt"), vectors)["text_vector"] == (0.5,), "for the photos"


def test_words_and_photo_of_one_encoder_are_two_vectors() -> None:
    own = [*SOURCES, Source("text_to_image", "image_vector", "text", "image")]
    vectors = [VectorClause(source.clause, source.field, (number,)) for number, source in enumerate(own)]
    params = parameters(setting(sources=own), Ask("red shirt"), vectors)
    assert [params[f"{name}_vector"] for name in ("text", "image", "text_to_image")] == [(0,), (1,), (2,)]


def test_the_window_of_a_template_is_the_same_for_all_it_is_sent() -> None:
    case = setting(can=Capabilities((8, 14, 1)), sources=SHARED)
    sent = [{"query_text": "red", "text_vector": [1.0]}, {"text_vector": [1.0], "image_vector": [1.0]}]
    windows = [built(case, "exact", params)["rescore"]["window_size"] for params in sent]
    assert windows == [3 * 150 + 200] * 2
    assert f'"window_size": {windows[0]}' in search_template(case, "exact").source


def test_a_strategy_that_the_server_cannot_run_is_refused() -> None:
    with pytest.raises(Incompatible, match="strategy rrf cannot be used here: needs an Enterprise or trial licence"):
        search_template(setting(can=Capabilities()), "rrf")
    with pytest.raises(Incompatible, match="no painless scripts") as caught:
        search_template(setting(can=Capabilities(modules=frozenset())), "exact")
    assert "--strategy boost" in caught.value.hint


def test_a_server_without_mustache() -> None:
    need_mustache(Capabilities())
    with pytest.raises(Incompatible, match="lacks Mustache") as caught:
        need_mustache(Capabilities(modules=frozenset({"lang-painless"})))
    assert "esmm template render" in caught.value.hint


def test_a_template_is_named_by_index_and_strategy_and_tells_its_parameters() -> None:
    made = search_template(setting(), "exact")
    assert made.id == "esmm-tiny-exact"
    head = made.source.partition("}}")[0]
    for name in (
        "query_text",
        "text_vector",
        "image_vector",
        "filters",
        "weights (keyword, text, image)",
        "saturation",
    ):
        assert name in head


def test_null_is_as_left_out_and_facets_are_those_of_the_recipe() -> None:
    assert built(setting(), "exact", {"query_text": "red", "size": None, "text_vector": None}) == built(
        setting(), "exact", {"query_text": "red"}
    )
    body = built(setting(), "exact", {"query_text": "red", "facets": True})
    assert body["aggs"] == facets_of(tiny_recipe())
    assert body["aggs"]["brand"] == {"terms": {"field": "brand.raw"}}
