"""What fell since the last report: told where it is more than noise, silent where it is not."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from esmm.errors import LearnError
from esmm.evaluate.against import regressed
from esmm.evaluate.measures import Measured
from esmm.evaluate.report import Report, System, versus

QUESTIONS = [f"q{at}" for at in range(60)]
BASE = np.random.default_rng(0).uniform(0.3, 0.9, 60)


def report(
    fused: Any, more: Mapping[str, Any] | None = None, *, questions: Sequence[str] = QUESTIONS, name: str = "fused"
) -> dict[str, Any]:
    def measured(values: Any) -> Measured:
        return Measured(tuple(questions), {"nDCG@10": np.array(values)} | dict(more or {}))

    half = np.full(len(questions), 0.5)
    systems = (System("keyword", measured(half), measured(half)), System(name, measured(fused), measured(fused)))
    control = System("random", measured(np.array(fused) * 0.1), measured(fused), control=True)
    found = Report("Shop", "keyword", (*systems, control), *versus(systems, "keyword")).as_json()
    read: dict[str, Any] = json.loads(json.dumps(found))
    return read


def test_nothing_fell() -> None:
    assert regressed(report(BASE), report(BASE)) == []
    assert regressed(report(BASE + 0.1), report(BASE)) == []


def test_a_small_fall_everywhere_is_told() -> None:
    (found,) = regressed(report(BASE - 0.004), report(BASE))
    assert (found.system, found.measure, found.paired) == ("fused", "nDCG@10", 60)
    assert found.new - found.old == pytest.approx(-0.004, abs=1e-6)
    assert str(found).startswith("fused: nDCG@10 fell from ")
    assert "(-0.004 [-0.004, -0.004] over 60 questions)" in str(found)


def test_noise_is_no_fall() -> None:
    noise = np.random.default_rng(4).normal(0, 0.1, 60)
    worse = BASE + noise - noise.mean() - 0.011
    assert regressed(report(worse), report(BASE)) == []
    assert len(regressed(report(worse - 0.05), report(BASE))) == 1


def test_other_questions_are_compared_by_their_means() -> None:
    others = [f"r{at}" for at in range(60)]
    (found,) = regressed(report(BASE - 0.02, questions=others), report(BASE))
    assert found.paired == 0
    assert "only the means" in str(found)
    assert regressed(report(BASE - 0.02, questions=others), report(BASE), tolerance=0.03) == []
    assert regressed(report(BASE - 0.005, questions=others), report(BASE)) == []


@pytest.mark.parametrize(("shared", "paired"), [(30, 30), (29, 0)])
def test_half_of_the_old_questions_are_enough_to_pair(shared: int, paired: int) -> None:
    partly = [*QUESTIONS[:shared], *(f"r{at}" for at in range(60 - shared))]
    (found,) = regressed(report(BASE - 0.1, questions=partly), report(BASE))
    assert found.paired == paired


def test_shared_questions_are_found_by_name() -> None:
    turned = report(BASE[::-1] - 0.1, questions=[*QUESTIONS[::-1]])
    (found,) = regressed(turned, report(BASE))
    assert [found.paired, found.high] == pytest.approx([60, -0.1], abs=1e-5)


def test_a_system_that_is_gone_has_fallen() -> None:
    (found,) = regressed(report(BASE, name="renamed"), report(BASE))
    assert math.isnan(found.new)
    assert "fused: nDCG@10 was" in str(found)
    assert "no longer measured" in str(found)


def test_controls_and_diagnoses_never_fall() -> None:
    old, new = (report(BASE, {"Judged@10": BASE - less, "AUC": BASE - less}) for less in (0, 0.2))
    new["systems"] = [system for system in new["systems"] if not system["control"]]
    assert regressed(new, old) == []
    assert {found.measure for found in regressed(new, old, measures=["AUC"])} == {"AUC"}


def test_some_measures_only() -> None:
    old, new = (report(BASE - less, {"MAP": BASE - less}) for less in (0, 0.1))
    assert {found.measure for found in regressed(new, old)} == {"nDCG@10", "MAP"}
    assert {found.measure for found in regressed(new, old, measures=["MAP"])} == {"MAP"}


def test_questions_without_a_value_are_left_out() -> None:
    holes = BASE.copy()
    holes[:10] = math.nan
    (found,) = regressed(report(holes - 0.1), report(BASE))
    assert found.paired == 50


@pytest.mark.parametrize("wrong", [{}, {"version": 99, "systems": []}, [], {"version": 1}])
def test_something_else_than_a_report(wrong: Any) -> None:
    with pytest.raises(LearnError, match="the old report was not written by this version"):
        regressed(report(BASE), wrong)
    with pytest.raises(LearnError, match="the new report was not written by this version"):
        regressed(wrong, report(BASE))
