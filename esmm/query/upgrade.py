"""Upgrade a caller's search body: its query becomes the clause ``keyword``, the vectors stand beside it.

A pure function of body, clauses, fusion and options. What cannot be kept is refused by name, with the remedy.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from esmm.errors import Incompatible, QueryError
from esmm.query.body import RULES, read_body
from esmm.query.clauses import VectorClause
from esmm.query.guard import clauses_of, guard_of
from esmm.query.parts import Facets, Json, Parts, Recall
from esmm.query.strategies import STRATEGIES

if TYPE_CHECKING:
    from esmm.cluster import Capabilities
    from esmm.query.fusion import Fusion
    from esmm.recipe import Search

Strategy = Literal["auto", "exact", "boost", "linear", "rrf"]
_RETRIEVER_KEYS = ("query", "filter", "sort", "collapse", "min_score", "search_after", "terminate_after")


@dataclass(frozen=True)
class Options:
    """How to upgrade.

    ``floors`` are the cosines, by clause, below which a product is no neighbour; ``guard`` are filters that bind the
    vectors' hits beside those of the query.
    """

    strategy: Strategy = "auto"
    recall: Recall = "union"
    facets: Facets = "union"
    floors: Mapping[str, float] = field(default_factory=dict)
    guard: tuple[Json, ...] = ()


@dataclass(frozen=True)
class Upgraded:
    """The hybrid body, the strategy it uses (``keyword`` where it is the caller's own), and what changed and why."""

    body: Json
    strategy: str
    notes: tuple[str, ...] = ()


def upgrade_body(
    body: Any,
    vectors: Sequence[VectorClause],
    fusion: "Fusion",
    *,
    limits: "Search",
    can: "Capabilities",
    options: Options | None = None,
) -> Upgraded:
    """Return the hybrid form of a search body (dict, JSON text or dsl Search). Raises QueryError or Incompatible."""
    options = options or Options()
    given = read_body(body)
    plain, brought = _unwrapped(given)
    clauses = [clause for clause in (*vectors, *brought) if fusion.weight(clause.name) > 0]
    _refuse(plain)
    if not clauses:
        return Upgraded(given, "keyword", ("no vector clause has a weight: the body stays as it is",))
    if order := _other_sort(plain):
        return Upgraded(
            given, "keyword", (f"sorted by {order}, not by score: the keyword's own matches in that order",)
        )
    parts, notes = _parts(plain, clauses, fusion, limits=limits, can=can, options=options)
    strategy, why = _chosen(plain, options.strategy, can)
    _check_page(plain, strategy, parts)
    return Upgraded(STRATEGIES[strategy](parts), strategy, (*notes, *([why] if why else [])))


def _parts(
    body: Json,
    clauses: Sequence[VectorClause],
    fusion: "Fusion",
    *,
    limits: "Search",
    can: "Capabilities",
    options: Options,
) -> tuple[Parts, list[str]]:
    keyword = body.get("query")
    guard, notes, recall = guard_of(keyword), [], options.recall
    if guard.unknown and recall != "rerank":
        recall = "rerank"
        notes.append(f"the filters of {guard.unknown} cannot be told, so vectors reorder its matches and add none")
    if guard.filters:
        notes.append(f"{len(guard.filters)} filters of the query bind the vectors' hits too")
    rest = {key: value for key, value in body.items() if key != "query"}
    floored = tuple(_with_floor(clause, options.floors.get(clause.name)) for clause in clauses)
    return Parts(
        keyword, rest, floored, fusion, limits, can, (*guard.filters, *options.guard), recall, options.facets
    ), notes


def _with_floor(clause: VectorClause, floor: float | None) -> VectorClause:
    return clause if floor is None else replace(clause, floor=floor)


def _unwrapped(body: Json) -> tuple[Json, list[VectorClause]]:
    """Take apart what stands where a query may stand: top-level knn, and a retriever."""
    plain = {key: value for key, value in body.items() if key not in ("knn", "retriever")}
    knns = clauses_of(body.get("knn"))
    if retriever := body.get("retriever"):
        kind, inside = next(iter(retriever.items()))
        if kind == "standard":
            plain = _standard(plain, inside)
        elif kind == "knn":
            knns.append(inside)
        else:
            raise QueryError(
                f"a {kind} retriever is a fusion of its own and cannot be upgraded",
                "give the query inside its standard retriever instead",
            )
    return plain, [_brought(number, knn) for number, knn in enumerate(knns, start=1)]


def _standard(plain: Json, inside: Json) -> Json:
    unknown = [key for key in inside if key not in _RETRIEVER_KEYS]
    if unknown:
        raise QueryError(f"a standard retriever has no key {', '.join(unknown)} that can be kept", "leave it out")
    moved = {key: value for key, value in inside.items() if key not in ("query", "filter")}
    query, filters = inside.get("query", {"match_all": {}}), clauses_of(inside.get("filter"))
    return {**plain, **moved, "query": {"bool": {"must": [query], "filter": filters}} if filters else query}


def _brought(number: int, knn: Json) -> VectorClause:
    """Make a clause of a knn search that the caller brought."""
    if "query_vector" not in knn:
        raise QueryError("a knn search without query_vector cannot be fused", "give the vector itself")
    k = int(knn.get("k", 10))
    return VectorClause(
        f"knn{number}" if number > 1 else "knn",
        knn["field"],
        knn["query_vector"],
        floor=knn.get("similarity"),
        k=k,
        num_candidates=max(k, int(knn.get("num_candidates", k))),
        filters=tuple(clauses_of(knn.get("filter"))),
    )


def _refuse(body: Json) -> None:
    faults = [f"{key}: {RULES[key].how}" for key in body if RULES[key].fate == "refused"]
    if faults:
        raise QueryError(f"the body has what a hybrid search cannot keep: {'; '.join(faults)}", "leave it out")


def _other_sort(body: Json) -> str:
    """Return what a body is sorted by if that is not the score, else nothing."""
    first = next(iter(_sort_fields(body)), "_score")
    return "" if first == "_score" else first


def _sort_fields(body: Json) -> list[str]:
    sort = body.get("sort")
    given = [sort] if isinstance(sort, (str, dict)) else sort or []
    return [each.split(":")[0] if isinstance(each, str) else next(iter(each)) for each in given]


def _chosen(body: Json, wanted: str, can: "Capabilities") -> tuple[str, str]:
    """Choose the strategy; return it with the reason, if there is one to tell."""
    reasons = list(_only_boost(body)) + ([] if can.painless else ["the server has no painless scripts"])
    if wanted == "auto":
        return ("boost", f"strategy boost: {'; '.join(reasons)}") if reasons else ("exact", "")
    if wanted not in STRATEGIES:
        raise QueryError(f"there is no strategy {wanted}", f"take one of auto, {', '.join(STRATEGIES)}")
    if wanted == "exact" and reasons:
        raise QueryError(f"strategy exact cannot serve this body: {'; '.join(reasons)}", "leave the strategy to auto")
    if refusal := can.strategies()[wanted]:
        raise Incompatible(f"strategy {wanted} cannot be used here: {refusal}", "use exact or boost")
    return wanted, ""


def _only_boost(body: Json) -> Iterator[str]:
    """Name what in a body only the strategy boost can keep."""
    for key in body:
        if RULES[key].fate == "boost":
            yield f"{key}: {RULES[key].how}"
    fields = _sort_fields(body)
    if len(fields) > 1 and fields[0] == "_score":
        yield f"sort by _score and {', '.join(fields[1:])}: a rescore allows no tie-break"
    if _reads_score(body.get("aggs") or body.get("aggregations")):
        yield "aggregations that read _score: they would see the first stage's"


def _reads_score(node: Any) -> bool:
    waiting = [node]
    while waiting:
        found = waiting.pop()
        if isinstance(found, dict):
            if "top_hits" in found:
                return True
            waiting += found.values()
        elif isinstance(found, list):
            waiting += found
        elif isinstance(found, str) and "_score" in found:
            return True
    return False


def _check_page(body: Json, strategy: str, parts: Parts) -> None:
    end = int(body.get("from", 0)) + int(body.get("size", 10))
    if strategy != "boost" and end > parts.window:
        raise QueryError(
            f"from + size is {end}, beyond the window of {parts.window} products that strategy {strategy} orders",
            "raise search.window in the recipe for all pages, or use strategy boost with search_after",
        )
