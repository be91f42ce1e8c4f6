"""How sure a difference over questions is: randomisation test, bootstrap interval, correction for several tries."""

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DRAWS, SEED = 10_000, 7
# Differences below this are rounding.
EQUAL = 1e-9
# Numbers drawn at a time, so that many questions do not fill the memory.
_AT_ONCE = 4_000_000


def randomisation(differences: "NDArray[np.float64]", *, draws: int = DRAWS, seed: int = SEED) -> float:
    """Return the two-sided p of the paired randomisation test: how often random signs give a mean as far from 0.

    All assignments of signs are counted where they are no more than ``draws``; else that many are drawn, and the
    observed one counts as one of them, so that p is never 0 (Davison and Hinkley 1997).
    """
    return jointly([differences], draws=draws, seed=seed)[0]


def jointly(differences: "Sequence[NDArray[np.float64]]", *, draws: int = DRAWS, seed: int = SEED) -> list[float]:
    """Return the p of each system's differences over the same questions, corrected for all that were tried.

    Step-down maxT (Westfall and Young 1993; Boytsov et al. 2013 recommend it for systems of retrieval): the signs of a
    question are drawn once for all systems, so that systems which differ little cost little. The statistic is the mean
    by the root of the mean square, which no sign changes.
    """
    import numpy as np

    table = np.array(differences, dtype=np.float64)
    table = table[:, (np.abs(table) > EQUAL).any(axis=0)]
    scaled = table / np.maximum(np.sqrt((table**2).sum(axis=1, keepdims=True)), EQUAL)
    observed = np.abs(scaled.sum(axis=1)) - EQUAL
    order = np.argsort(-observed, kind="stable")
    counts, total = np.zeros(len(table)), 0
    for signs in _signs(table.shape[1], draws, seed):
        reached = np.abs(signs @ scaled[order].T)
        largest = np.maximum.accumulate(reached[:, ::-1], axis=1)[:, ::-1]  # of this system and those behind it
        counts += (largest >= observed[order]).sum(axis=0)
        total += len(signs)
    own = 0 if 2 ** table.shape[1] <= draws else 1
    ps = np.empty(len(table))
    ps[order] = np.maximum.accumulate((own + counts) / (own + total))
    return [float(p) for p in ps]


def _signs(width: int, draws: int, seed: int) -> "Iterator[NDArray[np.int8]]":
    """Yield assignments of signs, (portion, width): all of them, or as many as are to be drawn."""
    import numpy as np

    if 2**width <= draws:
        bits = np.arange(2**width)[:, None] >> np.arange(width) & 1
        yield (2 * bits - 1).astype(np.int8)
        return
    rng = np.random.default_rng(seed)
    for rows in _portions(draws, width):
        yield 2 * rng.integers(0, 2, (rows, width), dtype=np.int8) - 1


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
