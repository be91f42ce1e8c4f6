"""Impressions as numbers: how often each product of each query was shown at each position, and what was done."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from esmm.learn.clicks.log import Impression

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Counts:
    """Cells of one pair (query, product) at one position, by index into ``pairs`` and ``positions``.

    ``views`` and ``clicks`` have one number a cell; ``carts`` and ``purchases`` one a pair.
    """

    pairs: tuple[tuple[str, str], ...]
    positions: tuple[int, ...]
    pair: "Ints"
    position: "Ints"
    views: "Floats"
    clicks: "Floats"
    carts: "Floats"
    purchases: "Floats"

    def of_pairs(self, cells: "Floats") -> "Floats":
        """Sum numbers of cells by pair."""
        import numpy as np

        return np.bincount(self.pair, cells, len(self.pairs)).astype(np.float64)

    def of_positions(self, cells: "Floats") -> "Floats":
        """Sum numbers of cells by position."""
        import numpy as np

        return np.bincount(self.position, cells, len(self.positions)).astype(np.float64)

    @property
    def moved(self) -> "NDArray[np.bool_]":
        """Pairs that stood at more than one position: only they tell of the positions."""
        return self.of_pairs(self.views * 0 + 1) > 1


def counted(impressions: Sequence[Impression]) -> Counts:
    """Count the views, clicks, carts and purchases of impressions."""
    import numpy as np

    pairs: dict[tuple[str, str], int] = {}
    cells: dict[tuple[int, int], list[int]] = {}
    bought: dict[int, list[int]] = {}
    for one in impressions:
        for product, position in zip(one.shown, one.positions, strict=True):
            pair = pairs.setdefault((one.query, product), len(pairs))
            cell = cells.setdefault((pair, position), [0, 0])
            cell[0] += 1
            if product in one.clicks:
                cell[1] += 1
                done = bought.setdefault(pair, [0, 0])
                done[0] += product in one.carts
                done[1] += product in one.purchases
    positions = tuple(sorted({position for _, position in cells}))
    place = {position: index for index, position in enumerate(positions)}
    views, clicks = np.array(list(cells.values()), float).reshape(-1, 2).T
    carts, purchases = np.array([bought.get(pair, [0, 0]) for pair in range(len(pairs))], float).reshape(-1, 2).T
    of_pair = np.array([pair for pair, _ in cells], int)
    of_position = np.array([place[position] for _, position in cells], int)
    return Counts(tuple(pairs), positions, of_pair, of_position, views, clicks, carts, purchases)
