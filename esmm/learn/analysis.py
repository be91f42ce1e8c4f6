"""Words as Elasticsearch's analyzers make them: ``standard``, and ``english`` with Porter's stems by nltk.

Of other languages the words are those of ``standard``: lower case, not stemmed.
"""

from functools import cache
from typing import TYPE_CHECKING, Any

from esmm.errors import LearnError

if TYPE_CHECKING:
    from collections.abc import Callable

# Lucene's standard tokenizer (Unicode's UAX 29) for scripts with spaces: between letters . : ' hold a word together,
# between digits . , ; ' do; an emoji is a word.
_LETTER, _DIGIT, _INSIDE = r"[\p{L}\p{M}]", r"\p{Nd}", r"[\p{L}\p{M}\p{Nd}_]"
_BETWEEN = rf"(?:(?<={_LETTER})[.:：'’·](?={_LETTER})|(?<={_DIGIT})[.,;'’⁄](?={_DIGIT}))"
_TOKEN = rf"_*[\p{{L}}\p{{Nd}}]{_INSIDE}*(?:{_BETWEEN}{_INSIDE}+)*|[\p{{Extended_Pictographic}}--[©®™‼⁉]]"
_POSSESSIVE = ("'s", "’s", "＇s", "'S", "’S", "＇S")
_STOP = frozenset(
    (
        *("a", "an", "and", "are", "as", "at", "be", "but", "by", "for", "if", "in", "into", "is", "it", "no", "not"),
        *("of", "on", "or", "such", "that", "the", "their", "then", "there", "these", "they", "this", "to", "was"),
        *("will", "with"),
    )
)


def analysed(text: str, analyzer: str) -> list[str]:
    """Return the words of a text as an analyzer makes them. Raises LearnError without nltk and regex."""
    tokens: list[str] = _tokenizer().findall(text)
    if analyzer != "english":
        return [token.lower() for token in tokens]
    words = ((token[:-2] if token.endswith(_POSSESSIVE) else token).lower() for token in tokens)
    return [stem(word) for word in words if word not in _STOP]


@cache
def stem(word: str) -> str:
    """Return the stem of an English word in lower case, as Porter's own program makes it, which Lucene follows."""
    return _porter()(word)


@cache
def _tokenizer() -> Any:
    try:
        import regex
    except ImportError:
        raise _missing("regex") from None
    return regex.compile(_TOKEN, regex.VERSION1)


@cache
def _porter() -> "Callable[[str], str]":
    try:
        from nltk.stem.porter import PorterStemmer
    except ImportError:
        raise _missing("nltk") from None
    found: Callable[[str], str] = PorterStemmer(PorterStemmer.MARTIN_EXTENSIONS).stem
    return found


def _missing(package: str) -> LearnError:
    return LearnError(
        f"{package} is not installed, so texts cannot be cut into words without a server", 'pip install "esmm[learn]"'
    )
