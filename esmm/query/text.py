"""The words that a caller's full-text clauses ask for: where they stand, and the one text that they make."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from esmm.errors import QueryError
from esmm.query.body import inner_queries

# Kinds of query whose words stand beside the fields, and the key that holds them inside their one field.
_BESIDE = frozenset({
    "multi_match", "combined_fields", "query_string", "simple_query_string", "semantic", "sparse_vector"
})  # fmt: skip
_IN_FIELD = {
    **dict.fromkeys(("match", "match_phrase", "match_phrase_prefix", "match_bool_prefix"), "query"),
    "text_expansion": "model_text",
}
_SYNTAX = frozenset({"query_string", "simple_query_string"})
# What a filter or an exclusion asks for is not what is looked for; a constant_score only calls its query a filter.
_PASSED_OVER = frozenset({"filter", "must_not", "mustNot", "negative", "functions", "exclude"})
_FIELD = r"[\w.*]+\s*:\s*"
_EXCLUDED = r"(?:-|!\s*|\bNOT\s+)"
_GROUP = r"(?:\"[^\"]*\"|\([^()]*\)|[\[{][^\]}]*[\]}]|[^\s()]+)"
# < and > cannot be escaped; they make a range only after a field.
_OPERATOR = re.compile(r"[-+!(){}\[\]^\"~*?:\\/|&]|\b(?:AND|OR|NOT)\b")
# Lone surrogates keep the place of escaped signs: no text that a server takes has them.
_SHELTER = 0xDC00
_UNSHELTERED = {_SHELTER + number: number for number in range(128)}


@dataclass(frozen=True)
class Place:
    """Where words stand in a query: ``holder[key]``; with ``syntax`` their operators count."""

    holder: Any
    key: Any
    syntax: bool = False

    def read(self) -> str:
        """Return the words without operators; nothing if there are none."""
        found = self.holder[self.key]
        words = str(found).strip() if isinstance(found, (str, int, float)) and not isinstance(found, bool) else ""
        return without_operators(words) if self.syntax else words

    def write(self, text: str) -> None:
        """Put a text there; none of its signs becomes an operator."""
        self.holder[self.key] = escaped(text) if self.syntax else text


def places(query: Mapping[str, Any]) -> list[Place]:
    """Return where the words stand that a query asks for; its filters and exclusions are passed over."""
    return [place for place in _places(query) if place.read()]


def text_of(query: Mapping[str, Any] | None) -> str | None:
    """Return the text that a query asks for, or None if it asks for none.

    Raises QueryError if its clauses ask for several different texts.
    """
    found = list(dict.fromkeys(place.read() for place in places(query))) if query else []
    if len(found) > 1:
        shown = ", ".join(repr(words[:40]) for words in found[:3])
        raise QueryError(
            f"the query asks for {len(found)} different texts ({shown})", "say which one the vectors look for: text=…"
        )
    return found[0] if found else None


def escaped(text: str) -> str:
    """Return a text as query_string reads it word for word; :func:`without_operators` gives it back."""
    return _OPERATOR.sub(lambda sign: "\\" + sign[0], text)


def without_operators(words: str) -> str:
    """Strip the syntax of query_string from words: what is excluded goes, ranges, fields, operators and weights go."""
    words = re.sub(r"\\([!-~])", lambda sign: chr(_SHELTER + ord(sign[1])), words)
    words = re.sub(rf"(?:^|(?<=[\s()\"])){_EXCLUDED}(?:{_FIELD})?{_GROUP}", " ", words)
    words = re.sub(rf"{_FIELD}(?:[\[{{][^\]}}]*[\]}}]|[<>]=?\s*\S+)|\b_exists_\s*:\s*\S+", " ", words)
    words = re.sub(r"(?<![\w.*])[\w.*]+\s*:\s*(?=\S)", " ", words)
    words = re.sub(r"\b(?:AND|OR|NOT)\b|&&|\|\|", " ", words)
    words = re.sub(r"[\^~]\d*(?:\.\d+)?", " ", words)
    words = re.sub(r"[+|\"()\[\]{}*?/]", " ", words.replace("\\", ""))
    return " ".join(word for word in words.split() if word not in "-!").translate(_UNSHELTERED)


def _places(query: Mapping[str, Any]) -> Iterator[Place]:
    kind, inside = next(iter(query.items()))
    if isinstance(inside, Mapping):
        yield from _own(kind, inside)
    for key, inner in inner_queries(query):
        if key not in _PASSED_OVER or kind == "constant_score":
            yield from _places(inner)


def _own(kind: str, inside: Mapping[str, Any]) -> Iterator[Place]:
    """Yield the places of a full-text query itself."""
    if kind in _BESIDE:
        yield from _at(inside, "query", kind in _SYNTAX)
    elif kind in _IN_FIELD:
        for name, value in inside.items():
            yield from _at(value, _IN_FIELD[kind]) if isinstance(value, Mapping) else _at(inside, name)
    elif kind == "more_like_this":
        yield from _each(inside, "like")
    elif kind == "intervals":
        for rule in inside.values():
            yield from _rule(rule)
    elif kind == "knn":
        yield from _at(_inside(inside, "query_vector_builder", "text_embedding"), "model_text")


def _rule(rule: Any) -> Iterator[Place]:
    """Yield the places of a rule of intervals."""
    yield from _at(_inside(rule, "match"), "query")
    for kind in ("all_of", "any_of"):
        for inner in _inside(rule, kind).get("intervals") or ():
            yield from _rule(inner)


def _at(holder: Mapping[str, Any], key: str, syntax: bool = False) -> Iterator[Place]:
    if key in holder:
        yield Place(holder, key, syntax)


def _each(holder: Mapping[str, Any], key: str) -> Iterator[Place]:
    if isinstance(many := holder.get(key), (list, tuple)):
        yield from (Place(many, at) for at in range(len(many)))
    else:
        yield from _at(holder, key)


def _inside(node: Any, *keys: str) -> Mapping[str, Any]:
    """Return the object under a path of keys, or an empty one."""
    for key in keys:
        node = node.get(key) if isinstance(node, Mapping) else None
    return node if isinstance(node, Mapping) else {}
