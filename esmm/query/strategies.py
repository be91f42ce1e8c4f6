"""Strategies: how a fusion becomes one request. Each is a pure function from parts to a body.

``exact``: the first stage only gathers candidates; the rescore gives each of them its exact fused score, also that of
clauses whose own first-stage search did not find it. Every clause is named ``esmm:<clause>``, and the server returns
the normalised score under that name, whatever the weight.

``boost``: one bool of boosted clauses, for what a rescore cannot keep. Its boosts are those of the fusion's tangent
where the keyword score is one half, with the keyword's own score as it was; a clause counts only for the neighbours
that its search found.

``linear`` and ``rrf``: Elasticsearch's own retrievers, for those with the licence.
"""

from collections.abc import Callable
from typing import Any

from esmm.errors import Incompatible
from esmm.query.clauses import QueryClause, VectorClause
from esmm.query.fusion import KEYWORD
from esmm.query.guard import bare
from esmm.query.parts import TIER, Json, Parts, knn_query, named, with_facets

# The first stage keeps the best of its window by its own score, and a keyword score has no bound while a knn score
# is at most 1: lifted this far, no vector candidate is crowded out. The sum is thrown away.
_LIFT = 1e6
RAW = ":raw"
_SATURATE = "_score / (_score + params.k)"
_COSINE = "Math.min(1.0, Math.max(0.0, (cosineSimilarity(params.q, params.field) - params.low) / params.width))"


def exact(parts: Parts) -> Json:
    """Return the body of one request whose hits have the exact fused score."""
    fused = [_vector_score(clause, parts) for clause in parts.vectors]
    fused += [_query_score(clause.name, clause.query, parts) for clause in parts.queries]
    if parts.keyword is not None and parts.fusion.weight(KEYWORD) > 0:
        fused.insert(0, _query_score(KEYWORD, parts.keyword, parts))
    if parts.keyword is not None and parts.recall == "rescue":
        fused.append(_tier(parts.keyword, parts.tier))
    rescore = {"query_weight": 0, "rescore_query_weight": 1, "rescore_query": {"bool": {"should": fused}}}
    body = {**parts.rest, "query": _gathered(parts), "rescore": {"window_size": parts.window, "query": rescore}}
    return with_facets(parts, body)


def boost(parts: Parts) -> Json:
    """Return the body of one request without rescore or scripts, in about the order of the fusion."""
    heights = boosts(parts)
    should = [_named_knn(clause, parts, heights[clause.name]) for clause in parts.vectors if not clause.away]
    scoring = [_boosted(clause, heights[clause.name]) for clause in parts.queries]
    if parts.keyword is None:
        return {**parts.rest, "query": _scored({"bool": {"should": should, "minimum_should_match": 1}}, scoring)}
    if parts.recall == "rescue":
        should.append(_tier(parts.keyword, sum(heights.values()) + 1))
    keyword = _named_query(parts.keyword, KEYWORD)
    if parts.fusion.weight(KEYWORD) <= 0:
        keyword["bool"]["boost"] = 0
    if parts.recall == "rerank":
        query: Json = {"bool": {"must": [keyword], "should": [*should, *scoring]}}
    else:
        query = _scored({"bool": {"should": [keyword, *should], "minimum_should_match": 1}}, scoring)
    return with_facets(parts, {**parts.rest, "query": query})


def _scored(gathered: Json, scoring: list[Json]) -> Json:
    """Let queries score what others gathered, and add nothing to it."""
    return {"bool": {"must": [gathered], "should": scoring}} if scoring else gathered


def _boosted(clause: QueryClause, height: float) -> Json:
    return {"bool": {"must": [clause.query], "boost": height, "_name": named(clause.name)}}


def _named_knn(clause: VectorClause, parts: Parts, height: float) -> Json:
    return {"knn": {**knn_query(clause, parts, height)["knn"], "_name": named(clause.name)}}


