"""The gate: weights that depend on what a query looks like, by plain arithmetic over features of the query alone."""

import math
import operator
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Facts = Mapping[str, float]
Vector = Sequence[float]

FACTS = ("words", "numbers", "codes", "rarity", "unknown", "photo")
BOUND = math.log(3)  # no query moves a weight by more than three times
_WORD = re.compile(r"[^\W_]+")
_CODE = re.compile(r"(?=.*\d)(?=.*[^\W\d_])")  # letters and digits in one word: a model number


@dataclass(frozen=True)
class Rarity:
    """How rare words are in an index: the share of its products' titles that have them, for its common words only."""

    shares: Mapping[str, float] = field(default_factory=dict)
    least: float = 1e-4  # the share of a word that the table does not have

    @classmethod
    def counted(cls, titles: Sequence[str], *, size: int = 2000) -> "Rarity":
        """Count the words of titles; the commonest ones are kept."""
        counts: dict[str, int] = {}
        for title in titles:
            for word in set(words_of(title)):
                counts[word] = counts.get(word, 0) + 1
        common = sorted(counts, key=lambda word: (-counts[word], word))[:size]
        total = max(1, len(titles))
        return cls({word: round(counts[word] / total, 6) for word in common}, 0.5 / total)

    def of(self, word: str) -> float:
        """Return the rarity of a word: minus the natural logarithm of its share."""
        return -math.log(self.shares.get(word, self.least))


@dataclass(frozen=True)
class Gate:
    """Moves the weight of each clause by a factor exp(sum of coefficient * fact), within ``bound`` either way.

    A fact x counts as (x - middle) / scale; one that is not known of a query counts nothing. ``coefficients`` are by
    clause and fact; ``rarity`` is what facts about rare words come from, ``centres`` (n, dims) what those about the
    query's vector do.
    """

    coefficients: Mapping[str, Mapping[str, float]]
    middles: Mapping[str, float]
    scales: Mapping[str, float]
    bound: float = BOUND
    rarity: Rarity = field(default_factory=Rarity)
    centres: "NDArray[np.float64] | None" = field(default=None, compare=False)

    def facts(self, text: str | None, *, photo: bool, vector: Vector | None = None) -> "Facts":
        """Return what this gate looks at in a query; ``vector`` is that of its words, of length 1."""
        return facts_of(text, photo=photo, rarity=self.rarity) | nearness(vector, self.centres)

    def factors(self, facts: Facts) -> dict[str, float]:
        """Return what the weight of each clause that has coefficients is multiplied by for a query."""
        names, rows = self._rows
        told = [(facts[name] - self.middles[name]) / self.scales[name] if name in facts else 0.0 for name in names]
        return {clause: self._held(sum(map(operator.mul, row, told))) for clause, row in rows.items()}

    def _held(self, moved: float) -> float:
        return math.exp(max(-self.bound, min(self.bound, moved)))

    @cached_property
    def _rows(self) -> tuple[list[str], dict[str, list[float]]]:
        """The facts that count, and the coefficient of each for every clause: laid out once, for every query to use."""
        names = sorted({name for coefficients in self.coefficients.values() for name in coefficients})
        return names, {clause: [found.get(name, 0.0) for name in names] for clause, found in self.coefficients.items()}


def words_of(text: str) -> list[str]:
    """Return the words of a text in lower case."""
    return _WORD.findall(text.lower())


def facts_of(text: str | None, *, photo: bool, rarity: Rarity) -> dict[str, float]:
    """Return what can be told of a query without asking the index.

    ``words`` is how many it has; ``numbers``, ``codes`` and ``unknown`` are the shares of words that are numbers, that
    mix letters and digits, and that the table of the index's common words lacks; ``rarity`` is the mean of its words.
    """
    words = words_of(text or "")
    return {
        "words": float(min(len(words), 12)),
        "numbers": _share(word.isdigit() for word in words),
        "codes": _share(bool(_CODE.match(word)) for word in words),
        "rarity": sum(rarity.of(word) for word in words) / len(words) if words else 0.0,
        "unknown": _share(word not in rarity.shares for word in words),
        "photo": float(photo),
    }


def nearness(vector: Vector | None, centres: "NDArray[np.float64] | None") -> dict[str, float]:
    """Return the cosines of a query's vector with centres as ``near_1``, ``near_2`` and so on; nothing without."""
    if vector is None or centres is None:
        return {}
    return {f"near_{number}": cosine for number, cosine in enumerate((centres @ vector).tolist(), 1)}


def _share(found: Iterable[bool]) -> float:
    hits = list(found)
    return sum(hits) / len(hits) if hits else 0.0
