"""Is one system better than another? Paired tests over the same questions, and intervals that say by how much."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from esmm.errors import LearnError
from esmm.significance import EQUAL, SEED, bootstrap, holm, randomisation

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from esmm.evaluate.measures import Measured


@dataclass(frozen=True)
class Comparison:
    """A system against the baseline by one measure, over the ``questions`` for which both have a value.

    ``gain`` is the mean of ``differences`` (system - baseline), ``low`` and ``high`` its bootstrap interval at
    ``level`` (NaN for fewer than two questions, of which nothing can be said), ``p`` the two-sided randomisation test,
    ``corrected`` the same after Holm's correction for all the systems compared at once.
    """

    system: str
    baseline: str
    measure: str
    questions: tuple[str, ...]
    differences: "NDArray[np.float64]"
    gain: float
    low: float
    high: float
    level: float
    p: float
    corrected: float

    @property
    def won(self) -> int:
        """How many questions the system answers better."""
        return int((self.differences > EQUAL).sum())

    @property
    def lost(self) -> int:
        """How many questions the system answers worse."""
        return int((self.differences < -EQUAL).sum())

    @property
    def unchanged(self) -> int:
        """How many questions both answer equally well."""
        return len(self.questions) - self.won - self.lost

    def worst(self, count: int = 5) -> list[tuple[str, float]]:
        """Return the questions that lost most, worst first, with their differences; fewer if fewer lost."""
        order = self.differences.argsort(kind="stable")[:count]
        return [(self.questions[at], float(self.differences[at])) for at in order if self.differences[at] < -EQUAL]


def compared(
    systems: "Mapping[str, Measured]", baseline: str, *, measure: str = "nDCG@10", level: float = 0.95, seed: int = SEED
) -> list[Comparison]:
    """Compare each system with the ``baseline`` among them, in their order; p is corrected for all of them.

    Raises LearnError if a system has no question in common with the baseline for which both have a value.
    """
    found = [
        compare((name, system), (baseline, systems[baseline]), measure=measure, level=level, seed=seed)
        for name, system in systems.items()
        if name != baseline
    ]
    return [replace(comparison, corrected=p) for comparison, p in zip(found, holm([c.p for c in found]), strict=True)]


def compare(
    system: "tuple[str, Measured]",
    baseline: "tuple[str, Measured]",
    *,
    measure: str = "nDCG@10",
    level: float = 0.95,
    seed: int = SEED,
) -> Comparison:
    """Compare one system with another, both given with their names; see :func:`compared` for several at once."""
    (name, ours), (other, theirs) = system, baseline
    questions, differences = _paired(_by_question(ours, measure), _by_question(theirs, measure))
    if not questions:
        raise LearnError(f"{name} and {other} have no question in common that {measure} is defined for", "")
    low, high = bootstrap(differences, level=level, seed=seed)
    p = randomisation(differences, seed=seed)
    gain = float(differences.mean())
    return Comparison(name, other, measure, questions, differences, gain, low, high, level, p, corrected=p)


def _by_question(system: "Measured", measure: str) -> dict[str, float]:
    return dict(zip(system.questions, system.values[measure].tolist(), strict=True))


def _paired(ours: Mapping[str, float], theirs: Mapping[str, float]) -> "tuple[tuple[str, ...], NDArray[Any]]":
    """Return the questions that both have a value for, with the differences."""
    import numpy as np

    both = {q: value - theirs[q] for q, value in ours.items() if q in theirs and not math.isnan(value - theirs[q])}
    return tuple(both), np.array(list(both.values()), dtype=np.float64)
