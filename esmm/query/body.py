"""The caller's search body: read from what callers have, checked, and what becomes of each of its top-level keys."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from esmm.errors import QueryError

Json = dict[str, Any]
Fate = Literal["kept", "adapted", "boost", "refused"]

MAX_BYTES = 5_000_000
# Elasticsearch parses 30 levels of queries; what we wrap around the caller's takes this many of them.
MAX_DEPTH, WRAPPED = 30, 5


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
    "sort": Rule("adapted", "by _score: kept; _score with a tie-break: boost; by anything else: the caller's own body"),
    "aggs": Rule("adapted", "facets union: counted over all hits; facets keyword: over the keyword's matches"),
    "aggregations": Rule("adapted", "as aggs"),
    "highlight": Rule("kept", "vector hits without a shared word have no highlight"),
    "collapse": Rule("boost", "a rescore would choose the head of each group by the first stage's score"),
    "rescore": Rule("refused", "it rescores the keyword's own score; leave it out, or tune the fusion instead"),
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
    "scroll": Rule("refused", "scroll is an URL parameter; with it only the strategy boost goes: strategy=boost"),
}


# Where a query holds other queries.
_INNER: dict[str, tuple[str, ...]] = {
    "bool": ("must", "should", "filter", "must_not"),
    "dis_max": ("queries",),
    "constant_score": ("filter",),
    "boosting": ("positive", "negative"),
    "pinned": ("organic",),
    "rule": ("organic",),
    "knn": ("filter",),
    **dict.fromkeys(("function_score", "script_score", "nested", "has_child", "has_parent"), ("query",)),
    **dict.fromkeys(("span_near", "span_or"), ("clauses",)),
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
    """Raise QueryError for keys that no search has, for a query that is none, and for one too deep to be wrapped."""
    unknown = [key for key in body if key not in RULES]
    if unknown:
        raise QueryError(f"the search API has no key {', '.join(map(repr, unknown))}", "mend the body")
    query = body.get("query")
    if query is not None and (not isinstance(query, Mapping) or len(query) != 1):
        raise QueryError("query must be an object with one kind of query in it", 'such as {"match": {"title": "shoe"}}')
    depth = depth_of(query)
    if depth > MAX_DEPTH - WRAPPED:
        raise QueryError(
            f"the query is {depth} levels deep; Elasticsearch allows {MAX_DEPTH}, of which the upgrade takes {WRAPPED}",
            "flatten nested bool queries",
        )


def depth_of(query: Any) -> int:
    """Return how many queries deep a query is, without recursion: a hostile body may be thousands of levels deep."""
    deepest, waiting = 0, [(query, 1)]
    while waiting:
        node, depth = waiting.pop()
        if isinstance(node, list):
            waiting += [(item, depth) for item in node]
        elif isinstance(node, Mapping):
            deepest = max(deepest, depth)
            waiting += [(child, depth + 1) for child in _children(node)]
    return deepest


def _children(query: Mapping[str, Any]) -> list[Any]:
    """Return the queries directly inside a query."""
    found: list[Any] = []
    for kind, inside in query.items():
        if isinstance(inside, Mapping):
            found += [inside[key] for key in _INNER.get(kind, ()) if key in inside]
            functions = inside.get("functions") if kind == "function_score" else None
            found += [each.get("filter") for each in functions or () if isinstance(each, Mapping)]
    return found


def _parsed(text: str | bytes) -> Any:
    if len(text) > MAX_BYTES:
        raise QueryError(f"the body is {len(text):,} bytes long", f"a search body has at most {MAX_BYTES:,}")
    try:
        return json.loads(text)
    except RecursionError:
        raise QueryError("the body is nested too deep to be a search", "flatten it") from None
    except ValueError as error:
        raise QueryError(f"the body is not JSON: {error}", "mend it there") from None


def _kind(value: Any) -> str:
    names = {list: "a list", str: "a text", bool: "true or false", int: "a number", float: "a number"}
    return "nothing" if value is None else names.get(type(value), type(value).__name__)
