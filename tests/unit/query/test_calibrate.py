"""What of a query decides its saturation constant, and the file that keeps it."""

from pathlib import Path
from typing import Any

import pytest

from esmm.errors import QueryError
from esmm.query.calibrate import Calibration, far_from, shape_of

RED: dict[str, Any] = {"match": {"title": {"query": "red shoe", "boost": 2}}}


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (RED, {"match": {"title": {"query": "old lamp", "boost": 2}}}, True),
        (RED, {"match": {"title": {"query": "red shoe", "boost": 3}}}, False),
        (RED, {"match": {"body": {"query": "red shoe", "boost": 2}}}, False),
        (
            {"intervals": {"title": {"match": {"query": "a"}}}},
            {"intervals": {"title": {"match": {"query": "b"}}}},
            True,
        ),
        ({"query_string": {"query": "+a -b"}}, {"query_string": {"query": "c"}}, True),
        ({"bool": {"must": RED, "filter": {"term": {"a": 1}}}}, {"bool": {"must": RED}}, True),
        ({"bool": {"must": RED, "mustNot": {"term": {"a": 1}}}}, {"bool": {"must": RED}}, True),
        ({"bool": {"must": RED, "should": {"term": {"a": 1}}}}, {"bool": {"must": RED}}, False),
        ({"constant_score": {"filter": RED}}, {"constant_score": {"filter": {"term": {"a": 1}}}}, True),
        ({"constant_score": {"filter": RED}}, {"constant_score": {"filter": RED, "boost": 2}}, False),
    ],
)
def test_the_shape_is_the_query_without_its_words_and_filters(one: Any, other: Any, same: bool) -> None:
    assert (shape_of(one) == shape_of(other)) is same


def test_the_file_knows_queries_by_their_shape(tmp_path: Path) -> None:
    path = tmp_path / Calibration.FILE
    assert Calibration.load(path).saturation(RED) is None
    Calibration().with_constant(RED, 7.5).with_constant({"match": {"body": "red"}}, 3).save(path)
    known = Calibration.load(path)
    assert known.saturation({"match": {"title": {"query": "lamp", "boost": 2}}}) == 7.5
    assert known.saturation({"match": {"title": "lamp"}}) is None
    assert known.saturation(None) is None
    path.write_text("[1]", encoding="utf-8")
    with pytest.raises(QueryError, match="is no file of esmm calibrate"):
        Calibration.load(path)


@pytest.mark.parametrize(("top", "warns"), [(0.19, True), (0.2, False), (500, False), (501, True)])
def test_scores_far_from_the_constant_are_told(top: float, warns: bool) -> None:
    assert bool(far_from(10, [0.01, top])) is warns
    assert far_from(10, []) == ()
