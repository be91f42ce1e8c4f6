"""What of a caller's query binds vector hits too: its filters, wherever they stand.

The guard of a query is a list of filter clauses that its hits pass by the caller's will (filters, exclusions, exact
conditions), as against words that may match or not. It goes into every ``knn.filter``, so that no vector hit breaks
what the caller asked for.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from esmm.errors import QueryError
from esmm.query.body import Json, listed

# Exact conditions: whoever makes one a must means a filter.
TERM_LEVEL = frozenset({
    "term", "terms", "terms_set", "range", "exists", "ids", "prefix", "wildcard", "regexp", "match_none",
    "geo_distance", "geo_bounding_box", "geo_shape", "geo_polygon", "geo_grid", "shape", "script", "type",
    "parent_id"
})  # fmt: skip
# Words and nearness: they ask for something, and bind nothing.
FULL_TEXT = frozenset({
    "match", "match_phrase", "match_phrase_prefix", "match_bool_prefix", "multi_match", "combined_fields",
    "intervals", "match_all", "fuzzy", "more_like_this", "span_term", "span_near", "span_or", "span_not",
    "span_first", "span_multi", "span_containing", "span_within", "span_field_masking", "distance_feature",
    "rank_feature", "sparse_vector", "semantic", "text_expansion"
})  # fmt: skip
# What makes conditions of words: +must -not, after a blank, a bracket, a quoted phrase or its weight. Lucene's own
# syntax knows more of them: !not AND NOT && field:value [range].
_SIGNED = r'(?:^|[\s()"|/&]|[\^~][\d.]*)(?:\+|-(?=\S))'
_OPERATORS = {
    "simple_query_string": re.compile(_SIGNED),
    "query_string": re.compile(_SIGNED + r"|(?:^|[\s()])!|\b(?:AND|NOT)\b|&&|(?<!\\):|[\[{]"),
}
_COUNT = r"[+-]?\d+%?"  # of clauses, in minimum_should_match


@dataclass(frozen=True)
class Guard:
    """The filters of a query; ``unknown`` names a part whose filters cannot be told."""

    filters: tuple[Json, ...] = ()
    unknown: str = ""

    def __add__(self, other: "Guard") -> "Guard":
        return Guard(self.filters + other.filters, self.unknown or other.unknown)


def guard_of(query: Mapping[str, Any] | None) -> Guard:
    """Return what every hit of ``query`` must pass. A kind of query that is not known is named in ``unknown``.

    ``query`` has the shape of one (``body.check_depth``); its filters come back without ``inner_hits``.
    """
    if not query:
        return Guard()
    kind, inside = next(iter(query.items()))
    if kind in TERM_LEVEL:
        return Guard((dict(query),))
    if kind in FULL_TEXT:
        return Guard()
    return _RULES.get(kind, _unknown)(kind, inside)


def bare(query: Any) -> Any:
    """Return a copy of a query without ``inner_hits``, which a request may hold but once."""
    if isinstance(query, (list, tuple)):
        return [bare(each) for each in query]
    if not isinstance(query, Mapping):
        return query
    return {key: bare(inside) for key, inside in query.items() if key != "inner_hits" or "query" not in query}


def required_of(minimum: Any, count: int) -> int:
    """Return how many of ``count`` clauses ``minimum_should_match`` asks for, read as Elasticsearch reads it."""
    text = re.sub(r"\s*<\s*", "<", str(minimum).strip())
    if not re.fullmatch(rf"{_COUNT}|\d+<{_COUNT}(\s+\d+<{_COUNT})*", text):
        raise QueryError(
            f"minimum_should_match {minimum!r} is no number of clauses", 'such as 2, "-1", "75%" or "2<75%"'
        )
    if "<" in text:
        return _conditional(text, count)
    number = int(text.removesuffix("%"))
    share = count * number / 100 if text.endswith("%") else number
    return max(0, int(share) + count if share < 0 else int(share))


def _conditional(text: str, count: int) -> int:
    """Read ``2<75% 9<-3``: up to 2 clauses all of them, from 3 on 75 %, from 10 on all but 3."""
    required = count
    for part in text.split():
        above, rule = part.split("<")
        if count <= int(above):
            return required
        required = required_of(rule, count)
    return required


def _bool(_: str, inside: Json) -> Guard:
    must, filters = listed(inside.get("must")), listed(inside.get("filter"))
    guard = sum((guard_of(clause) for clause in must), Guard(tuple(bare(filters))))
    if excluded := [*listed(inside.get("must_not")), *listed(inside.get("mustNot"))]:
        guard += Guard(({"bool": {"must_not": bare(excluded)}},))
    should, minimum = listed(inside.get("should")), inside.get("minimum_should_match")
    required = 0 if minimum is None else required_of(minimum, len(should))
    if not (must or filters):  # then one must match whatever the minimum says, if there is one
        required = max(1, required) if should else 0
    return guard + _some_of(should, required)


def _some_of(branches: Sequence[Json], required: int) -> Guard:
    """Return what binds hits of at least ``required`` branches; a branch that binds nothing may be one of them."""
    guards = [guard_of(branch) for branch in branches]
    bound = required - sum(not guard.filters and not guard.unknown for guard in guards)
    if bound <= 0:
        return Guard()
    if unknown := next((guard.unknown for guard in guards if guard.unknown), ""):
        return Guard(unknown=unknown)
    filters = [_all_of(guard) for guard in guards if guard.filters]
    if bound > len(filters):  # more than there are: nothing matches
        return Guard(({"match_none": {}},))
    return Guard(({"bool": {"should": filters, "minimum_should_match": bound}},))


def _all_of(guard: Guard) -> Json:
    return guard.filters[0] if len(guard.filters) == 1 else {"bool": {"filter": list(guard.filters)}}


def _inner(part: str) -> Callable[[str, Json], Guard]:
    def rule(kind: str, inside: Json) -> Guard:
        limit = Guard(unknown=f"{kind}.min_score") if "min_score" in inside else Guard()
        return guard_of(inside.get(part)) + limit

    return rule


def _related(kind: str, inside: Json) -> Guard:
    """Wrap the inner guard as the caller wrapped the query: it binds related or nested documents."""
    if "max_children" in inside:  # more children pass the filters than match the words
        return Guard(unknown=f"{kind}.max_children")
    inner = guard_of(inside.get("query"))
    if not inner.filters:
        return inner
    names = ("path", "type", "parent_type", "min_children", "ignore_unmapped")
    kept = {key: inside[key] for key in names if key in inside}
    return Guard(({kind: {**kept, "query": _all_of(inner)}},), inner.unknown)


def _syntax(kind: str, inside: Any) -> Guard:
    words = str(inside.get("query", "")) if isinstance(inside, Mapping) else ""
    return Guard(unknown=f"{kind} with operators") if _OPERATORS[kind].search(words) else Guard()


def _unknown(kind: str, _: Any) -> Guard:
    return Guard(unknown=kind)


_RULES: dict[str, Callable[[str, Any], Guard]] = {
    "bool": _bool,
    "function_score": _inner("query"),
    "script_score": _inner("query"),
    "constant_score": _inner("filter"),
    "boosting": _inner("positive"),
    "pinned": _inner("organic"),
    "rule": _inner("organic"),
    "nested": _related,
    "has_child": _related,
    "has_parent": _related,
    "knn": lambda _, inside: Guard(tuple(bare(listed(inside.get("filter"))))),
    "dis_max": lambda _, inside: _some_of(listed(inside.get("queries")), 1),
    "query_string": _syntax,
    "simple_query_string": _syntax,
}
