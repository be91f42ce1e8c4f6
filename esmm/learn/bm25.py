"""Keyword scores without a server: BM25 by rank-bm25, counted as Lucene counts, so that they are Elasticsearch's.

``combined_fields`` is BM25F as in Lucene's CombinedFieldQuery (Robertson and Zaragoza 2009). Lengths are rounded as
Lucene stores them. What is approximate: ``cross_fields`` takes each word where it fits best, without blending how rare
it is in each field, and in a phrase stop words leave no gap.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING

from esmm.errors import LearnError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from rank_bm25 import BM25Plus

    from esmm.recipe import Form

    Scores = NDArray[np.float64]

K1, B = 1.2, 0.75
_EXACT = 24  # lengths up to here are stored as they are, greater ones by four bits and a shift


def stored_length(length: int) -> int:
    """Return a length as Lucene stores it (SmallFloat.intToByte4)."""
    above = length - _EXACT
    if above < 0:
        return length
    shift = max(0, above.bit_length() - 4)
    return _EXACT + ((above >> shift) << shift)


def rarity(matching: int, count: int) -> float:
    """Return the idf of a word that so many of ``count`` texts have."""
    return math.log(1 + (count - matching + 0.5) / (matching + 0.5))


class Column:
    """One field of all products, cut into words by ``cut``; the scores of products that do not match are NaN.

    Raises LearnError without rank-bm25.
    """

    def __init__(self, texts: Sequence[Sequence[str]], cut: Callable[[str], list[str]]) -> None:
        self.texts, self.cut = texts, cut
        self._held = [number for number, words in enumerate(texts) if words]
        self._postings: dict[str, list[int]] = {}
        for place, number in enumerate(self._held):
            for word in set(texts[number]):
                self._postings.setdefault(word, []).append(place)
        self._bm25 = self._counted() if self._held else None

    def scores(self, words: Sequence[str], *, every: bool = False) -> "Scores":
        """Return the score of each product for words, of which one or every one must match."""
        found = self._matching(words, every=every)
        return self._at(found, self._bm25.get_batch_scores(list(words), found) if self._bm25 and found else [])

    def phrase(self, words: Sequence[str], slop: int) -> "Scores":
        """Return the score of each product that has the words in their order, with at most ``slop`` others between."""
        if (bm25 := self._bm25) is None:
            return self._at([], [])
        counted = {
            place: _sloppy(self.texts[self._held[place]], words, slop) for place in self._matching(words, every=True)
        }
        counted = {place: frequency for place, frequency in counted.items() if frequency}
        norms = [K1 * (1 - B + B * bm25.doc_len[place] / bm25.avgdl) for place in counted]
        idf = sum(bm25.idf.get(word, 0.0) for word in words)
        scores = [idf * f * (K1 + 1) / (f + norm) for f, norm in zip(counted.values(), norms, strict=True)]
        return self._at(list(counted), scores)

    @property
    def held(self) -> int:
        """How many texts have a word."""
        return len(self._held)

    @property
    def total(self) -> int:
        """How many words all texts have."""
        return sum(map(len, self.texts))

    def having(self, word: str) -> int:
        """Return how many texts have a word."""
        return len(self._postings.get(word, ()))

    def _matching(self, words: Sequence[str], *, every: bool) -> list[int]:
        found = [set(self._postings.get(word, ())) for word in dict.fromkeys(words)]
        if not found:
            return []
        return sorted(set.intersection(*found) if every else set.union(*found))

    def _counted(self) -> "BM25Plus":
        try:
            from rank_bm25 import BM25Plus
        except ImportError:
            raise LearnError(
                "rank-bm25 is not installed, so there are no keyword scores without a server",
                'pip install "esmm[learn]"',
            ) from None
        made = BM25Plus([self.texts[number] for number in self._held], k1=K1, b=B, delta=0)
        made.idf = {word: rarity(len(found), len(self._held)) for word, found in self._postings.items()}
        made.doc_len = [stored_length(length) for length in made.doc_len]
        return made

    def _at(self, places: Sequence[int], scores: Sequence[float]) -> "Scores":
        """Return scores by product."""
        import numpy as np

        made = np.full(len(self.texts), np.nan)
        made[[self._held[place] for place in places]] = scores
        return made


class Combined(Column):
    """Several fields as one, in which a word of a field counts as often as its boost says.

    A word is as rare as in the field where it is commonest.
    """

    def __init__(self, columns: Sequence[Column], boosts: Sequence[float]) -> None:
        self._columns, self._boosts = columns, boosts
        super().__init__(
            [list(chain(*row)) for row in zip(*(each.texts for each in columns), strict=True)], columns[0].cut
        )

    def _counted(self) -> "BM25Plus":
        made = super()._counted()
        texts = [[each.texts[number] for each in self._columns] for number in self._held]
        made.doc_freqs = [self._frequencies(row) for row in texts]
        lengths = [self._weighed([stored_length(len(words)) for words in row]) for row in texts]
        made.doc_len = [stored_length(math.floor(length + 0.5)) for length in lengths]
        held = max(each.held for each in self._columns)
        made.avgdl = int(self._weighed([each.total for each in self._columns])) / held  # whole, as in Lucene
        made.idf = {word: rarity(max(each.having(word) for each in self._columns), held) for word in self._postings}
        return made

    def _frequencies(self, row: Sequence[Sequence[str]]) -> dict[str, float]:
        counted: dict[str, float] = {}
        for words, boost in zip(row, self._boosts, strict=True):
            for word, count in Counter(words).items():
                counted[word] = counted.get(word, 0.0) + boost * count
        return counted

    def _weighed(self, numbers: Sequence[float]) -> float:
        return sum(boost * number for boost, number in zip(self._boosts, numbers, strict=True))


class Words:
    """The searched fields of all products, asked as ``combined_fields`` and ``multi_match`` ask them."""

    def __init__(self, columns: Mapping[str, Column], boosts: Mapping[str, float], operator: str) -> None:
        self._columns, self._boosts, self._every = columns, boosts, operator == "and"
        self._combined = Combined([columns[name] for name in boosts], list(boosts.values()))

    def scores(self, text: str, form: "Form") -> "Scores":
        """Return the keyword score of each product in one form of the query."""
        words = self._combined.cut(text)
        if form == "combined_fields":
            return self._combined.scores(words, every=self._every)
        if form == "cross_fields":
            return self._each_word(words)
        found = [boost * self._columns[name].scores(words, every=self._every) for name, boost in self._boosts.items()]
        return best_of(found) if form == "best_fields" else sum_of(found)

    def _each_word(self, words: Sequence[str]) -> "Scores":
        """Take of each word the field that it fits best."""
        import numpy as np

        found = [
            best_of([boost * self._columns[name].scores([word]) for name, boost in self._boosts.items()])
            for word in words
        ]
        total = sum_of(found) if found else self._combined.scores([])
        return np.where(np.isnan(found).any(axis=0), np.nan, total) if self._every and found else total


def sum_of(columns: "Sequence[Scores]") -> "Scores":
    """Add scores up; NaN where nothing matches."""
    import numpy as np

    stacked = np.stack(columns)
    return np.where(np.isnan(stacked).all(axis=0), np.nan, np.nansum(stacked, axis=0))


def best_of(columns: "Sequence[Scores]") -> "Scores":
    """Take the best of scores; NaN where nothing matches."""
    import numpy as np

    best = np.nan_to_num(np.stack(columns), nan=-np.inf).max(axis=0)
    return np.where(np.isinf(best), np.nan, best)


def _sloppy(text: Sequence[str], words: Sequence[str], slop: int) -> float:
    """Count a phrase in a text, as Lucene does: an occurrence with a gap of g words counts 1 / (1 + g)."""
    places: dict[str, list[int]] = {}
    for place, word in enumerate(text):
        places.setdefault(word, []).append(place)
    total = 0.0
    for start in places.get(words[0], ()):
        end: int | None = start
        for word in words[1:]:
            end = next((place for place in places.get(word, ()) if end is not None and place > end), None)
        if end is not None and (gap := end - start - len(words) + 1) <= slop:
            total += 1 / (1 + gap)
    return total
