"""Systems made from clause scores: each score and each list against arithmetic by hand."""

import math
import sys
from dataclasses import replace

import numpy as np
import pytest

from esmm.errors import LearnError
from esmm.evaluate.build import Contender, cautions, ranked
from esmm.evaluate.systems import Ground, alone, at_random, contributions, equal, fused, oracle, rrf
from esmm.evaluate.yardstick import optimised
from esmm.learn.judgements import Question
from esmm.learn.scores import FORM, Scored, Table
from esmm.query.fusion import KEYWORD, Fusion, Window
from esmm.query.gate import FACTS, Gate, Rarity, facts_of

NO = math.nan
CLAUSES = (KEYWORD, "brand", "image", "text")
# a, b, c, d are found; x is judged only. Columns as in CLAUSES.
RAWS = [
    [6.0, 1.0, NO, 0.2],  # a
    [2.0, NO, 0.9, 0.4],  # b
    [NO, NO, 0.5, 0.8],  # c
    [NO, 3.0, 0.1, 0.6],  # d
    [8.0, NO, 0.9, 0.9],  # x
]
IDS = ("a", "b", "c", "d", "x")
GAINS = (0.0, 1.0, NO, 0.5, 1.0)
FUSION = Fusion(
    {KEYWORD: 1.0, "brand": 0.5, "text": 0.4, "image": 0.0}, 2.0, {"text": Window(0.2, 0.7)}, {"brand": 1.0}
)


def scored(text: str | None = "red shoe", raws: list[list[float]] | None = None) -> Scored:
    question = Question(text, None if text else "1.png")
    facts = facts_of(text, photo=not text, rarity=Rarity())
    held = np.array([True, True, True, True, False])
    return Scored(question, IDS, np.array(raws or RAWS), np.array(GAINS), held, facts)


def ground(*questions: Scored, clauses: tuple[str, ...] = CLAUSES, k: int = 2) -> Ground:
    return Ground(Table(clauses, questions or (scored(),)), FUSION, k)


def lists(place: Ground, scores: np.ndarray, question: str = "red shoe") -> dict[str, float]:
    return place.run(scores)[question]


def test_one_clause_alone_holds_its_matches_among_the_candidates() -> None:
    place = ground()
    assert lists(place, alone(place, KEYWORD)) == {"a": 6.0, "b": 2.0}
    assert lists(place, alone(place, "image")) == {"b": 0.9, "c": 0.5, "d": 0.1}
    assert place.vectors == ("image", "text")
    assert place.qrels == {"red shoe": {"a": 0.0, "b": 1.0, "d": 0.5, "x": 1.0}}


def test_reciprocal_ranks_by_hand() -> None:
    place = ground()
    found = lists(place, rrf(place))
    assert found["a"] == pytest.approx(1 / 61 + 1 / 64)  # first by words, last of four by text, no photo
    assert found["b"] == pytest.approx(1 / 62 + 1 / 61 + 1 / 63)
    assert found["c"] == pytest.approx(1 / 62 + 1 / 61)
    assert found["d"] == pytest.approx(1 / 63 + 1 / 62)
    assert set(found) == {"a", "b", "c", "d"}


def test_a_fusion_scores_as_the_query_does_and_finds_what_its_request_finds() -> None:
    place = ground()
    found = lists(place, fused(place, FUSION))
    for product, raws in zip(IDS[:4], RAWS, strict=False):
        known = {name: raw for name, raw in zip(CLAUSES, raws, strict=True) if not math.isnan(raw)}
        assert found[product] == pytest.approx(FUSION.score(known))
    assert found["a"] == pytest.approx(6 / 8 + 0.5 * 1 / 2)
    assert found["d"] == pytest.approx(0.5 * 3 / 4 + 0.4 * 0.8)
    # Only one neighbour: d is no candidate of the text any more, and the photo clause weighs nothing.
    assert set(lists(ground(k=1), fused(ground(k=1), FUSION))) == {"a", "b", "c"}
    assert set(lists(place, fused(place, replace(FUSION, floors={"text": 0.7})))) == {"a", "b", "c"}
    assert set(lists(place, fused(place, replace(FUSION, weights={**FUSION.weights, "text": 0.0})))) == {"a", "b"}


def test_the_gate_moves_each_question_by_itself() -> None:
    gate = Gate({"text": {"words": 0.5}}, dict.fromkeys(FACTS, 1.0), dict.fromkeys(FACTS, 1.0))
    place, fusion = ground(scored("shoe"), scored("red shoe")), replace(FUSION, gate=gate)
    given = contributions(place, fusion)["text"]
    assert given[0, 2] == pytest.approx(0.4)  # one word is the middle
    assert given[1, 2] == pytest.approx(0.4 * math.exp(0.5))
    for row, question in enumerate(("shoe", "red shoe")):
        assert lists(place, fused(place, fusion), question)["c"] == pytest.approx(
            fusion.at(question).score({"image": 0.5, "text": 0.8})
        ), row


