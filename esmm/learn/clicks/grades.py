"""From counts and the curve of positions to gains: how much a product appeals once it is looked at, shrunk."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from esmm.learn.clicks.counts import Counts
from esmm.learn.clicks.curves import Curve
from esmm.learn.clicks.privacy import noisy

if TYPE_CHECKING:
    from esmm.learn.clicks.counts import Floats, Ints

_QUERY_PRIOR = 10.0  # looks' worth of the log's rate of clicks in the rate of a query
_LEAST_SHAPE, _MOST_SHAPE = 0.1, 100.0


@dataclass(frozen=True)
class Worth:
    """What counts how much: a click 1, a cart and a purchase more; a pair counts from so many looks on."""

    cart: float = 2.0
    purchase: float = 4.0
    looks: float = 5.0
    epsilon: float | None = None


@dataclass(frozen=True)
class Graded:
    """Gains (0 to 1) by query and product; what was dropped; the shape of the prior and the value of gain 1."""

    gains: Mapping[str, Mapping[str, float]]
    dropped: Mapping[str, int]
    shape: float
    full: float


def graded(counts: Counts, curve: Curve, worth: Worth) -> Graded:
    """Return the gains of all pairs that were looked at often enough, in queries with any click.

    The clicks of a pair are counted against its looks, views times the curve at their positions, which is the
    inverse propensity estimate with the least variance where clicks are rare. A gamma prior around the rate of its
    query, with a shape taken from the log (empirical Bayes), keeps few looks from saying much.
    """
    import numpy as np

    looks = counts.of_pairs(counts.views * curve.at([counts.positions[place] for place in counts.position]))
    done = np.stack([counts.of_pairs(counts.clicks), counts.carts, counts.purchases])
    clicks, carts, purchases = noisy(done, worth.epsilon, len(done)) if worth.epsilon else done
    query = _queries(counts)
    shape, appeal = _appeal(clicks, looks, query)
    value = appeal * (1 + worth.cart * _share(carts, clicks) + worth.purchase * _share(purchases, clicks))
    seen = looks >= worth.looks
    clicked = np.bincount(query, clicks)[query] > 0
    kept = seen & clicked
    if not kept.any():
        return Graded({}, {"pairs looked at too seldom": int((~seen).sum())}, shape, 0.0)
    full = float(value[kept].max())
    gains: dict[str, dict[str, float]] = {}
    for place in np.flatnonzero(kept):
        text, product = counts.pairs[place]
        gains.setdefault(text, {})[product] = round(float(value[place]) / full, 4)
    dropped = {
        "pairs looked at too seldom": int((~seen & clicked).sum()),
        "pairs of queries without a click": int((~clicked).sum()),
    }
    return Graded(gains, dropped, shape, full)


def _queries(counts: Counts) -> "Ints":
    import numpy as np

    known: dict[str, int] = {}
    return np.array([known.setdefault(query, len(known)) for query, _ in counts.pairs], int)


def _appeal(clicks: "Floats", looks: "Floats", query: "Ints") -> "tuple[float, Floats]":
    """Return the shape of the gamma prior, and the mean of each pair's posterior appeal."""
    import numpy as np

    rate = max(clicks.sum(), 1.0) / looks.sum()
    of_query = (np.bincount(query, clicks) + _QUERY_PRIOR * rate) / (np.bincount(query, looks) + _QUERY_PRIOR)
    mean = of_query[query]
    expected = mean * looks
    # Variance of a negative binomial count: expected + expected ** 2 / shape.
    spread = ((clicks - expected) ** 2 - expected).sum() / (expected**2).sum()
    shape = float(np.clip(1 / max(spread, 1e-9), _LEAST_SHAPE, _MOST_SHAPE))
    return shape, mean * (shape + clicks) / (shape + expected)


def _share(part: "Floats", clicks: "Floats") -> "Floats":
    """Return the share of clicks that a cart or a purchase followed, shrunk by a beta prior taken from the log."""
    import numpy as np

    mean = min(part.sum() / max(clicks.sum(), 1.0), 1.0)
    # Variance of a beta-binomial count: clicks * mean * (1 - mean) * (1 + (clicks - 1) * likeness).
    plain = clicks * mean * (1 - mean)
    room = (plain * np.maximum(clicks - 1, 0)).sum()
    likeness = (((part - clicks * mean) ** 2 - plain).sum() / room) if room else 0.0
    prior = 1 / float(np.clip(likeness, 1e-3, 0.9)) - 1
    share: Floats = np.minimum((part + prior * mean) / (clicks + prior), 1.0)
    return share
