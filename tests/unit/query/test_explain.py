"""Reading an answer: the parts of a hit, in the words of the fusion."""

import pytest

from esmm.cluster import Capabilities
from esmm.query.clauses import VectorClause
from esmm.query.explain import Hit, Part, asked_of, hits_of, parts_of, sentence
from esmm.query.fusion import Fusion, Window
from esmm.query.upgrade import Options, upgrade_body
from esmm.recipe import Search

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


def _hit(**contributions: float) -> Hit:
    parts = [Part(clause, 0, 0, 0, given) for clause, given in contributions.items()]
    return Hit("a", sum(contributions.values()), {}, tuple(parts))


@pytest.mark.parametrize(
    ("hit", "asked", "said"),
    [
        (_hit(), [], "found by its words"),
        (_hit(keyword=0.61, text=0.39), ["keyword", "text"], "found by its words (61 %) and its meaning (39 %)"),
        (_hit(keyword=0.2, text=0.8), ["keyword", "text"], "found by its meaning (80 %) and its words (20 %)"),
        (_hit(image=0.7), ["keyword", "image"], "found by its photo; the words did not match"),
        (_hit(image=0.7, keyword=0.0), ["keyword", "image"], "found by its photo; the words did not match"),
        (_hit(keyword=2), ["keyword", "text", "image"], "found by its words; the meaning and photo did not match"),
        (_hit(keyword=0.7, text_to_image=0.3), [], "found by its words (70 %) and its look (30 %)"),
        (
            _hit(keyword=1),
            ["keyword", "text", "text_to_image"],
            "found by its words; the meaning and look did not match",
        ),
        (_hit(text=0.0), ["keyword", "text"], "found as a near neighbour; the words and meaning did not match"),
        (_hit(keyword=1, text=1, image=2), [], "found by its photo (50 %), its words (25 %) and its meaning (25 %)"),
        (_hit(keyword=999, text=1), [], "found by its words (100 %) and its meaning (under 1 %)"),
        (_hit(keyword=1, tier=3), ["keyword", "text"], "found by its words; the meaning did not match"),
        (_hit(knn2=1), ["knn2"], "found by its clause knn2"),
    ],
)
def test_a_hit_in_a_sentence(hit: Hit, asked: list[str], said: str) -> None:
    assert sentence(hit, asked) == said
    assert hit.as_json(asked)["why"] == said


def test_what_a_request_asks_for() -> None:
    own = {"query": {"match": {"title": {"query": "red", "_name": "mine"}}}}
    clauses = [VectorClause("text", "text_vector", [1.0]), VectorClause("image", "image_vector", [1.0])]

    def asked(fusion: Fusion, recall: str) -> list[str]:
        options = Options(recall=recall)  # type: ignore[arg-type]
        return asked_of(upgrade_body(own, clauses, fusion, limits=Search(), can=Capabilities(), options=options).body)

    assert asked(FUSION, "rescue") == ["keyword", "text", "image"]
    assert asked(Fusion({"text": 0}), "union") == ["keyword", "image"]
    assert asked(Fusion({"text": 0, "image": 0}), "union") == []
