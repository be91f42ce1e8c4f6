"""Measures against what a pencil says, and against the definitions written out on random rankings."""

import math
import random
import subprocess
import sys
from collections.abc import Sequence

import pytest

from esmm.errors import LearnError
from esmm.evaluate.measures import NAMES, measured, threshold

# One question: a (1.0), b (0.1), c (0.0) and d (0.5) are judged; x and y are not.
GAINS = {"shoe": {"a": 1.0, "b": 0.1, "c": 0.0, "d": 0.5}}
RANKING = ["x", "c", "a", "y", "b"]


def run(*found: str) -> dict[str, dict[str, float]]:
    return {"shoe": {product: 100.0 - rank for rank, product in enumerate(found)}}


def value(name: str, *found: str, **given: object) -> float:
    return float(measured(run(*found), GAINS, names=[name], **given).values[name][0])  # type: ignore[arg-type]


IDEAL = 1.0 + 0.5 / math.log2(3) + 0.1 / math.log2(4)
BY_HAND = {
    "nDCG@10": (1.0 / math.log2(4) + 0.1 / math.log2(6)) / IDEAL,
    "nDCG@2": 0.0,
    "nDCG": (1.0 / math.log2(4) + 0.1 / math.log2(6)) / IDEAL,
    "MRR": 1 / 3,
    "MRR@3": 1 / 3,
    "MRR@2": 0.0,
    "MAP": (1 / 3) / 2,  # a and d are relevant, d is not found
    "MAP@2": 0.0,
    "P@3": 1 / 3,
    "P@10": 1 / 10,
    "Recall@3": 1 / 2,
    "Recall@2": 0.0,
    "F1@3": 2 * (1 / 3) * (1 / 2) / (1 / 3 + 1 / 2),
    "F1@2": 0.0,
    "AUC": 1 / 2,  # a lies below c, above b
    "Judged@2": 1 / 2,
    "Judged@10": 3 / 5,
}
LEFT_OUT = {  # c, a, b are left
    "nDCG@10": (1.0 / math.log2(3) + 0.1 / math.log2(4)) / IDEAL,
    "MRR": 1 / 2,
    "MAP": (1 / 2) / 2,
    "P@2": 1 / 2,
    "Recall@2": 1 / 2,
    "F1@2": 1 / 2,
    "AUC": 1 / 2,
}


@pytest.mark.parametrize("name", BY_HAND)
def test_by_hand(name: str) -> None:
    assert value(name, *RANKING) == pytest.approx(BY_HAND[name], abs=1e-4)


@pytest.mark.parametrize("name", LEFT_OUT)
def test_unjudged_products_are_left_out_before_the_cut(name: str) -> None:
    assert value(name, *RANKING, unjudged="left out") == pytest.approx(LEFT_OUT[name], abs=1e-4)


def test_what_counts_as_relevant_can_be_said() -> None:
    assert threshold(GAINS) == 0.5
    assert value("P@1", "d") == 1.0
    assert value("P@1", "d", relevant=0.6) == 0.0
    assert value("P@1", "b", relevant=0.1) == 1.0


def test_equal_scores_of_auc_count_half_and_of_ranks_go_by_id() -> None:
    tied = {"shoe": {"a": 1.0, "c": 1.0, "b": 0.5, "d": 0.5}}
    found = measured(tied, GAINS, names=["AUC", "MRR"])
    assert found.values["AUC"][0] == (0.5 + 1 + 0 + 0.5) / 4
    assert found.values["MRR"][0] == 1.0
    assert measured({"shoe": {"d": 1.0, "c": 1.0}}, GAINS, names=["MRR"]).values["MRR"][0] == 0.5


def test_scores_that_32_bits_cannot_tell_apart_keep_their_order() -> None:
    near = {"shoe": {"z": 1.0 + 1e-12, "a": 1.0 + 2e-12}}
    assert measured(near, GAINS, names=["MRR"]).values["MRR"][0] == 1.0
    assert measured({"shoe": {"z": 1.0 + 2e-12, "a": 1.0 + 1e-12}}, GAINS, names=["MRR"]).values["MRR"][0] == 0.5


def test_a_question_without_an_answer_found_nothing() -> None:
    answers: list[dict[str, dict[str, float]]] = [{}, {"shoe": {}}]
    for nothing in answers:
        found = measured(nothing, GAINS)
        expected = {"AUC", "Judged@10"}
        assert {name for name, mean in found.means.items() if math.isnan(mean)} == expected
        assert {mean for name, mean in found.means.items() if name not in expected} == {0.0}


