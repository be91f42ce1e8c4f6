"""Vector feedback: the moved vector by hand, what moves and what stays, the request of the first look."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from esmm.cluster import Capabilities
from esmm.query.clauses import VectorClause
from esmm.query.encode import AVOID
from esmm.query.feedback import first_look, movable, moved, towards
from esmm.query.fusion import Fusion, Window
from esmm.recipe import Search

TEXT = VectorClause("text", "text_vector", (1.0, 0.0))
PHOTOS = VectorClause("text_to_image", "image_vector", (0.0, 1.0))


def hit(**fields: list[float]) -> dict[str, Any]:
    return {"_id": "a", "fields": fields} if fields else {"_id": "a"}


def test_halfway_between_two_directions() -> None:
    assert towards((1.0, 0.0), [[0.0, 1.0]]) == pytest.approx((0.7071068, 0.7071068))
    assert towards((5.0, 0.0), [[0.0, 0.2], [0.0, 0.6]]) == pytest.approx((0.7071068, 0.7071068))
    assert towards((1.0, 0.0), [[1.0, 0.0]]) == (1.0, 0.0)


def test_opposites_make_no_nan() -> None:
    assert np.isfinite(towards((1.0, 0.0), [[-1.0, 0.0]])).all()
    assert towards((1.0, 0.0), [[0.0, 1.0], [0.0, -1.0]]) == (1.0, 0.0)


def test_each_field_moves_by_its_own_vectors() -> None:
    hits = [hit(text_vector=[0.0, 1.0]), hit(text_vector=[0.0, 1.0], image_vector=[1.0, 0.0]), hit()]
    text, photos = moved([TEXT, PHOTOS], hits)
    assert text.vector == pytest.approx((0.7071068, 0.7071068))
    assert photos.vector == pytest.approx((0.7071068, 0.7071068))
    assert (text.name, photos.field) == ("text", "image_vector")


@pytest.mark.parametrize("hits", [[], [hit()], [hit(image_vector=[1.0, 0.0])]])
def test_nothing_found_moves_nothing(hits: list[dict[str, Any]]) -> None:
    assert moved([TEXT], hits) == [TEXT]


def test_what_moves() -> None:
    assert movable(TEXT)
    assert not movable(replace(TEXT, name=AVOID, away=True))
    assert not movable(replace(TEXT, name="like_text"))
    assert not movable(replace(TEXT, vector="<vector of MiniLM>"))


def test_the_first_look_weighs_all_alike_whatever_was_tuned() -> None:
    tuned = Fusion(
        {"keyword": 0.2, "text": 0.0, "text_to_image": 7.0}, 4.0, {"text": Window(0.3, 0.4)}, floors={"text": 0.9}
    )
    limits, query = Search(feedback=7), {"match": {"title": "red shirt"}}
    body = first_look(query, [TEXT, PHOTOS], tuned, limits=limits, can=Capabilities())
    assert (body["size"], body["_source"], body["fields"]) == (7, False, ["image_vector", "text_vector"])
    plain = Fusion({"keyword": 1.0, "text": 1.0, "text_to_image": 1.0}, 4.0)
    assert body == first_look(query, [TEXT, PHOTOS], plain, limits=limits, can=Capabilities())
    assert "similarity" not in str(body)


def test_a_photo_alone_looks_without_words() -> None:
    body = first_look(None, [PHOTOS], Fusion({}), limits=Search(feedback=3), can=Capabilities())
    assert body["size"] == 3
    assert "esmm:keyword" not in str(body)
