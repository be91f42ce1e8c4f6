"""How likely people are to look at a position, from clicks: the curve that takes position bias out of them.

Both ways rest on the position-based model (PBM): a product is clicked if its position is looked at and the product
appeals, P(click) = look(position) * appeal(query, product).

- ``pbm``: both are fitted by expectation maximisation (Craswell et al., An experimental comparison of click
  position-bias models, WSDM 2008; Chuklin, Markov and de Rijke, Click Models for Web Search, 2015, section 4.1.3).
  It needs products that stood at several positions, as they do in every shop whose ranking changes.
- ``swaps``: two positions whose products stood in an order that a coin drew. Both were then equally appealing, so
  their clicks differ by the positions alone (Joachims, Swaminathan and Schnabel, Unbiased learning-to-rank with biased
  feedback, WSDM 2017). All such duels are fitted together as those of Bradley and Terry.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from esmm.errors import LearnError
from esmm.learn.clicks.counts import Counts
from esmm.learn.clicks.log import Impression

if TYPE_CHECKING:
    from esmm.learn.clicks.counts import Floats

MOVED_CLICKS, SWAP_CLICKS = 100, 200
_STEPS, _STILL, _LEAST = 2_000, 1e-5, 1e-3
_PRIOR = 2.0  # views' worth of the mean appeal, in each pair's appeal


@dataclass(frozen=True)
class Curve:
    """The chance that a position is looked at, relative to the one looked at most; ``clicks`` it rests on."""

    method: str
    looks: dict[int, float]
    clicks: int

    def at(self, positions: Sequence[int]) -> "Floats":
        """Return the chances of positions; between and beyond those known, the nearest decide."""
        import numpy as np

        known = np.array(sorted(self.looks), float)
        return np.interp(np.log(positions), np.log(known), [self.looks[int(position)] for position in known])


def by_pbm(counts: Counts) -> Curve:
    """Fit the position-based model by EM. Raises LearnError if too few clicks tell of positions."""
    import numpy as np

    clicks = int(counts.clicks[counts.moved[counts.pair]].sum())
    if clicks < MOVED_CLICKS:
        raise LearnError(
            f"only {clicks} clicks fell on products that stood at several positions of one query, "
            f"and the bias of positions needs {MOVED_CLICKS}",
            "take a longer log, or log randomised swaps and choose --model swaps",
        )
    total = counts.of_positions(counts.views)
    looks = counts.of_positions(counts.clicks) / total + _LEAST
    looks /= looks.max()
    appeal = np.full(len(counts.pairs), counts.clicks.sum() / counts.of_pairs(counts.views).sum())
    for _ in range(_STEPS):
        before = looks
        looks, appeal = _step(counts, looks, appeal)
        if np.abs(looks - before).max() < _STILL:
            break
    return Curve("pbm", _by_position(counts.positions, looks), clicks)


def _step(counts: Counts, looks: "Floats", appeal: "Floats") -> "tuple[Floats, Floats]":
    """Do one step of EM: what was probably looked at and appealing without a click, then the shares of both."""
    import numpy as np

    look, draw = looks[counts.position], appeal[counts.pair]
    skipped = (counts.views - counts.clicks) / np.maximum(1 - look * draw, 1e-9)
    looked = counts.of_positions(counts.clicks + skipped * look * (1 - draw)) / counts.of_positions(counts.views)
    drawn = counts.of_pairs(counts.clicks + skipped * (1 - look) * draw)
    views = counts.of_pairs(counts.views)
    appealing = (drawn + _PRIOR * drawn.sum() / views.sum()) / (views + _PRIOR)
    most = looked.max()
    return np.maximum(looked / most, _LEAST), np.minimum(appealing * most, 1 - 1e-6)


def by_swaps(impressions: Sequence[Impression]) -> Curve:
    """Fit the curve to clicks on swapped positions. Raises LearnError if they are few or one order is missing."""
    import numpy as np

    swapped = [one for one in impressions if one.swapped]
    wins = _duels(swapped)
    clicks = int(sum(sum(won) for won in wins.values()))
    if clicks < SWAP_CLICKS:
        raise LearnError(
            f"only {clicks} clicks fell on swapped positions, and a curve needs {SWAP_CLICKS}",
            "log more randomised swaps, or choose --model pbm",
        )
    _check_orders(swapped)
    positions = _connected(wins)
    place = {position: index for index, position in enumerate(positions)}
    duels = [(place[a], place[b], won) for (a, b), won in wins.items() if a in place and b in place]
    looks = _bradley_terry(len(positions), duels)
    return Curve("swaps", _by_position(positions, np.maximum(looks, _LEAST)), clicks)


def _duels(swapped: Sequence[Impression]) -> dict[tuple[int, int], list[float]]:
    """Return the clicks on the upper and on the lower position of each pair of positions."""
    wins: dict[tuple[int, int], list[float]] = defaultdict(lambda: [0.5, 0.5])  # no ratio is 0 or infinite
    for one in swapped:
        if one.swapped:
            won = wins[one.swapped]
            for side, position in enumerate(one.swapped):
                won[side] += one.shown[one.positions.index(position)] in one.clicks
    return wins


def _check_orders(swapped: Sequence[Impression]) -> None:
    """Raise LearnError if the log only has one of the two orders that the coin draws."""
    orders: defaultdict[tuple[object, ...], Counter[str]] = defaultdict(Counter)
    for one in swapped:
        upper, lower = (one.shown[one.positions.index(position)] for position in one.swapped or ())
        orders[one.query, one.swapped, *sorted((upper, lower))][upper] += 1
    often = [order for order in orders.values() if order.total() >= 4]
    if len(often) >= 5 and all(len(order) == 1 for order in often):
        raise LearnError(
            "every two products that were swapped stand in one order only",
            "log both orders: swapped names the two positions whatever the coin drew",
        )


def _connected(wins: dict[tuple[int, int], list[float]]) -> tuple[int, ...]:
    """Return the positions that swaps connect with the first one: only they can be compared with it."""
    reached, waiting = set[int](), [min(a for a, _ in wins)]
    while waiting:
        position = waiting.pop()
        if position not in reached:
            reached.add(position)
            waiting += [b for a, b in wins if a == position] + [a for a, b in wins if b == position]
    return tuple(sorted(reached))


def _bradley_terry(size: int, duels: "Sequence[tuple[int, int, Sequence[float]]]") -> "Floats":
    """Return strengths, the greatest 1, such that a wins over b in a / (a + b) of their duels (Hunter 2004)."""
    import numpy as np

    first, second, won = (np.array(column) for column in zip(*duels, strict=True))
    total = won.sum(axis=1)
    wins = np.bincount(first, won[:, 0], size) + np.bincount(second, won[:, 1], size)
    looks = np.ones(size)
    for _ in range(_STEPS):
        share = total / (looks[first] + looks[second])
        after = wins / (np.bincount(first, share, size) + np.bincount(second, share, size))
        after /= after.max()
        if np.abs(after - looks).max() < _STILL / 10:
            return after
        looks = after
    return looks


def _by_position(positions: Sequence[int], looks: "Floats") -> dict[int, float]:
    return {position: round(float(look), 5) for position, look in zip(positions, looks, strict=True)}