def test_a_question_with_nothing_to_find_does_not_count() -> None:
    gains = GAINS | {"hat": {"h": 0.0}, "belt": {"g": 0.1}}
    found = measured(run("a") | {"hat": {"h": 1.0}, "belt": {"g": 1.0}, "tie": {"t": 1.0}}, gains)
    assert found.questions == ("shoe", "hat", "belt")
    assert [math.isnan(number) for number in found.values["P@10"]] == [False, True, True]
    # A gain of 0.1 is something to find, but not enough to be relevant.
    assert [math.isnan(number) for number in found.values["nDCG@10"]] == [False, True, False]
    assert found.mean("nDCG@10") == pytest.approx((1 / IDEAL + 1) / 2, abs=1e-4)
    assert found.mean("Judged@10") == 1.0


def test_the_same_gain_in_other_units() -> None:
    times = {"shoe": {product: 40 * gain for product, gain in GAINS["shoe"].items()}}
    assert measured(run(*RANKING), times).means == measured(run(*RANKING), GAINS).means


def written_out(ranking: Sequence[str], gains: dict[str, float], k: int) -> dict[str, float]:
    """The definitions, in the plainest form."""
    right = [gains.get(product, 0.0) >= 0.5 for product in ranking]
    relevant = sum(gain >= 0.5 for gain in gains.values())
    dcg = sum(gains.get(product, 0.0) / math.log2(rank + 2) for rank, product in enumerate(ranking[:k]))
    ideal = sum(gain / math.log2(rank + 2) for rank, gain in enumerate(sorted(gains.values(), reverse=True)[:k]))
    precisions = [sum(right[: rank + 1]) / (rank + 1) for rank in range(len(ranking)) if right[rank]]
    judged = [product for product in ranking if product in gains]
    pairs = [judged.index(a) < judged.index(b) for a in judged if gains[a] >= 0.5 for b in judged if gains[b] < 0.5]
    return {
        f"nDCG@{k}": dcg / ideal,
        f"MRR@{k}": next((1 / (rank + 1) for rank, hit in enumerate(right[:k]) if hit), 0.0),
        "MAP": sum(precisions) / relevant,
        f"P@{k}": sum(right[:k]) / k,
        f"Recall@{k}": sum(right[:k]) / relevant,
        f"F1@{k}": 2 * sum(right[:k]) / (k + relevant),
        "AUC": sum(pairs) / len(pairs) if pairs else math.nan,
        f"Judged@{k}": sum(product in gains for product in ranking[:k]) / min(k, len(ranking)),
    }


@pytest.mark.parametrize("seed", range(20))
def test_random_rankings_against_the_definitions(seed: int) -> None:
    rng = random.Random(seed)
    products = [f"p{number}" for number in range(40)]
    gains = {product: rng.choice([0.0, 0.1, 0.5, 1.0]) for product in rng.sample(products, 15)} | {"p0": 1.0}
    ranking = rng.sample(products, 25)
    expected = written_out(ranking, gains, 7)
    found = measured({"q": {p: -float(rank) for rank, p in enumerate(ranking)}}, {"q": gains}, names=list(expected))
    assert found.means == pytest.approx(expected, abs=1e-4, nan_ok=True)


def test_wrong_names_are_told_all_at_once() -> None:
    with pytest.raises(LearnError, match=r"nDGC@10, P, AUC@3, P@0, nDCG@10x") as caught:
        measured({}, GAINS, names=["nDGC@10", "P", "MAP", "AUC@3", "P@0", "nDCG@10x"])
    assert "Recall@100" in caught.value.hint


def test_scores_that_are_no_numbers() -> None:
    with pytest.raises(LearnError, match=r"2 scores are not numbers.*product b for “shoe”"):
        measured({"shoe": {"a": 1.0, "b": math.nan, "c": math.nan}}, GAINS)


@pytest.mark.parametrize("gains", [{}, {"shoe": {}}, {"shoe": {"a": 0.0}}])
def test_judgements_without_a_gain(gains: dict[str, dict[str, float]]) -> None:
    with pytest.raises(LearnError, match="nothing can be measured"):
        measured(run("a"), gains)


def test_what_is_irrelevant_cannot_be_made_relevant() -> None:
    with pytest.raises(LearnError, match="gain of 0 cannot count as relevant"):
        measured(run("a"), GAINS, relevant=0.0)


def test_the_library_is_asked_for_when_it_is_missing() -> None:
    code = (
        "import sys; sys.modules['ir_measures'] = None\n"
        "from esmm.evaluate.measures import measured\n"
        "try: measured({'q': {'a': 1.0}}, {'q': {'a': 1.0}})\n"
        "except Exception as error: print(type(error).__name__, error.hint)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown == 'LearnError pip install "esmm[learn]"\n'


def test_all_usual_measures_are_there_in_their_order() -> None:
    assert tuple(measured(run("a"), GAINS).values) == NAMES
