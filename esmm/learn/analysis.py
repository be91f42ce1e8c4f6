"""Words as Elasticsearch's analyzers make them: ``standard``, and ``english`` with Porter's stems by snowballstemmer.

Of other languages the words are those of ``standard``: lower case, not stemmed.
"""

import re
from functools import cache
from typing import TYPE_CHECKING

from esmm.errors import LearnError

if TYPE_CHECKING:
    from collections.abc import Callable

# Lucene's standard tokenizer (Unicode's UAX 29) for Latin scripts: between letters . : ' hold a word together, between
# digits . , ; ' do.
_TOKEN = re.compile(r"\w+(?:(?:(?<=[^\W\d])[.:'’](?=[^\W\d])|(?<=\d)[.,;'’](?=\d))\w+)*")
_POSSESSIVE = re.compile(r"['’＇]s$", re.IGNORECASE)
# Those of Lucene.
_STOP = frozenset(
    _TOKEN.findall(
        "a an and are as at be but by for if in into is it no not of on or such that the their then there these they "
        "this to was will with"
    )
)


def analysed(text: str, analyzer: str) -> list[str]:
    """Return the words of a text as an analyzer makes them. Raises LearnError without snowballstemmer."""
    tokens = _TOKEN.findall(text)
    if analyzer != "english":
        return [token.lower() for token in tokens]
    words = (_POSSESSIVE.sub("", token).lower() for token in tokens)
    return [stem(word) for word in words if word not in _STOP]


@cache
def stem(word: str) -> str:
    """Return the stem of an English word in lower case (Porter 1980)."""
    stemmed: str = _porter()(word) if word.isascii() else word
    return stemmed


@cache
def _porter() -> "Callable[[str], str]":
    try:
        from snowballstemmer import stemmer
    except ImportError:
        raise LearnError(
            "snowballstemmer is not installed, so words cannot be stemmed without a server",
            'pip install "esmm[learn]"',
        ) from None
    found: Callable[[str], str] = stemmer("porter").stemWord
    return found
