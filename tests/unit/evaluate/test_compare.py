"""Comparisons: against enumeration by hand, against scipy, and for the rates of error that they promise."""

import itertools
import math

import numpy as np
import pytest
import scipy.stats

from esmm.errors import LearnError
from esmm.evaluate.compare import compare, compared
from esmm.evaluate.measures import Measured
from esmm.significance import bootstrap, holm, jointly, randomisation


def system(*values: float, names: str = "abcdefghij") -> Measured:
    return Measured(tuple(names[: len(values)]), {"nDCG@10": np.array(values)})


def test_three_wins_of_three_by_enumeration() -> None:
    # Of the 8 sign patterns of (.1, .2, .3), two reach a mean of .2 or -.2.
    assert randomisation(np.array([0.1, 0.2, 0.3])) == 2 / 8
    # Five of (+,+,-) patterns by hand: |sum| >= 0 for all.
    assert randomisation(np.array([0.1, 0.2, -0.3])) == 1.0
    assert randomisation(np.array([0.0, 0.0])) == 1.0


@pytest.mark.parametrize("seed", range(5))
def test_few_questions_are_counted_out(seed: int) -> None:
    differences = np.random.default_rng(seed).normal(0.05, 0.1, 9)
    patterns = itertools.product([1, -1], repeat=9)
    expected = np.mean([abs(np.dot(signs, differences)) >= abs(differences.sum()) - 1e-12 for signs in patterns])
    assert randomisation(differences) == pytest.approx(expected)


@pytest.mark.parametrize("mean", [0.0, 0.02, 0.04])
def test_many_questions_against_scipy(mean: float) -> None:
    differences = np.random.default_rng(3).normal(mean, 0.1, 60)
    theirs = scipy.stats.permutation_test(
        (differences,), np.mean, permutation_type="samples", n_resamples=20_000, rng=np.random.default_rng(1)
    )
    assert randomisation(differences) == pytest.approx(theirs.pvalue, abs=0.02)


def test_p_is_never_0_and_the_same_again() -> None:
    certain = np.full(200, 0.5)
    assert randomisation(certain) == 1 / 10_001
    close = np.random.default_rng(5).normal(0.01, 0.1, 50)
    assert randomisation(close) == randomisation(close) != randomisation(close, seed=8)


def test_true_equals_are_told_apart_as_seldom_as_promised() -> None:
    rng = np.random.default_rng(0)
    ps = [randomisation(rng.normal(0, 0.1, 30), draws=500) for _ in range(400)]
    assert 0.02 <= np.mean(np.array(ps) < 0.05) <= 0.085


def test_systems_that_are_one_cost_nothing() -> None:
    differences = np.random.default_rng(3).normal(0.03, 0.1, 60)
    p = randomisation(differences)
    assert jointly([differences]) == [p]
    assert jointly([differences, 2 * differences, differences]) == [p, p, p]


def test_several_systems_by_enumeration() -> None:
    one, two = np.array([0.1, 0.2, 0.3]), np.array([0.1, -0.2, 0.3])
    tables = np.array([one / np.linalg.norm(one), two / np.linalg.norm(two)])
    observed = np.abs(tables.sum(axis=1))
    drawn = np.array([np.abs(tables @ np.array(signs)) for signs in itertools.product([1, -1], repeat=3)])
    first = np.mean(drawn.max(axis=1) >= observed[0] - 1e-12)
    second = max(first, np.mean(drawn[:, 1] >= observed[1] - 1e-12))
    assert jointly([one, two]) == [first, second]
    assert jointly([two, one]) == [second, first]


def test_unlike_systems_cost_about_what_holm_takes_and_like_ones_less() -> None:
    rng = np.random.default_rng(4)
    best, others = rng.normal(0.03, 0.1, 80), [rng.normal(0.0, 0.1, 80) for _ in range(3)]
    alone = randomisation(best)
    unlike = jointly([best, *others])[0]
    like = jointly([best, *(best + rng.normal(0, 0.02, 80) for _ in range(3))])[0]
    assert alone <= like < unlike <= holm([alone, 1, 1, 1])[0] + 0.01


