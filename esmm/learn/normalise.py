"""Normalisers from data: the saturation constant of each query, the cosine window of each vector clause."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from esmm.query.fusion import Fusion, Window

if TYPE_CHECKING:
    from esmm.learn.stack import Floats, Stack

_RANK = 10
# Few candidates lie outside these percentiles of the cosines; within them the whole of 0..1 is used.
_LOW, _HIGH = 5.0, 99.5
_NARROWEST = 0.05


@dataclass(frozen=True)
class Normalisers:
    """Saturation constants by query clause, windows by vector clause."""

    constants: dict[str, float]
    windows: dict[str, Window]

    def applied(self, stack: "Stack") -> "Floats":
        """Return normalised scores, (q, n, c); a clause that does not match adds nothing."""
        columns = [self._column(clause, stack.column(clause)) for clause in stack.clauses]
        return np.nan_to_num(np.stack(columns, axis=2))

    def _column(self, clause: str, raw: "Floats") -> "Floats":
        if clause in self.constants:
            return np.asarray(raw / (raw + self.constants[clause]))
        window = self.windows[clause]
        return np.clip((raw - window.low) / window.width, 0.0, 1.0)


def in_force(fusion: Fusion, clauses: Collection[str]) -> Normalisers:
    """Return the normalisers of a fusion that exists."""
    constants = {name: constant for name in clauses if (constant := fusion.constant(name)) is not None}
    return Normalisers(constants, {name: fusion.window(name) for name in clauses if name not in constants})


def measured(stack: "Stack", vectors: Collection[str], untuned: Fusion) -> Normalisers:
    """Measure normalisers on questions: median score at rank 10, percentiles of the candidates' cosines."""
    constants, windows = {}, {}
    for clause in stack.clauses:
        raw = np.where(stack.candidates, stack.column(clause), np.nan)
        if clause in vectors:
            windows[clause] = _window(raw)
        else:
            constants[clause] = _constant(raw) or untuned.constant(clause) or untuned.saturation
    return Normalisers(constants, windows)


def _constant(raw: "Floats") -> float:
    """Return the median score at rank 10 over the questions that match at all, 0 if none does."""
    best = -np.sort(-np.nan_to_num(raw), axis=1)[:, :_RANK]
    last = [row[row > 0][-1] for row in best if (row > 0).any()]
    return float(np.median(last)) if last else 0.0


def _window(raw: "Floats") -> Window:
    held = raw[~np.isnan(raw)]
    if not len(held):
        return Window()
    low, high = (float(round(edge, 4)) for edge in np.percentile(held, [_LOW, _HIGH]))
    return Window(low, max(high, low + _NARROWEST))
