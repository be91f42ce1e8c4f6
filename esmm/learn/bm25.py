"""Keyword scores without a server: BM25 by rank-bm25 with Lucene's constants, over words about as Elasticsearch's.

What is approximate. Words are letters and digits in lower case; the analyzer ``english`` drops Lucene's stop words and
takes plural endings off (Harman's S stemmer) where Elasticsearch stems by Porter; other languages are not stemmed.
Lucene rounds the lengths of long texts. ``combined_fields`` is one text in which each field stands as often as its
boost, rounded to whole times; ``cross_fields`` takes each word where it fits best, without blending how rare it is in
each field. A phrase is found with its words in order, stop words passed over.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING

from esmm.errors import LearnError
from esmm.query.gate import words_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from rank_bm25 import BM25Plus

    from esmm.recipe import Form

    Scores = NDArray[np.float64]

K1, B = 1.2, 0.75
_STOP = frozenset(
    [
        "a",
        "an",
        "and",
        "are",
        "as",
        "at",
        "be",
        "but",
        "by",
        "for",
        "if",
        "in",
        "into",
        "is",
        "it",
        "no",
        "not",
        "of",
        "on",
        "or",
        "such",
        "that",
        "the",
        "their",
        "then",
        "there",
        "these",
        "they",
        "this",
        "to",
        "was",
        "will",
        "with",
    ]
)
_POSSESSIVE = re.compile(r"['’]s\b", re.IGNORECASE)


def analysed(text: str, analyzer: str) -> list[str]:
    """Return the words of a text as an analyzer makes them, about."""
    if analyzer != "english":
        return words_of(text)
    return [singular(word) for word in words_of(_POSSESSIVE.sub("", text)) if word not in _STOP]


def singular(word: str) -> str:
    """Take a plural ending off (Harman 1991; and what hisses loses its e)."""
    if len(word) < 4 or not word.endswith("s") or word.endswith(("us", "ss")):
        return word
    if word.endswith("ies") and not word.endswith(("eies", "aies")):
        return word[:-3] + "y"
    if word.endswith(("sses", "shes", "ches", "xes", "zzes")):
        return word[:-2]
    return word[:-1]


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
        made.idf = {
            word: math.log(1 + (len(self._held) - len(found) + 0.5) / (len(found) + 0.5))
            for word, found in self._postings.items()
        }
        return made

    def _at(self, places: Sequence[int], scores: Sequence[float]) -> "Scores":
        """Return scores by product."""
        import numpy as np

        made = np.full(len(self.texts), np.nan)
        made[[self._held[place] for place in places]] = scores
        return made


class Words:
    """The searched fields of all products, asked as ``combined_fields`` and ``multi_match`` ask them."""

    def __init__(self, columns: Mapping[str, Column], boosts: Mapping[str, float], operator: str) -> None:
        self._columns, self._boosts, self._every = columns, boosts, operator == "and"
        first = columns[next(iter(boosts))]
        repeated = [[list(words) * max(1, round(b)) for words in columns[name].texts] for name, b in boosts.items()]
        self._combined = Column([list(chain.from_iterable(row)) for row in zip(*repeated, strict=True)], first.cut)

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