def boosts(parts: Parts) -> dict[str, float]:
    """Return the boost of each clause beside a keyword query of boost 1: those that were tuned, else the tangent's."""
    names = [clause.name for clause in parts.vectors if not clause.away] + [clause.name for clause in parts.queries]
    heights = parts.fusion.tangent(names, keyword=parts.keyword is not None)
    return {name: parts.fusion.boosts.get(name, height) for name, height in heights.items()}


def linear(parts: Parts) -> Json:
    """Return the body with the ``linear`` retriever (8.18, Enterprise or trial)."""
    weighted = [
        {"retriever": retriever, "weight": parts.fusion.weight(name), "normalizer": "minmax"}
        for name, retriever in _retrievers(parts).items()
    ]
    return _retrieved(parts, {"linear": {"retrievers": weighted, "rank_window_size": parts.window}})


def rrf(parts: Parts) -> Json:
    """Return the body with the ``rrf`` retriever (8.14, Enterprise or trial); it knows no weights."""
    plain = list(_retrievers(parts).values())
    return _retrieved(parts, {"rrf": {"retrievers": plain, "rank_window_size": parts.window}})


STRATEGIES: dict[str, Callable[[Parts], Json]] = {"exact": exact, "boost": boost, "linear": linear, "rrf": rrf}


def _gathered(parts: Parts) -> Json:
    """Return the first stage: the keyword's matches and the neighbours of each vector."""
    gather = [knn_query(clause, parts, _LIFT) for clause in parts.adding]
    if parts.keyword is None:
        return {"bool": {"should": gather, "minimum_should_match": 1}}
    if not gather:
        return parts.keyword
    return {"bool": {"should": [{"bool": {"must": [parts.keyword]}}, *gather], "minimum_should_match": 1}}


def _named_query(query: Json, name: str) -> Json:
    return {"bool": {"must": [query], "_name": named(name)}}


def _query_score(name: str, query: Json, parts: Parts) -> Json:
    constant = parts.fusion.constant(name)
    return _weighted(name, _named_query(query, name + RAW), _SATURATE, {"k": constant}, parts)


def _vector_score(clause: VectorClause, parts: Parts) -> Json:
    window = parts.fusion.window(clause.name)
    params: Json = {"q": clause.vector, "field": clause.field, "low": window.low, "width": window.width}
    # A product without the vector gets nothing from this clause, instead of failing the script.
    there = {"bool": {"filter": [{"exists": {"field": clause.field}}]}}
    return _weighted(clause.name, there, f"1.0 - {_COSINE}" if clause.away else _COSINE, params, parts)


def _weighted(name: str, query: Json, source: str, params: Json, parts: Parts) -> Json:
    """Put the weight outside the named clause, so that the named score is the normalised one."""
    script: Any = {"source": source, "params": params}
    scored = {"script_score": {"query": query, "script": script, "_name": named(name)}}
    return {"bool": {"must": [scored], "boost": parts.fusion.weight(name)}}


def _tier(keyword: Json, height: float) -> Json:
    """Lift every keyword hit by the same height, above whatever vectors alone can give; its named score is the lift."""
    return {"constant_score": {"filter": bare(keyword), "boost": height, "_name": named(TIER)}}


def _retrievers(parts: Parts) -> dict[str, Json]:
    """Return a retriever for each clause."""
    found: dict[str, Json] = {}
    if parts.keyword is not None:
        found[KEYWORD] = {"standard": {"query": _named_query(parts.keyword, KEYWORD)}}
    for clause in parts.vectors:
        knn = {key: value for key, value in knn_query(clause, parts, 1.0)["knn"].items() if key != "boost"}
        found[clause.name] = {"knn": {**knn, "k": clause.k or parts.limits.k}}
    return found


def _retrieved(parts: Parts, retriever: Json) -> Json:
    if parts.queries:
        raise Incompatible(
            f"a retriever cannot hold the declared clauses {', '.join(clause.name for clause in parts.queries)}",
            "take the strategy exact or boost, or give them weight 0",
        )
    return with_facets(parts, {**parts.rest, "retriever": retriever})
