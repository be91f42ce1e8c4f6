"""Strategies: how a fusion becomes one request. Pure functions from a body and clauses to a body.

``exact``: the first stage only gathers candidates; the rescore gives each of them its exact fused score, also that of
clauses whose own first-stage search did not find it. Every clause is named ``esmm:<clause>``, and the server returns
the normalised score under that name, whatever the weight.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from esmm.query.clauses import VectorClause
from esmm.query.fusion import KEYWORD, PREFIX

if TYPE_CHECKING:
    from esmm.cluster import Capabilities
    from esmm.query.fusion import Fusion
    from esmm.recipe import Search

Json = dict[str, Any]

# The first stage keeps the best of its window by its own score, and a keyword score has no bound while a knn score
# is at most 1: lifted this far, no vector candidate is crowded out. The sum is thrown away.
_LIFT = 1e6
RAW = ":raw"
_SATURATE = "_score / (_score + params.k)"
_COSINE = "Math.min(1.0, Math.max(0.0, (cosineSimilarity(params.q, params.field) - params.low) / params.width))"


def exact(
    body: Json,
    vectors: Sequence[VectorClause],
    fusion: "Fusion",
    *,
    guard: Sequence[Json],
    limits: "Search",
    can: "Capabilities",
) -> Json:
    """Return the hybrid body: ``body`` with its query widened by the vectors and rescored by the fusion.

    ``guard`` are the filters that vector hits must pass too. A clause of weight 0 is left out; with no vector left
    the body is returned as it is.
    """
    vectors = [clause for clause in vectors if fusion.weight(clause.name) > 0]
    if not vectors:
        return body
    keyword = body.get("query")
    gather = [_knn(clause, guard, limits, can) for clause in vectors]
    fused = [_vector_score(clause, fusion) for clause in vectors]
    if keyword is not None:
        gather.insert(0, {"bool": {"must": [keyword]}})
        if fusion.weight(KEYWORD) > 0:
            fused.insert(0, _keyword_score(keyword, fusion))
    return {
        **body,
        "query": {"bool": {"should": gather, "minimum_should_match": 1}},
        "rescore": {
            "window_size": limits.window,
            "query": {"query_weight": 0, "rescore_query_weight": 1, "rescore_query": {"bool": {"should": fused}}},
        },
    }


def _knn(clause: VectorClause, guard: Sequence[Json], limits: "Search", can: "Capabilities") -> Json:
    knn: Json = {"field": clause.field, "query_vector": clause.vector, "num_candidates": limits.num_candidates}
    if can.knn_k:  # before 8.15 the knn query has no k and returns num_candidates from each shard
        knn["k"] = limits.k
    if guard:
        knn["filter"] = list(guard)
    return {"knn": {**knn, "boost": _LIFT}}


def _keyword_score(keyword: Json, fusion: "Fusion") -> Json:
    inner = {"bool": {"must": [keyword], "_name": f"{PREFIX}{KEYWORD}{RAW}"}}
    return _weighted(KEYWORD, inner, _SATURATE, {"k": fusion.saturation}, fusion)


def _vector_score(clause: VectorClause, fusion: "Fusion") -> Json:
    window = fusion.window(clause.name)
    params = {"q": clause.vector, "field": clause.field, "low": window.low, "width": window.high - window.low}
    # A product without the vector gets nothing from this clause, instead of failing the script.
    there = {"bool": {"filter": [{"exists": {"field": clause.field}}]}}
    return _weighted(clause.name, there, _COSINE, params, fusion)


def _weighted(name: str, query: Json, source: str, params: Json, fusion: "Fusion") -> Json:
    """Put the weight outside the named clause, so that the named score is the normalised one."""
    scored = {
        "script_score": {"query": query, "script": {"source": source, "params": params}, "_name": f"{PREFIX}{name}"}
    }
    return {"bool": {"must": [scored], "boost": fusion.weight(name)}}
