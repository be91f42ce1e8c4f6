"""The fusion of clause scores: score = sum over clauses of weight * normalised score.

A raw keyword score s becomes s / (s + k) (saturation, as in Elasticsearch's own ``saturation`` function); a cosine c
becomes (c - low) / (high - low), held within 0 and 1. Elasticsearch computes the same in ``strategies.py``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

KEYWORD = "keyword"
PREFIX = "esmm:"
# Scores of a keyword query that nobody has calibrated lie around here for a few words over a few fields.
DEFAULT_SATURATION = 10.0


@dataclass(frozen=True)
class Window:
    """The cosines that become 0 and 1."""

    low: float = 0.0
    high: float = 1.0

    @property
    def width(self) -> float:
        """How far the two lie apart."""
        return self.high - self.low


@dataclass(frozen=True)
class Fusion:
    """Weights by clause, the saturation constant of the keyword clause, the cosine window of each vector clause."""

    weights: Mapping[str, float]
    saturation: float = DEFAULT_SATURATION
    windows: Mapping[str, Window] = field(default_factory=dict)

    def weight(self, clause: str) -> float:
        """Return the weight of a clause; one that is not named counts 1."""
        return self.weights.get(clause, 1.0)

    def window(self, clause: str) -> Window:
        """Return the cosine window of a vector clause."""
        return self.windows.get(clause, Window())

    def normalise(self, clause: str, raw: float) -> float:
        """Bring a raw score (a keyword score, or a cosine) to 0..1."""
        if clause == KEYWORD:
            return raw / (raw + self.saturation)
        window = self.window(clause)
        return min(1.0, max(0.0, (raw - window.low) / window.width))

    def raw(self, clause: str, normalised: float) -> float:
        """Undo :meth:`normalise` for a cosine inside its window."""
        window = self.window(clause)
        return window.low + normalised * window.width

    def score(self, raws: Mapping[str, float]) -> float:
        """Fuse the raw scores of the clauses that matched; a clause that is missing adds nothing."""
        return sum(self.weight(clause) * self.normalise(clause, raw) for clause, raw in raws.items())
