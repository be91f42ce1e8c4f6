"""The one text that a caller's body asks for, found in its full-text clauses: it is what the vectors must look for."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from esmm.errors import QueryError
from esmm.query.body import inner_queries, listed

# Kinds of query whose words stand beside the fields, and kinds that hold them inside their one field.
BESIDE = frozenset({
    "multi_match", "combined_fields", "query_string", "simple_query_string", "semantic", "sparse_vector"
})  # fmt: skip
IN_FIELD = frozenset({"match", "match_phrase", "match_phrase_prefix", "match_bool_prefix"})
_SYNTAX = frozenset({"query_string", "simple_query_string"})
# What a filter or an exclusion asks for is not what is looked for; a constant_score only calls its query a filter.
PASSED_OVER = frozenset({"filter", "must_not", "mustNot", "negative", "functions", "exclude"})
_FIELD = r"[\w.*]+\s*:\s*"
_EXCLUDED = r"(?:-|!\s*|\bNOT\s+)"
_GROUP = r"(?:\"[^\"]*\"|\([^()]*\)|[\[{][^\]}]*[\]}]|[^\s()]+)"


def text_of(query: Mapping[str, Any] | None) -> str | None:
    """Return the text that a query asks for, or None if it asks for none.

    Raises QueryError if its clauses ask for several different texts.
    """
    found = list(dict.fromkeys(words for words in _texts(query) if words)) if query else []
    if len(found) > 1:
        shown = ", ".join(repr(words[:40]) for words in found[:3])
        raise QueryError(
            f"the query asks for {len(found)} different texts ({shown})", "say which one the vectors look for: text=…"
        )
    return found[0] if found else None


def without_operators(words: str) -> str:
    """Strip the syntax of query_string from words: what is excluded goes, ranges, fields, operators and weights go."""
    words = re.sub(rf"(?:^|(?<=[\s()\"])){_EXCLUDED}(?:{_FIELD})?{_GROUP}", " ", words)
    words = re.sub(rf"{_FIELD}(?:[\[{{][^\]}}]*[\]}}]|[<>]=?\s*\S+)|\b_exists_\s*:\s*\S+", " ", words)
    words = re.sub(r"(?<!\\)(?<![\w.*])[\w.*]+\s*:\s*(?=\S)", " ", words)
    words = re.sub(r"\b(?:AND|OR|NOT)\b|&&|\|\|", " ", words)
    words = re.sub(r"[\^~]\d*(?:\.\d+)?", " ", words)
    words = re.sub(r"[+|\"()\[\]{}*?/]", " ", words.replace("\\", ""))
    return " ".join(word for word in words.split() if word not in "-!")


def _texts(query: Mapping[str, Any]) -> Iterator[str]:
    kind, inside = next(iter(query.items()))
    if isinstance(inside, Mapping):
        yield from _own_words(kind, inside)
    for key, inner in inner_queries(query):
        if key not in PASSED_OVER or kind == "constant_score":
            yield from _texts(inner)


def _own_words(kind: str, inside: Mapping[str, Any]) -> Iterator[str]:
    """Yield the words of a full-text query itself."""
    if kind in BESIDE:
        words = _plain(inside.get("query"))
        yield without_operators(words) if kind in _SYNTAX else words
    elif kind in IN_FIELD:
        for value in inside.values():
            yield _plain(value.get("query") if isinstance(value, Mapping) else value)
    elif kind == "more_like_this":
        yield from (words.strip() for words in listed(inside.get("like")) if isinstance(words, str))
    elif kind == "intervals":
        for rule in inside.values():
            yield from _interval_words(rule)


def _interval_words(rule: Any) -> Iterator[str]:
    for kind, inside in rule.items() if isinstance(rule, Mapping) else ():
        if kind == "match" and isinstance(inside, Mapping):
            yield _plain(inside.get("query"))
        elif kind in ("all_of", "any_of") and isinstance(inside, Mapping):
            for inner in listed(inside.get("intervals")):
                yield from _interval_words(inner)


def _plain(words: Any) -> str:
    return str(words).strip() if isinstance(words, (str, int, float)) and not isinstance(words, bool) else ""
