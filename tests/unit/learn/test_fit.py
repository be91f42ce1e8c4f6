"""Fitting, on questions whose true fusion is known."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from planted import CONSTANT, HIGH, LOW, UNTUNED, VECTORS, planted

from esmm.learn.fit import Fit, Plan, fitted
from esmm.learn.losses import LOSSES
from esmm.learn.normalise import Normalisers, measured
from esmm.learn.scores import Table
from esmm.learn.stack import Stack
from esmm.query.fusion import Window
from esmm.query.gate import BOUND, FACTS

TRUTH = {"keyword": 0.6, "text": 1.0, "image": 0.25, "phrase": 0.0}
PRIOR = {"keyword": 1.0, "text": 0.5, "image": 0.5, "phrase": 0.5}


def learned(found: Table, plan: Plan) -> Fit:
    stack = Stack.of(found)
    return fitted(stack, measured(stack, VECTORS, UNTUNED), plan)


def mean_ndcg(fit: Fit, found: Table) -> float:
    stack = Stack.of(found)
    return float(stack.ndcg(fit.scores(stack)).mean())


@pytest.mark.parametrize("loss", LOSSES)
def test_a_planted_truth_is_recovered(loss: str) -> None:
    train, test = planted(TRUTH, seed=1), planted(TRUTH, seed=2)
    fit = learned(train, Plan(PRIOR, 1e-3, loss))
    order = sorted(fit.weights, key=lambda name: -fit.weights[name])
    assert order == ["text", "keyword", "image", "phrase"]
    assert fit.weights["text"] == 1
    assert fit.weights["phrase"] < 0.1
    prior = Fit(measured(Stack.of(train), VECTORS, UNTUNED), PRIOR)
    assert mean_ndcg(fit, test) > mean_ndcg(prior, test) + 0.03


@pytest.mark.parametrize("loss", LOSSES)
def test_weights_are_never_negative(loss: str) -> None:
    """A clause that speaks for the bad products loses its weight, and no more."""
    fit = learned(planted({"keyword": 1.0, "text": -1.0}), Plan({"keyword": 1.0, "text": 0.5}, 1e-3, loss))
    assert min(fit.weights.values()) >= 0
    assert fit.weights["text"] == pytest.approx(0, abs=0.02)
    assert fit.weights["keyword"] == 1


@pytest.mark.parametrize("loss", LOSSES)
def test_what_is_learned_is_no_worse_than_the_prior_on_what_it_was_learned_from(loss: str) -> None:
    """Of one clause that says little only the order counts: without a weight it would be lost."""
    for truth, noise in ((0.05, 0.3), (0.3, 1.0), (1.0, 0.1)):
        found = planted({"keyword": 0.0, "image": truth}, noise=noise)
        silent = [replace(q, raws=np.c_[np.full(len(q.ids), np.nan), q.raws[:, 1]]) for q in found.questions]
        found = replace(found, questions=tuple(silent))
        plan = Plan({"keyword": 1.0, "image": 0.5}, 0.01, loss)
        prior = Fit(measured(Stack.of(found), VECTORS, UNTUNED), plan.prior)
        assert mean_ndcg(learned(found, plan), found) >= mean_ndcg(prior, found)


def test_strength_pulls_to_the_prior() -> None:
    found = planted(TRUTH)
    start = measured(Stack.of(found), VECTORS, UNTUNED)

    def away(strength: float) -> tuple[float, float]:
        fit = learned(found, Plan(PRIOR, strength))
        weights = sum((fit.weights[name] / fit.weights["keyword"] - PRIOR[name]) ** 2 for name in PRIOR)
        return weights, abs(np.log(fit.normalisers.constants["keyword"] / start.constants["keyword"]))

    distances = [away(strength) for strength in (0.001, 0.1, 10.0, 1e4)]
    assert [weights for weights, _ in distances] == sorted((weights for weights, _ in distances), reverse=True)
    assert distances[0][0] > 0.3
    assert distances[-1] == pytest.approx((0, 0), abs=1e-3)


def test_shared_clauses_move_by_one_factor() -> None:
    found = planted({"keyword": 0.3, "text": 1.0, "image": 1.0})
    prior = {"keyword": 1.0, "text": 0.5, "image": 0.25}
    fit = learned(found, Plan(prior, 0.001, shared=("text", "image")))
    assert fit.weights["text"] / fit.weights["image"] == pytest.approx(2)
    assert fit.weights["text"] / fit.weights["keyword"] > 0.7
    start = measured(Stack.of(found), VECTORS, UNTUNED)
    assert fit.normalisers == start


@pytest.mark.parametrize("gate", [None, 0.1])
def test_deterministic_to_the_bit(gate: float | None) -> None:
    found, plan = planted(TRUTH, 15), Plan(PRIOR, 0.01, gate=gate)
    first, second = learned(found, plan), learned(found, plan)
    assert first.weights == second.weights
    assert first.normalisers == second.normalisers
    if gate is not None:
        assert first.coefficients is not None
        assert first.coefficients.tobytes() == second.coefficients.tobytes()


def _by_length(clause: str, facts: Mapping[str, float]) -> float:
    """Vectors help short queries only."""
    return 1.0 if clause == "keyword" or facts["words"] <= 3 else 0.0


def test_the_gate_finds_a_planted_dependence() -> None:
    truth, prior = {"keyword": 1.0, "text": 1.5}, {"keyword": 1.0, "text": 0.5}
    train, test = (planted(truth, 60, seed=seed, weight_of=_by_length) for seed in (1, 2))
    plain, gated = learned(train, Plan(prior, 0.01)), learned(train, Plan(prior, 0.01, gate=0.01))
    assert plain.coefficients is None
    assert gated.coefficients is not None
    keyword, text = gated.coefficients
    moved = dict(zip(FACTS, text - keyword, strict=True))
    assert moved["words"] < -0.3
    assert abs(moved["rarity"]) < abs(moved["words"]) / 2
    assert moved["photo"] == moved["codes"] == 0, "what never changes teaches nothing"
    assert mean_ndcg(gated, test) > mean_ndcg(plain, test) + 0.03


def test_a_strong_penalty_leaves_no_gate() -> None:
    found = planted({"keyword": 1.0, "text": 1.5}, weight_of=_by_length)
    fit = learned(found, Plan({"keyword": 1.0, "text": 0.5}, 0.01, gate=1e4))
    assert fit.coefficients is not None
    assert np.abs(fit.coefficients).max() < 1e-3


def test_no_query_moves_a_weight_beyond_the_bound() -> None:
    coefficients = np.zeros((1, len(FACTS)))
    coefficients[0, 0] = 100.0
    middles, scales = np.zeros(len(FACTS)), np.ones(len(FACTS))
    fit = Fit(Normalisers({"keyword": 1.0}, {}), {"keyword": 1.0}, coefficients, middles, scales)
    stack = Stack.of(planted({"keyword": 1.0}, 2, products=3)).only(("keyword",))
    stack = replace(stack, raws=np.ones_like(stack.raws), facts=np.array([[1.0, *[0] * 5], [-1.0, *[0] * 5]]))
    assert fit.scores(stack)[:, 0] == pytest.approx([0.5 * np.exp(BOUND), 0.5 * np.exp(-BOUND)])


def test_scores_by_hand() -> None:
    stack = Stack.of(planted({"keyword": 1.0, "text": 1.0}, 3, products=4))
    fit = Fit(Normalisers({"keyword": CONSTANT}, {"text": Window(LOW, HIGH)}), {"text": 0.5, "keyword": 2.0})
    keyword, text = (stack.raws[:, :, at] for at in (0, 1))
    expected = 2 * np.nan_to_num(keyword / (keyword + CONSTANT)) + 0.5 * (text - LOW) / (HIGH - LOW)
    assert fit.scores(stack) == pytest.approx(expected)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_clause_that_never_matches_changes_nothing(loss: str) -> None:
    found = planted({"keyword": 0.5, "text": 1.0}, 15)
    empty = replace(
        found,
        clauses=(*found.clauses, "phrase"),
        questions=tuple(replace(q, raws=np.c_[q.raws, np.full(len(q.ids), np.nan)]) for q in found.questions),
    )
    prior = {"keyword": 1.0, "text": 0.5}
    without = learned(found, Plan(prior, 0.01, loss))
    fit = learned(empty, Plan({**prior, "phrase": 0.5}, 0.01, loss, gate=None))
    assert {name: fit.weights[name] for name in prior} == pytest.approx(without.weights, abs=1e-3)
    assert np.isfinite(list(fit.weights.values())).all()
    assert fit.normalisers.constants["phrase"] == UNTUNED.constant("phrase")


@pytest.mark.parametrize("gate", [None, 0.1])
@pytest.mark.parametrize("loss", ["lambda", "pairwise"])
def test_gains_that_tell_nothing_leave_the_prior(loss: str, gate: float | None) -> None:
    found = planted(TRUTH, 5)
    for gain in (0.0, 1.0):
        equal = replace(found, questions=tuple(replace(q, gains=np.full(len(q.ids), gain)) for q in found.questions))
        fit = learned(equal, Plan(PRIOR, 0.01, loss, gate=gate))
        assert fit.weights == pytest.approx(PRIOR)
        assert fit.coefficients is None or not fit.coefficients.any()


def test_equal_gains_do_not_break_listnet() -> None:
    found = planted(TRUTH, 5)
    equal = replace(found, questions=tuple(replace(q, gains=np.ones(len(q.ids))) for q in found.questions))
    fit = learned(equal, Plan(PRIOR, 0.01, "listnet"))
    assert np.isfinite([*fit.weights.values(), *fit.normalisers.constants.values()]).all()


def test_what_no_search_finds_teaches_nothing() -> None:
    found = planted({"keyword": 0.5, "text": 1.0}, 10)

    def with_lost(gain: float) -> Table:
        """Each question has one more product, judged, that no search finds; the keyword alone speaks for it."""
        lost = [np.r_[q.raws, [[40.0, LOW]]] for q in found.questions]
        questions = zip(found.questions, lost, strict=True)
        return replace(
            found,
            questions=tuple(
                replace(
                    q, ids=(*q.ids, "lost"), raws=raws, gains=np.r_[q.gains, gain], candidate=np.r_[q.candidate, False]
                )
                for q, raws in questions
            ),
        )

    plan = Plan({"keyword": 1.0, "text": 0.5}, 0.01)
    assert learned(with_lost(1.0), plan).weights == pytest.approx(learned(with_lost(0.0), plan).weights)
