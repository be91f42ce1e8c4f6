"""The fusion of clause scores: score = sum over clauses of weight * normalised score.

A raw score s of a query becomes s / (s + k) (saturation, as in Elasticsearch's own ``saturation`` function); a cosine c
becomes (c - low) / (high - low), held within 0 and 1. Elasticsearch computes the same in ``strategies.py``.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from esmm.query.gate import Gate
    from esmm.recipe import Recipe

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
    """How the scores of clauses become one.

    ``weights`` by clause; ``saturation``, the constant k of the keyword clause, and ``saturations``, those of the
    declared clauses; ``windows``, the cosine window of each vector clause. What a tuned fusion has besides: ``floors``,
    cosines below which a product is no neighbour; ``boosts``, the weights of the strategy boost; a ``gate`` that moves
    the weights by what a query looks like.
    """

    weights: Mapping[str, float]
    saturation: float = DEFAULT_SATURATION
    windows: Mapping[str, Window] = field(default_factory=dict)
    saturations: Mapping[str, float] = field(default_factory=dict)
    floors: Mapping[str, float] = field(default_factory=dict)
    boosts: Mapping[str, float] = field(default_factory=dict)
    gate: "Gate | None" = None

    def at(self, text: str | None, *, photo: bool = False, vector: Sequence[float] | None = None) -> "Fusion":
        """Return the fusion for one query: the weights as its gate moves them; ``vector`` is that of its words."""
        return self.given(self.gate.facts(text, photo=photo, vector=vector)) if self.gate else self

    @property
    def sees_vectors(self) -> bool:
        """Whether the gate looks at the vector of a query's words; else no model is needed to know the weights."""
        return self.gate is not None and self.gate.centres is not None

    def given(self, facts: Mapping[str, float]) -> "Fusion":
        """Return the fusion for a query of which these facts (``esmm.query.gate.FACTS``) are known."""
        if self.gate is None:
            return self
        factors = self.gate.factors(facts)
        moved = {name: weight * factors.get(name, 1.0) for name, weight in self.weights.items()}
        return replace(self, weights=moved, gate=None)

    def weight(self, clause: str) -> float:
        """Return the weight of a clause; one that is not named counts 1."""
        return self.weights.get(clause, 1.0)

    def window(self, clause: str) -> Window:
        """Return the cosine window of a vector clause."""
        return self.windows.get(clause, Window())

    def constant(self, clause: str) -> float | None:
        """Return the saturation constant of a clause that is a query, None for a vector clause."""
        return self.saturation if clause == KEYWORD else self.saturations.get(clause)

    def normalise(self, clause: str, raw: float) -> float:
        """Bring a raw score (that of a query, or a cosine) to 0..1."""
        if (constant := self.constant(clause)) is not None:
            return raw / (raw + constant)
        window = self.window(clause)
        return min(1.0, max(0.0, (raw - window.low) / window.width))

    def raw(self, clause: str, normalised: float) -> float:
        """Undo :meth:`normalise` for a cosine inside its window."""
        window = self.window(clause)
        return window.low + normalised * window.width

    def tangent(self, clauses: Iterable[str], *, keyword: bool) -> dict[str, float]:
        """Return the boost of each clause beside a keyword query of boost 1, where the keyword score is one half.

        d/ds of w·s/(s+k) at s = k is w/(4k), and a knn score (1+cos)/2 moves half as fast as its cosine. Without a
        ``keyword`` query beside them, or where it weighs nothing, clauses count among themselves only.
        """
        slope = (self._slope(KEYWORD) if keyword else 1.0) or 1.0
        return {clause: self._slope(clause) / slope for clause in clauses}

    def _slope(self, clause: str) -> float:
        if (constant := self.constant(clause)) is not None:
            return self.weight(clause) / (4 * constant)
        return 2 * self.weight(clause) / self.window(clause).width

    def score(self, raws: Mapping[str, float]) -> float:
        """Fuse the raw scores of the clauses that matched; a clause that is missing adds nothing."""
        return sum(self.weight(clause) * self.normalise(clause, raw) for clause, raw in raws.items())


def untuned_fusion(recipe: "Recipe", measured: float | None) -> Fusion:
    """Return the untuned fusion of a recipe; ``measured`` is the saturation constant that the load found."""
    weights = recipe.fusion.model_dump(exclude={"saturation"})
    weights |= {name: declared.weight for name, declared in recipe.clauses.items()}
    saturations = {name: declared.saturation for name, declared in recipe.clauses.items()}
    saturation = recipe.fusion.saturation or measured or DEFAULT_SATURATION
    return Fusion(weights, saturation, saturations=saturations)
