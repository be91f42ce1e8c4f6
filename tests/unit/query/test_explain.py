"""Reading an answer: the parts of a hit, in the words of the fusion."""

import pytest

from esmm.query.explain import Hit, Part, hits_of, parts_of
from esmm.query.fusion import Fusion, Window

FUSION = Fusion({"keyword": 0.5, "text": 2}, 10, {"text": Window(0.2, 0.6)})
NAMED = {"esmm:text": 0.5, "mine": 4.2, "esmm:keyword": 0.6, "esmm:keyword:raw": 15.0, "esmm:image": 0.25}


def test_the_parts_of_a_hit() -> None:
    keyword, image, text = parts_of(NAMED, FUSION)
    assert keyword == Part("keyword", 15.0, 0.6, 0.5, 0.3)
    assert image == Part("image", 0.25, 0.25, 1, 0.25)
    assert text.raw == pytest.approx(0.4)
    assert text.contribution == 1


def test_the_parts_give_the_score_that_python_computes_from_the_raw_scores() -> None:
    parts = parts_of(NAMED, FUSION)
    raws = {part.clause: part.raw for part in parts}
    assert sum(part.contribution for part in parts) == pytest.approx(FUSION.score(raws))


@pytest.mark.parametrize("named", [{}, ["mine", "esmm:text"], {"mine": 1.0}])
def test_a_hit_without_scores_of_ours_has_no_parts(named: object) -> None:
    assert parts_of(named, FUSION) == ()  # type: ignore[arg-type]


def test_hits_of_an_answer() -> None:
    answer = {
        "hits": {
            "hits": [
                {"_id": "a", "_score": 0.3, "_source": {"title": "t"}, "matched_queries": {"esmm:keyword": 0.6}},
                {"_id": "b", "_score": None},
            ]
        }
    }
    first, second = hits_of(answer, FUSION)
    assert first.as_json()["clauses"][0]["clause"] == "keyword"
    assert first.as_json()["product"] == {"title": "t"}
    assert second == Hit("b", None, {}, ())  # type: ignore[arg-type]
