"""How much better than raw click-through rates `esmm clicks` orders products, on logs simulated from a known truth.

Two logs in which one ranking followed another once, two in which that happened three times: the more a shop's ranking
changes, the less harm the positions do to raw rates. A tenth of the searches has a randomised swap.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.click_logs import accuracy, click_through, searches, world, written
from benchmarks.common import interval, publish, table
from esmm.errors import LearnError
from esmm.learn.clicks import Settings, judge

SEEDS, SIZES, RANKINGS, SWAPS = range(8), (4_000, 15_000), (2, 4), 0.1


def measured(seed: int, size: int, rankings: int) -> list[float]:
    """Return the accuracy of raw rates, of the model of positions on the same pairs, and the same for swaps."""
    truth, numbers = world(seed), []
    with tempfile.TemporaryDirectory() as folder:
        path = written(Path(folder) / "log.jsonl", searches(truth, size, rankings=rankings, swaps=SWAPS))
        for model in ("pbm", "swaps"):
            try:
                gains = judge(path, Settings(model)).gains
                numbers += [accuracy(click_through(path, gains), truth), accuracy(gains, truth)]
            except LearnError:  # too few clicks on swapped positions
                numbers += [np.nan, np.nan]
    return numbers


def row(size: int, rankings: int) -> Sequence[str]:
    """Return the cells of one kind of log."""
    values = np.array([measured(seed, size, rankings) for seed in SEEDS])
    pbm, swaps = _cells(values[:, :2]), _cells(values[:, 2:])
    return f"{size:,}", str(rankings), *pbm, *swaps[1:]


def _cells(values: np.ndarray) -> list[str]:
    if np.isnan(values).any():
        return ["too few swaps"] * 3
    raw, found = values.T
    low, high = interval(found - raw)
    return [f"{raw.mean():.3f}", f"{found.mean():.3f}", f"{(found - raw).mean():+.3f} [{low:+.3f}, {high:+.3f}]"]


def main() -> None:
    """Measure and publish."""
    rows = [row(size, rankings) for rankings in RANKINGS for size in SIZES]
    header = ("searches", "rankings", "raw rates", "pbm", "margin [95 %]", "swaps", "margin [95 %]")
    publish(
        "clicks",
        f"Share of product pairs in the right order, simulated logs of 40 queries, {len(SEEDS)} seeds",
        [table(header, rows)],
        notes=__doc__.split("\n\n", 1)[1].strip(),
    )


if __name__ == "__main__":
    main()
