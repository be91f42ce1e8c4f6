"""The caller's search body: read from what callers have, checked, and what becomes of each of its top-level keys."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from esmm.errors import QueryError

Json = dict[str, Any]
Fate = Literal["kept", "adapted", "boost", "refused"]

MAX_BYTES = 5_000_000
# Levels of objects and lists; the fastest JSON writers for Python stop at 254.
MAX_NESTING = 200
# indices.query.bool.max_nested_depth: how many queries Elasticsearch reads one inside the other, of whatever kind.
MAX_DEPTH = 30


@dataclass(frozen=True)
class Rule:
    """What becomes of a top-level key: ``boost`` means that only the strategy boost can keep it."""

    fate: Fate
    how: str = ""


_KEPT = Rule("kept")
# One row for each top-level key of the search API; the README's table is made from it.
RULES: dict[str, Rule] = {
    "query": Rule("adapted", "becomes the clause keyword, untouched; its filters bind the vectors too"),
    "from": Rule("kept", "from + size must lie within the window"),
    "size": Rule("kept", "from + size must lie within the window"),
    "sort": Rule("adapted", "best _score first: kept; tie-break or worst first: boost; else the caller's own body"),
    "aggs": Rule("adapted", "facets union: counted over all hits; facets keyword: over the keyword's matches"),
    "aggregations": Rule("adapted", "as aggs"),
    "highlight": Rule("kept", "vector hits without a shared word have no highlight"),
    "collapse": Rule("boost", "a rescore would choose the head of each group by the first stage's score"),
    "rescore": Rule("boost", "it belongs to the keyword's score, which exact replaces by a rescore of its own"),
    "post_filter": Rule("kept", "after the search, as before"),
    "min_score": Rule("boost", "under exact it would look at the first stage's score"),
    "search_after": Rule("boost", "a rescore cannot be continued"),
    "pit": _KEPT,
    "slice": _KEPT,
    "suggest": _KEPT,
    "_source": _KEPT,
    "fields": _KEPT,
    "stored_fields": _KEPT,
    "docvalue_fields": _KEPT,
    "runtime_mappings": _KEPT,
    "script_fields": _KEPT,
    "indices_boost": Rule("boost", "a rescore forgets it"),
    "track_total_hits": Rule("kept", "the total counts the keyword's matches and the vectors' hits"),
    "track_scores": _KEPT,
    "terminate_after": Rule("refused", "it would end the search before the vectors' hits are gathered; use timeout"),
    "timeout": _KEPT,
    "profile": _KEPT,
    "explain": _KEPT,
    "version": _KEPT,
    "seq_no_primary_term": _KEPT,
    "stats": _KEPT,
    "ext": _KEPT,
    "knn": Rule("adapted", "each becomes a clause beside ours"),
    "retriever": Rule("adapted", "standard is unwrapped, knn becomes a clause, any other is refused by name"),
    "rank": Rule("refused", "the fusion takes its place; leave it out"),
    "sub_searches": Rule("refused", "give one query; the fusion takes their place"),
    "scroll": Rule("refused", "scroll is an URL parameter; with it only the strategy boost can be used"),
}


# Where a query holds other queries. mustNot is an old name that servers still take.
_INNER: dict[str, tuple[str, ...]] = {
    "bool": ("must", "should", "filter", "must_not", "mustNot"),
    "dis_max": ("queries",),
    "constant_score": ("filter",),
    "boosting": ("positive", "negative"),
    "knn": ("filter",),
    "span_not": ("include", "exclude"),
    **dict.fromkeys(("pinned", "rule", "rule_query"), ("organic",)),
    **dict.fromkeys(("function_score", "script_score", "nested", "has_child", "has_parent"), ("query",)),
    **dict.fromkeys(("span_near", "span_or"), ("clauses",)),
    **dict.fromkeys(("span_first", "span_multi"), ("match",)),
    **dict.fromkeys(("span_containing", "span_within"), ("big", "little")),
    **dict.fromkeys(("span_field_masking", "field_masking_span"), ("query",)),
}


def read_body(body: Any) -> Json:
    """Return a search body given as dict, JSON text or ``elasticsearch.dsl`` Search. Raises QueryError."""
    if isinstance(body, (str, bytes)):
        body = _parsed(body)
    elif not isinstance(body, Mapping) and hasattr(body, "to_dict"):  # a dsl Search, known without importing the dsl
        body = body.to_dict()
    if not isinstance(body, Mapping):
        raise QueryError(f"a search body is a JSON object, not {_kind(body)}", 'give {"query": …}')
    check_shape(body)
    return dict(body)


def check_shape(body: Mapping[str, Any]) -> None:
    """Raise QueryError for keys that no search has, for a body beyond all measure, and for a query that is none."""
    if unknown := [key for key in body if key not in RULES]:
        raise QueryError(f"the search API has no key {', '.join(map(repr, unknown))} in its body", "mend the body")
    if "aggs" in body and "aggregations" in body:
        raise QueryError("aggs and aggregations are two names of one key", "give one of them")
    _check_measure(body)
    for key in ("query", "post_filter"):
        if body.get(key) is not None:
            check_depth(body[key], key)


def check_depth(query: Any, where: str) -> None:
    """Raise QueryError for what is no query, and for one that is deeper than Elasticsearch reads."""
    depth = depth_of(query, where)
    if depth > MAX_DEPTH:
        raise QueryError(f"{where} is {depth} queries deep; Elasticsearch reads {MAX_DEPTH}", "flatten nested queries")


def depth_of(query: Any, where: str = "query") -> int:
    """Return how many queries deep a query is, counted as Elasticsearch does. Raises QueryError for what is no query.

    Without recursion: a hostile body may be thousands of levels deep.
    """
    deepest, waiting = 0, [(query, 1, where)]
    while waiting:
        node, depth, place = waiting.pop()
        deepest = max(deepest, depth)
        if not isinstance(node, Mapping) or len(node) != 1:
            raise QueryError(
                f"{place} must be an object with one kind of query in it, not {_kind(node)}",
                'such as {"match": {"title": "shoe"}}',
            )
        waiting += [(inner, depth + 1, f"{next(iter(node))}.{key}") for key, inner in inner_queries(node)]
    return deepest


def inner_queries(query: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the queries directly inside a query, each with the key that holds it."""
    kind, inside = next(iter(query.items()))
    if kind not in _INNER:
        return
    if not isinstance(inside, Mapping):
        raise QueryError(f"{kind} must be an object, not {_kind(inside)}", "mend the query")
    for key in _INNER[kind]:
        yield from ((key, inner) for inner in listed(inside.get(key)))
    if kind == "function_score":
        for function in listed(inside.get("functions")):
            if isinstance(function, Mapping) and "filter" in function:
                yield "functions", function["filter"]


