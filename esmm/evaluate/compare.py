"""Is one system better than another? Paired tests over the same questions, and intervals that say by how much."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from esmm.errors import LearnError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from esmm.evaluate.measures import Measured

DRAWS, SEED = 10_000, 7
# Differences below this are rounding.
_EQUAL = 1e-9
# Numbers drawn at a time, so that many questions do not fill the memory.
_AT_ONCE = 4_000_000


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
        return int((self.differences > _EQUAL).sum())

    @property
    def lost(self) -> int:
        """How many questions the system answers worse."""
        return int((self.differences < -_EQUAL).sum())

    @property
    def unchanged(self) -> int:
        """How many questions both answer equally well."""
        return len(self.questions) - self.won - self.lost

    def worst(self, count: int = 5) -> list[tuple[str, float]]:
        """Return the questions that lost most, worst first, with their differences; fewer if fewer lost."""
        order = self.differences.argsort(kind="stable")[:count]
        return [(self.questions[at], float(self.differences[at])) for at in order if self.differences[at] < -_EQUAL]


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


def randomisation(differences: "NDArray[np.float64]", *, draws: int = DRAWS, seed: int = SEED) -> float:
    """Return the two-sided p of the paired randomisation test: how often random signs give a mean as far from 0.

    All assignments of signs are counted where they are no more than ``draws``; else that many are drawn, and the
    observed one counts as one of them, so that p is never 0 (Davison and Hinkley 1997).
    """
    import numpy as np

    moved = differences[np.abs(differences) > _EQUAL]
    observed = abs(moved.sum()) - _EQUAL
    if 2**moved.size <= draws:
        bits = np.arange(2**moved.size)[:, None] >> np.arange(moved.size) & 1
        return float((np.abs((2 * bits - 1) @ moved) >= observed).mean())
    rng = np.random.default_rng(seed)
    signs = (2 * rng.integers(0, 2, (rows, moved.size), dtype=np.int8) - 1 for rows in _portions(draws, moved.size))
    extreme = sum(int((np.abs(some @ moved) >= observed).sum()) for some in signs)
    return (1 + extreme) / (1 + draws)


def bootstrap(
    values: "NDArray[np.float64]", *, level: float = 0.95, draws: int = DRAWS, seed: int = SEED
) -> tuple[float, float]:
    """Return the bootstrap interval (percentile) of the mean over questions; NaN for fewer than two."""
    import numpy as np

    if len(values) < 2:
        return math.nan, math.nan
    rng = np.random.default_rng(seed)
    drawn = (rng.integers(0, len(values), (rows, len(values))) for rows in _portions(draws, len(values)))
    means = np.concatenate([values[some].mean(axis=1) for some in drawn])
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def holm(ps: Sequence[float]) -> list[float]:
    """Return each p after Holm's correction: that of rank r of n times n - r, never below one that is smaller."""
    corrected, least = [0.0] * len(ps), 0.0
    for rank, at in enumerate(sorted(range(len(ps)), key=ps.__getitem__)):
        least = max(least, min(1.0, ps[at] * (len(ps) - rank)))
        corrected[at] = least
    return corrected


def _portions(draws: int, width: int) -> Iterator[int]:
    """Cut a number of draws into portions that fit into the memory."""
    rows = max(1, _AT_ONCE // max(1, width))
    return (min(rows, draws - start) for start in range(0, draws, rows))


def _by_question(system: "Measured", measure: str) -> dict[str, float]:
    return dict(zip(system.questions, system.values[measure].tolist(), strict=True))


def _paired(ours: Mapping[str, float], theirs: Mapping[str, float]) -> "tuple[tuple[str, ...], NDArray[Any]]":
    """Return the questions that both have a value for, with the differences."""
    import numpy as np

    both = {q: value - theirs[q] for q, value in ours.items() if q in theirs and not math.isnan(value - theirs[q])}
    return tuple(both), np.array(list(both.values()), dtype=np.float64)