def test_equal_weights_leave_declared_clauses_out() -> None:
    made = equal(ground())
    assert made.weights == {KEYWORD: 1.0, "brand": 0.0, "image": 1.0, "text": 1.0}
    assert made.saturation == 2.0  # the last of the two that match
    assert made.constant("brand") == 1.0
    assert made.windows["text"].low == pytest.approx(np.percentile([0.2, 0.4, 0.8, 0.6], 5), abs=1e-4)


def test_an_oracle_is_no_worse_than_its_ends_and_luck_helps_it() -> None:
    rng = np.random.default_rng(4)
    questions = [scored(f"question {n}", rng.random((5, 4)).tolist()) for n in range(12)]
    place = ground(*questions, k=5)
    best, lucky = place.stack.ndcg(oracle(place)), place.stack.ndcg(oracle(place, shuffled=True))
    for end in (alone(place, KEYWORD), fused(place, equal(place))):
        assert (best >= place.stack.ndcg(end) - 1e-9).all()
    assert (lucky >= place.stack.ndcg(alone(place, KEYWORD)) - 1e-9).all()
    assert (oracle(place) == oracle(place)).all()
    assert (oracle(place, shuffled=True) == oracle(place, shuffled=True)).all()
    assert not np.allclose(best, lucky)


def test_shuffling_keeps_the_scores_of_the_candidates() -> None:
    place = ground(scored(raws=[[NO, NO, NO, raw] for raw in (0.1, 0.2, 0.3, 0.4, 0.9)]), clauses=CLAUSES)
    found = lists(place, oracle(place, shuffled=True))
    assert set(found) == {"a", "b", "c", "d"}
    assert len(set(found.values())) > 1


def test_a_random_order_is_the_same_each_time() -> None:
    place = ground()
    assert set(lists(place, at_random(place))) == {"a", "b", "c", "d"}
    assert (at_random(place) == at_random(place)).all()


def test_photos_alone_have_no_keyword() -> None:
    place = ground(scored(None, [row[2:] for row in RAWS]), clauses=("image", "text"))
    assert lists(place, alone(place, KEYWORD), "photo:1.png") == {}
    found = ranked(place, [Contender("mine", FUSION)])
    assert set(found.runs["mine"]["photo:1.png"]) == {"c", "d"}
    assert "five" not in found.left_out
    assert found.left_out.startswith("ranx optimize_fusion: ")


def test_other_forms_of_the_keyword_are_compared_and_never_fused() -> None:
    place = ground(
        scored(raws=[[*row[:3], 5.0 + at] for at, row in enumerate(RAWS)]), clauses=(*CLAUSES[:3], FORM + "x")
    )
    assert (place.clauses, place.vectors) == (CLAUSES[:3], ("image",))
    runs = ranked(place, [Contender("mine", FUSION)]).runs
    assert runs["keyword (x)"]["red shoe"] == {"a": 5.0, "b": 6.0, "c": 7.0, "d": 8.0}
    assert list(runs)[:4] == ["keyword", "mine", "keyword (x)", "image alone"]


def test_what_a_reader_must_know() -> None:
    own = Contender("fusion.json", replace(FUSION, weights={**FUSION.weights, "phrase": 1.0}), own=True)
    told = cautions(ground(), [own], (KEYWORD, "text", "image", "phrase"))
    assert told[0] == "one question tells little"
    assert "no product of any question matches phrase, which fusion.json counts on" in told
    assert "tuned on these judgements" in told[2]
    assert len(told) == 3
    alike = replace(scored(), gains=np.array([1.0, 1.0, NO, NO, 1.0]))
    told = cautions(ground(*(replace(alike, question=Question(str(n))) for n in range(9))), [], ())
    assert [text.split(",")[0] for text in told] == [
        "9 questions are too few to tell systems apart",
        "all judged products have the same gain",
    ]


def test_without_ranx_the_reason_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ranx", None)
    with pytest.raises(LearnError, match="ranx is not installed"):
        optimised(ground())
    assert ranked(ground(), []).left_out == "ranx optimize_fusion: ranx is not installed"


def test_ranx_weighs_by_the_other_folds() -> None:
    """Where the text ranks as the gains do and the keyword the other way round, the text gets all weight."""
    pytest.importorskip("ranx", reason="ranx is not installed: it is part of the extra bench")
    raws = [[9.0, NO, NO, 0.1], [1.0, NO, NO, 0.9], [7.0, NO, NO, 0.2], [3.0, NO, NO, 0.5], [2.0, NO, NO, 0.4]]
    questions = [scored(f"question {n}", raws) for n in range(6)]
    nothing = replace(scored("nothing to find", raws), gains=np.full(5, NO))
    place = ground(*questions, nothing, clauses=(KEYWORD, "brand", "image", "text"))
    found = optimised(
        replace(
            place,
            table=Table((KEYWORD, "text"), tuple(replace(q, raws=q.raws[:, [0, 3]]) for q in place.table.questions)),
        )
    )
    assert list(found) != []
    assert set(found) == {f"question {n}" for n in range(6)}
    for scores in found.values():
        assert sorted(scores, key=lambda product: -scores[product]) == ["b", "d", "c", "a"]