def listed(value: Any) -> list[Any]:
    """Return what may be one thing, a list of them, or nothing, as a list."""
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]


def whole_number(holder: Mapping[str, Any], key: str, default: int) -> int:
    """Return a number as Elasticsearch reads it: a text that is one will do. Raises QueryError."""
    value = holder.get(key, default)
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        raise QueryError(f"{key} must be a whole number, not {value!r}", "mend the body") from None


def _check_measure(body: Mapping[str, Any]) -> None:
    size = 0
    waiting: list[tuple[Any, int]] = [(body, 1)]
    while waiting:
        node, level = waiting.pop()
        if isinstance(node, str):
            size += len(node)
        elif isinstance(node, (Mapping, list, tuple)):
            size += 2 * len(node)
            inner = node.values() if isinstance(node, Mapping) else node
            waiting += [(each, level + 1) for each in inner if isinstance(each, (str, Mapping, list, tuple))]
        if level > MAX_NESTING:
            raise QueryError(f"the body is nested more than {MAX_NESTING} levels deep", "flatten it")
        if size > MAX_BYTES:
            raise QueryError(f"the body is more than {MAX_BYTES:,} bytes long", "no search is: send what it looks for")


def _parsed(text: str | bytes) -> Any:
    if len(text) > MAX_BYTES:
        raise QueryError(f"the body is {len(text):,} bytes long", f"a search body has at most {MAX_BYTES:,}")
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_no_number)
    except RecursionError:
        raise QueryError("the body is nested too deep to be a search", "flatten it") from None
    except ValueError as error:
        raise QueryError(f"the body is not JSON: {error}", "mend it there") from None


def _unique(pairs: list[tuple[str, Any]]) -> Json:
    """Refuse a key given twice, as Elasticsearch does: one of them would be lost."""
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(
            f"the key {next(name for name in names if names.count(name) > 1)!r} stands twice in one object"
        )
    return made


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no number")


def _kind(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"one with {len(value)} ({', '.join(map(str, list(value)[:3]))})" if value else "an empty one"
    names = {list: "a list", str: "a text", bool: "true or false", int: "a number", float: "a number"}
    return "nothing" if value is None else names.get(type(value), type(value).__name__)
