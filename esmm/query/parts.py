"""What every strategy puts together, each in its own way."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from esmm.query.clauses import QueryClause, VectorClause
from esmm.query.fusion import PREFIX, Fusion

if TYPE_CHECKING:
    from esmm.cluster import Capabilities
    from esmm.recipe import Search

Json = dict[str, Any]
Recall = Literal["union", "rescue", "rerank"]
Facets = Literal["union", "keyword"]

# Under this name the aggregations of facets="keyword" hang together.
FACETS = "esmm_keyword"
TIER = "tier"
MAX_WINDOW = 10_000  # index.max_rescore_window of an index that nobody changed


@dataclass(frozen=True)
class Parts:
    """The caller's query and the rest of the body, our clauses, the filters that bind them, and how to fuse.

    ``vectors`` gather candidates and score them, ``queries`` only score.
    ``recall`` says whether vectors may add products (union), only below all keyword hits (rescue), or not (rerank).
    ``facets`` says over what aggregations count: all hits (union), or the keyword's (keyword).
    """

    keyword: Json | None
    rest: Json
    vectors: tuple[VectorClause, ...]
    fusion: Fusion
    limits: "Search"
    can: "Capabilities"
    guard: tuple[Json, ...] = ()
    recall: Recall = "union"
    facets: Facets = "union"
    queries: tuple[QueryClause, ...] = ()

    @property
    def window(self) -> int:
        """How many candidates are scored: never fewer than the clauses can gather, the same on every page."""
        gathered = sum(neighbours(clause, self) for clause in self.vectors if not clause.away)
        return min(max(self.limits.window, gathered + self.limits.depth), MAX_WINDOW)

    @property
    def adding(self) -> tuple[VectorClause, ...]:
        """The clauses that add candidates."""
        return () if self.recall == "rerank" else tuple(clause for clause in self.vectors if not clause.away)

    @property
    def tier(self) -> float:
        """A score above all that vectors can give: what lifts keyword hits above the others in ``rescue``."""
        names = [clause.name for clause in self.vectors] + [clause.name for clause in self.queries]
        return 1.0 + sum(map(self.fusion.weight, names))


def neighbours(clause: VectorClause, parts: Parts) -> int:
    """Return how many hits the knn query of a clause gathers from each shard: k, and before 8.15 num_candidates."""
    if parts.can.knn_k:
        return clause.k or parts.limits.k
    return clause.num_candidates or parts.limits.num_candidates


def knn_query(clause: VectorClause, parts: Parts, boost: float) -> Json:
    """Return the knn query of a clause; the guard filters before the search, so that k neighbours remain."""
    knn: Json = {
        "field": clause.field,
        "query_vector": clause.vector,
        "num_candidates": clause.num_candidates or parts.limits.num_candidates,
    }
    if parts.can.knn_k:
        knn["k"] = neighbours(clause, parts)
    if filters := [*parts.guard, *clause.filters]:
        knn["filter"] = filters
    if clause.floor is not None:
        knn["similarity"] = clause.floor
    return {"knn": {**knn, "boost": boost}}


def with_facets(parts: Parts, body: Json) -> Json:
    """Move the aggregations under a filter by the keyword query, if they are to count just its matches.

    A ``global`` one counts the whole index as before; it may stand at the top only.
    """
    key = next((key for key in ("aggs", "aggregations") if body.get(key)), None)
    if key is None or parts.facets == "union" or parts.keyword is None or not parts.adding:
        return body
    kept = {name: value for name, value in body.items() if name != key}
    whole = {name: inside for name, inside in body[key].items() if "global" in inside}
    bound = {name: inside for name, inside in body[key].items() if name not in whole}
    wrapped = {FACETS: {"filter": parts.keyword, "aggs": bound}} if bound else {}
    return {**kept, "aggs": {**whole, **wrapped}}


def keyword_facets(aggregations: Json) -> Json:
    """Unwrap the aggregations of an answer to a request with ``facets="keyword"``; others stay as they are."""
    found: Json = {}
    for name, value in aggregations.items():
        if name.rpartition("#")[2] == FACETS:  # typed_keys puts the type before the name
            found |= {inner: each for inner, each in value.items() if inner not in ("doc_count", "meta")}
        else:
            found[name] = value
    return found


def named(clause: str) -> str:
    """Return the ``_name`` of a clause on the wire."""
    return PREFIX + clause
