"""Did quality fall since the last evaluation? For a shop's continuous integration."""

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from esmm.errors import LearnError
from esmm.evaluate.report import VERSION
from esmm.significance import bootstrap

# How much was judged says nothing of quality, nor does AUC, which sees only what the system found.
_DIAGNOSES = ("Judged", "AUC")


@dataclass(frozen=True)
class Regression:
    """A measure of a system that fell, or (``new`` is NaN) is no longer measured.

    ``low`` and ``high`` are the 95 % interval of new - old where ``paired`` questions are in both reports (0: the
    means alone were compared, and both ends are NaN).
    """

    system: str
    measure: str
    old: float
    new: float
    low: float = math.nan
    high: float = math.nan
    paired: int = 0

    def __str__(self) -> str:
        if math.isnan(self.new):
            return f"{self.system}: {self.measure} was {self.old:.3f}, and is no longer measured"
        told = f"{self.system}: {self.measure} fell from {self.old:.3f} to {self.new:.3f}"
        known = f"{self.new - self.old:+.3f} [{self.low:+.3f}, {self.high:+.3f}] over {self.paired} questions"
        return f"{told} ({known})" if self.paired else f"{told} (other questions, so only the means are compared)"


def regressed(
    new: Mapping[str, Any],
    old: Mapping[str, Any],
    *,
    tolerance: float = 0.01,
    measures: Collection[str] | None = None,
) -> list[Regression]:
    """Return what fell by more than noise from one report to the next, both as ``Report.as_json`` gives them.

    Where at least half of the old report's questions are in the new one, a measure fell if the 95 % bootstrap interval
    of the paired differences lies below 0; else if its mean lies more than ``tolerance`` below the old one. A system
    that is gone counts as fallen, controls never do. ``measures`` narrows the search to some; by default Judged@k and
    AUC alone are not looked at. Raises LearnError if one of both is no such report.
    """
    before, after = _systems(old, "the old report"), _systems(new, "the new report")
    found = []
    for name, system in before.items():
        looked_at = measures if measures is not None else [m for m in _means(system) if not m.startswith(_DIAGNOSES)]
        kept = [measure for measure in looked_at if _means(system).get(measure) is not None]
        found += [fall for measure in kept if (fall := _fall(measure, system, after.get(name), tolerance))]
    return found


def _systems(report: Mapping[str, Any], which: str) -> dict[str, Mapping[str, Any]]:
    if not isinstance(report, Mapping) or report.get("version") != VERSION or "systems" not in report:
        raise LearnError(f"{which} was not written by this version of esmm", "write it again with esmm evaluate --json")
    return {system["name"]: system for system in report["systems"] if not system["control"]}


def _means(system: Mapping[str, Any]) -> Mapping[str, float | None]:
    means: Mapping[str, float | None] = system["means"]["nothing"]
    return means


def _fall(measure: str, old: Mapping[str, Any], new: Mapping[str, Any] | None, tolerance: float) -> Regression | None:
    name, before = old["name"], float(_means(old)[measure] or 0.0)
    after = _means(new).get(measure) if new else None
    if new is None or after is None:
        return Regression(name, measure, before, math.nan)
    then, now = dict(_values(old, measure)), dict(_values(new, measure))
    both = [question for question in then if question in now]
    if 2 * len(both) < len(then):
        return Regression(name, measure, before, after) if after < before - tolerance else None
    return _paired_fall(Regression(name, measure, before, after), [now[q] - then[q] for q in both])


def _paired_fall(means: Regression, changes: list[float]) -> Regression | None:
    import numpy as np

    low, high = bootstrap(np.array(changes))
    fell = high < 0 if len(changes) > 1 else changes[0] < 0
    return Regression(means.system, means.measure, means.old, means.new, low, high, len(changes)) if fell else None


def _values(system: Mapping[str, Any], measure: str) -> Iterator[tuple[str, float]]:
    values = system["values"]["nothing"][measure]
    return ((q, value) for q, value in zip(system["questions"], values, strict=True) if value is not None)
