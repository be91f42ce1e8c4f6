"""What of a caller's query binds vector hits too: its filters, wherever they stand.

The guard of a query is a list of filter clauses that its hits pass by the caller's will (filters, exclusions, exact
conditions), as against words that may match or not. It goes into every ``knn.filter``, so that no vector hit breaks
what the caller asked for.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

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
    "rank_feature", "knn", "sparse_vector", "semantic", "text_expansion"
})  # fmt: skip
# What makes words of a query_string conditions: +must -not !not AND NOT && field:value [range]
_OPERATORS = re.compile(r"(^|[\s(])[+\-!]\S|\b(AND|NOT)\b|&&|\w:\S|[\[{]")


@dataclass(frozen=True)
class Guard:
    """The filters of a query; ``unknown`` names a part whose filters cannot be told."""

    filters: tuple[Json, ...] = ()
    unknown: str = ""

    def __add__(self, other: "Guard") -> "Guard":
        return Guard(self.filters + other.filters, self.unknown or other.unknown)


def guard_of(query: Mapping[str, Any] | None) -> Guard:
    """Return what every hit of ``query`` must pass. A kind of query that is not known is named in ``unknown``."""
    if not query:
        return Guard()
    kind, inside = next(iter(query.items()))
    if kind in TERM_LEVEL:
        return Guard((dict(query),))
    if kind in FULL_TEXT:
        return Guard()
    return _RULES.get(kind, _unknown)(kind, inside)


def clauses_of(value: Any) -> list[Json]:
    """Return the clauses of a bool's part, which may be one clause or a list."""
    if not value:
        return []
    return list(value) if isinstance(value, list) else [value]


def is_required(minimum: Any, count: int) -> bool:
    """Say whether ``minimum_should_match`` asks for at least one of ``count`` clauses."""
    text = str(minimum).strip()
    for part in text.split():  # "2<75% 9<-3": the last condition that holds counts
        if "<" in part:
            least, rule = part.split("<", 1)
            text = rule if count > int(least) else str(count) if part == text.split()[0] else text
    number = float(text.rstrip("%"))
    if text.endswith("%"):
        number = int(count * number / 100)
    return (number if number >= 0 else count + number) >= 1


def _bool(_: str, inside: Json) -> Guard:
    must, filters = clauses_of(inside.get("must")), clauses_of(inside.get("filter"))
    guard = sum((guard_of(clause) for clause in must), Guard(tuple(filters)))
    if excluded := clauses_of(inside.get("must_not")):
        guard += Guard(({"bool": {"must_not": excluded}},))
    should = clauses_of(inside.get("should"))
    minimum = inside.get("minimum_should_match", 0 if must or filters else 1)
    return guard + _one_of(should) if should and is_required(minimum, len(should)) else guard


def _one_of(branches: Sequence[Json]) -> Guard:
    """Return the disjunction of the branches' guards; a branch that binds nothing sets the others free."""
    guards = [guard_of(branch) for branch in branches]
    if any(not guard.filters and not guard.unknown for guard in guards):
        return Guard()
    if unknown := next((guard.unknown for guard in guards if guard.unknown), ""):
        return Guard(unknown=unknown)
    return Guard(({"bool": {"should": [_all_of(guard) for guard in guards], "minimum_should_match": 1}},))


def _all_of(guard: Guard) -> Json:
    return guard.filters[0] if len(guard.filters) == 1 else {"bool": {"filter": list(guard.filters)}}


def _inner(part: str) -> Callable[[str, Json], Guard]:
    def rule(kind: str, inside: Json) -> Guard:
        limit = Guard(unknown=f"{kind}.min_score") if "min_score" in inside else Guard()
        return guard_of(inside.get(part)) + limit

    return rule


def _related(kind: str, inside: Json) -> Guard:
    """Wrap the inner guard as the caller wrapped the query: it binds related or nested documents."""
    inner = guard_of(inside.get("query"))
    if not inner.filters:
        return inner
    kept = {key: inside[key] for key in ("path", "type", "parent_type", "ignore_unmapped") if key in inside}
    return Guard(({kind: {**kept, "query": _all_of(inner)}},), inner.unknown)


def _syntax(kind: str, inside: Json) -> Guard:
    words = str(inside.get("query", "")) if isinstance(inside, dict) else ""
    return Guard(unknown=f"{kind} with operators") if _OPERATORS.search(words) else Guard()


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
    "dis_max": lambda _, inside: _one_of(clauses_of(inside.get("queries"))),
    "query_string": _syntax,
    "simple_query_string": _syntax,
}
