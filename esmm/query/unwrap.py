"""What a caller's body holds where a query may stand: top-level ``knn`` searches, and a ``retriever``."""

from collections.abc import Mapping, Sequence
from typing import Any

from esmm.errors import QueryError
from esmm.query.body import Json, check_depth, listed, whole_number
from esmm.query.clauses import VectorClause

_RETRIEVER_KEYS = ("query", "filter", "sort", "collapse", "min_score", "search_after", "terminate_after")
_KNN_KEYS = ("field", "query_vector", "k", "num_candidates", "similarity", "filter")


def unwrapped(body: Json) -> tuple[Json, list[VectorClause]]:
    """Return the body with a plain query, and the clauses of the knn searches it brought. Raises QueryError."""
    plain = {key: value for key, value in body.items() if key not in ("knn", "retriever")}
    knns = listed(body.get("knn"))
    if "retriever" in body:
        kind, inside = _only(body["retriever"])
        if kind == "standard":
            plain = _standard(plain, inside)
        elif kind == "knn":
            knns.append(inside)
        else:
            raise QueryError(
                f"a {kind} retriever is a fusion of its own and cannot be upgraded",
                "give the query inside its standard retriever instead",
            )
    size = whole_number(body, "size", 10)
    return plain, [_brought(number, knn, size) for number, knn in enumerate(knns, start=1)]


def _only(retriever: Any) -> tuple[str, Json]:
    if isinstance(retriever, Mapping) and len(retriever) == 1:
        kind, inside = next(iter(retriever.items()))
        if isinstance(inside, Mapping):
            return kind, dict(inside)
    raise QueryError(
        "retriever must be an object with one kind of retriever in it", 'such as {"standard": {"query": …}}'
    )


def _standard(plain: Json, inside: Json) -> Json:
    _refuse_others(inside, _RETRIEVER_KEYS, "retriever.standard")
    moved = {key: value for key, value in inside.items() if key not in ("query", "filter")}
    query, filters = inside.get("query", {"match_all": {}}), listed(inside.get("filter"))
    query = {"bool": {"must": [query], "filter": filters}} if filters else query
    check_depth(query, "retriever.standard")
    return {**plain, **moved, "query": query}


def _brought(number: int, knn: Any, size: int) -> VectorClause:
    """Make a clause of a knn search; what it leaves out has Elasticsearch's own defaults."""
    name = f"knn{number}" if number > 1 else "knn"
    if not isinstance(knn, Mapping) or not {"field", "query_vector"} <= knn.keys():
        raise QueryError(
            f"{name} has no field and query_vector, so it cannot be fused", "give the vector itself, not its builder"
        )
    _refuse_others({key: value for key, value in knn.items() if (key, value) != ("boost", 1)}, _KNN_KEYS, name)
    k = whole_number(knn, "k", size) or 1
    filters = listed(knn.get("filter"))
    for query in filters:
        check_depth(query, f"{name}.filter")
    candidates = whole_number(knn, "num_candidates", min(10_000, round(1.5 * k)))
    return VectorClause(
        name, knn["field"], knn["query_vector"], knn.get("similarity"), False, k, candidates, tuple(filters)
    )


def _refuse_others(inside: Mapping[str, Any], known: Sequence[str], where: str) -> None:
    if lost := [key for key in inside if key not in known]:
        hint = "leave it out; the weight of the clause says how much it counts" if "boost" in lost else "leave it out"
        raise QueryError(f"{where}.{lost[0]} cannot be kept by a hybrid search", hint)
