"""A training's history and examples, made up by formulas, with the photos of the sample catalogue."""

import math
from pathlib import Path

from esmm.align.measures import Epoch, Measures
from esmm.align.report import Example, Shown

_PHOTOS = sorted((Path(__file__).parents[1] / "ingest" / "sample" / "photos").glob("*.jpg"))


def measures(level: float) -> Measures:
    return Measures(level * 0.6, level * 1.3, level * 1.6, level, level * 0.9)


def epoch(number: int, level: float) -> Epoch:
    """An epoch whose MRR is ``level`` one way and 0.9 times that the other way; number 0 has no loss."""
    loss = 1 + 4 * math.exp(-number / 4) if number else None
    return Epoch(number, loss, 3e-4 * bool(number), 12.0, measures(level), measures(level * 0.9))


def history(count: int, *, best: int) -> list[Epoch]:
    """Epochs 0 to ``count`` that get better up to ``best`` and worse afterwards."""
    return [epoch(number, 0.5 - 0.4 * abs(number - best) / (count + 1)) for number in range(count + 1)]


def shown(number: int, *, right: bool = False, caption: str | None = None) -> Shown:
    return Shown(_PHOTOS[number].read_bytes(), f"Product {number}" if caption is None else caption, right)


def example(query: str, *captions: str) -> Example:
    """One query with a photo before and after for each caption; only the first one after training is right."""
    before = tuple(shown(place, caption=caption) for place, caption in enumerate(captions))
    after = tuple(shown(place + 9, caption=caption, right=not place) for place, caption in enumerate(captions))
    return Example(query, before, after)
