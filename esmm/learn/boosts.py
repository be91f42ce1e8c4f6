"""Weights for the strategy boost: fitted so that its order of the first hits is that of the fusion."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from esmm.query.fusion import KEYWORD

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from esmm.learn.fit import Fit
    from esmm.learn.stack import Floats, Stack

_TOP = 10
_FACTORS = (0.25, 0.5, 0.7, 1.0, 1.4, 2.0, 4.0)
_PASSES = 3


def fitted_boosts(stack: "Stack", fit: "Fit", vectors: Sequence[str], *, k: int) -> tuple[dict[str, float], float]:
    """Return a boost a clause beside a keyword of boost 1, and the mean overlap@10 with the fusion's own order.

    The tangent's boosts are where the search begins; each is then moved by factors, one after the other. A vector
    clause counts only for the ``k`` neighbours that its search finds, as in the request.
    """
    names = [name for name, weight in fit.weights.items() if weight > 0]
    wanted = stack.ranked(fit.scores(stack), _TOP)
    evidence = {name: _evidence(stack, name, vectors, k) for name in names}
    boosts = fit.fusion.tangent([name for name in names if name != KEYWORD], keyword=KEYWORD in names)
    best = _overlap(stack, evidence, boosts, wanted)
    for _ in range(_PASSES):
        for name, height in boosts.items():
            for factor in _FACTORS:
                tried = {**boosts, name: height * factor}
                if (found := _overlap(stack, evidence, tried, wanted)) > best:
                    best, boosts = found, tried
    return {name: float(f"{height:.4g}") for name, height in boosts.items()}, best


def _evidence(stack: "Stack", name: str, vectors: Sequence[str], k: int) -> "Floats":
    """Return what a clause gives at boost 1: a query its score, a knn (1 + cosine) / 2 to its neighbours."""
    raw = np.where(stack.candidates, stack.column(name), np.nan)
    if name not in vectors:
        return np.nan_to_num(raw)
    edge = -np.sort(-np.nan_to_num(raw, nan=-1.0), axis=1)[:, min(k, raw.shape[1]) - 1]
    return np.where(raw >= edge[:, None], (1 + np.nan_to_num(raw)) / 2, 0.0)


def _overlap(
    stack: "Stack", evidence: Mapping[str, "Floats"], boosts: Mapping[str, float], wanted: "NDArray[np.int_]"
) -> float:
    total = sum((boosts.get(name, 1.0) * given for name, given in evidence.items()), np.zeros(stack.gains.shape))
    found = stack.ranked(total, _TOP)
    return float(np.mean([len(set(a) & set(b)) / len(b) for a, b in zip(found, wanted, strict=True)]))