def test_among_many_equals_one_is_found_as_seldom_as_promised() -> None:
    rng, found = np.random.default_rng(0), 0
    for _ in range(300):
        shared = rng.normal(0, 0.1, 30)
        found += min(jointly([shared + rng.normal(0, 0.1, 30) for _ in range(4)], draws=300)) < 0.05
    assert 0.02 <= found / 300 <= 0.085


def test_the_interval_holds_the_truth_as_often_as_promised() -> None:
    rng = np.random.default_rng(0)
    inside = {0.95: 0, 0.5: 0}
    for _ in range(300):
        values = rng.normal(0.1, 0.2, 60)
        for level in inside:
            low, high = bootstrap(values, level=level, draws=400)
            inside[level] += low <= 0.1 <= high
    assert inside[0.95] / 300 == pytest.approx(0.95, abs=0.04)
    assert inside[0.5] / 300 == pytest.approx(0.5, abs=0.08)


def test_the_interval_against_scipy() -> None:
    values = np.random.default_rng(2).normal(0.1, 0.2, 80)
    theirs = scipy.stats.bootstrap((values,), np.mean, method="percentile", rng=np.random.default_rng(1))
    assert bootstrap(values) == pytest.approx(tuple(theirs.confidence_interval), abs=0.003)


def test_many_questions_fit_into_the_memory() -> None:
    values = np.random.default_rng(2).normal(0.1, 0.2, 5_000)
    low, high = bootstrap(values, draws=2_000)
    assert (low + high) / 2 == pytest.approx(values.mean(), abs=0.002)
    assert high - low == pytest.approx(2 * 1.96 * 0.2 / math.sqrt(5_000), rel=0.1)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def test_won_lost_unchanged_and_the_worst() -> None:
    found = compare(("fused", system(0.5, 0.2, 0.3, 0.1)), ("keyword", system(0.4, 0.4, 0.3 + 1e-12, 0.9)))
    assert (found.won, found.lost, found.unchanged) == (1, 2, 1)
    assert found.gain == pytest.approx((0.1 - 0.2 - 0.8) / 4)
    assert [name for name, _ in found.worst()] == ["d", "b"]
    assert [change for _, change in found.worst(1)] == pytest.approx([-0.8])


def test_only_questions_that_both_have_a_value_for() -> None:
    ours, theirs = system(0.5, math.nan, 0.3), system(0.4, 0.4, math.nan)
    assert compare(("ours", ours), ("theirs", theirs)).questions == ("a",)
    other = Measured(("c", "a"), {"nDCG@10": np.array([0.1, 0.2])})
    both = compare(("ours", ours), ("other", other))
    assert dict(zip(both.questions, both.differences, strict=True)) == pytest.approx({"a": 0.3, "c": 0.2})


def test_one_question_tells_nothing() -> None:
    found = compare(("ours", system(0.9)), ("theirs", system(0.1)))
    assert [found.gain, found.p] == pytest.approx([0.8, 1.0])
    assert math.isnan(found.low)
    assert not found.low > -0.01


def test_no_question_in_common() -> None:
    with pytest.raises(LearnError, match=r"ours and theirs have no question in common that nDCG@10 is defined for"):
        compare(("ours", system(0.9, names="x")), ("theirs", system(0.1, names="y")))


def test_several_are_corrected_together() -> None:
    rng = np.random.default_rng(1)
    base = rng.uniform(size=40)
    names = "".join(map(chr, range(200, 240)))
    systems = {"keyword": system(*base, names=names)}
    systems |= {f"s{n}": system(*(base + rng.normal(gain, 0.1, 40)), names=names) for n, gain in enumerate([0.0, 0.05])}
    found = compared(systems, "keyword", level=0.9)
    assert [(c.system, c.baseline, c.level) for c in found] == [("s0", "keyword", 0.9), ("s1", "keyword", 0.9)]
    assert [c.corrected for c in found] == pytest.approx(holm([c.p for c in found]))
    assert found[1].corrected == pytest.approx(2 * found[1].p)
    wide = compared(systems, "keyword")
    assert wide[1].low < found[1].low < found[1].gain < found[1].high < wide[1].high
