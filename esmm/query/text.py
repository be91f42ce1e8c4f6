"""The one text that a caller's body asks for, found in its full-text clauses: it is what the vectors must look for."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from esmm.errors import QueryError

Json = dict[str, Any]

# Kind of query -> the key that holds the words, in the query itself or in its field.
_WORDS = {"multi_match": "query", "combined_fields": "query", "query_string": "query", "simple_query_string": "query"}
_FIELD_WORDS = {
    "match": "query",
    "match_phrase": "query",
    "match_phrase_prefix": "query",
    "match_bool_prefix": "query",
    "semantic": "query",
}
_SYNTAX_KINDS = ("query_string", "simple_query_string")
# What a filter or an exclusion asks for is not what is looked for.
_PASSED_OVER = ("filter", "must_not", "negative", "functions", "script", "post_filter")


def text_of(query: Mapping[str, Any] | None) -> str | None:
    """Return the text that a query asks for, or None if it asks for none.

    Raises QueryError if its clauses ask for several different texts.
    """
    found = list(dict.fromkeys(words for words in _texts(query or {}) if words))
    if len(found) > 1:
        shown = ", ".join(repr(words[:40]) for words in found[:3])
        raise QueryError(
            f"the query asks for {len(found)} different texts ({shown})", "say which one the vectors look for: text=…"
        )
    return found[0] if found else None


def without_operators(words: str) -> str:
    """Strip the syntax of query_string from words: what is excluded goes, fields, operators and weights go."""
    words = re.sub(r"(^|\s)(-|!|NOT\s+)(\"[^\"]*\"|\S+)", " ", words)
    words = re.sub(r"[\w.*]+:(?=\S)", " ", words)
    words = re.sub(r"\b(AND|OR|TO)\b|&&|\|\|", " ", words)
    words = re.sub(r"[\^~]\d*(\.\d+)?", " ", words)
    return " ".join(re.sub(r"[+|\"()\[\]{}*?/\\]", " ", words).split())


def _texts(node: Any) -> Iterator[str]:
    if isinstance(node, list):
        for item in node:
            yield from _texts(item)
    elif isinstance(node, dict):
        for key, inside in node.items():
            if key in _WORDS and isinstance(inside, dict):
                words = str(inside.get(_WORDS[key], "")).strip()
                yield without_operators(words) if key in _SYNTAX_KINDS else words
            elif key in _FIELD_WORDS and isinstance(inside, dict):
                yield from _field_texts(inside, _FIELD_WORDS[key])
            elif key not in _PASSED_OVER:
                yield from _texts(inside)


def _field_texts(fields: dict[str, Any], key: str) -> Iterator[str]:
    for value in fields.values():
        words = value.get(key) if isinstance(value, dict) else value
        if isinstance(words, (str, int, float)) and not isinstance(words, bool):
            yield str(words).strip()


def with_text(query: Json, text: str) -> Json:
    """Return the query with ``text`` in place of the words that its full-text clauses ask for."""
    replaced: Json = _replaced(query, text)
    return replaced


def _replaced(node: Any, text: str) -> Any:
    if isinstance(node, list):
        return [_replaced(item, text) for item in node]
    if not isinstance(node, dict):
        return node
    made = {}
    for key, inside in node.items():
        if key in _WORDS and isinstance(inside, dict):
            made[key] = {**inside, _WORDS[key]: text}
        elif key in _FIELD_WORDS and isinstance(inside, dict):
            word = _FIELD_WORDS[key]
            made[key] = {name: {**v, word: text} if isinstance(v, dict) else text for name, v in inside.items()}
        else:
            made[key] = inside if key in _PASSED_OVER else _replaced(inside, text)
    return made
