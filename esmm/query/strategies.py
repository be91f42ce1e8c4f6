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

from esmm.query.clauses import VectorClause
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
    if parts.keyword is not None and parts.fusion.weight(KEYWORD) > 0:
        fused.insert(0, _keyword_score(parts.keyword, parts))
    if parts.keyword is not None and parts.recall == "rescue":
        fused.append(_tier(parts.keyword, parts.tier))
    rescore = {"query_weight": 0, "rescore_query_weight": 1, "rescore_query": {"bool": {"should": fused}}}
    body = {**parts.rest, "query": _gathered(parts), "rescore": {"window_size": parts.window, "query": rescore}}
    return with_facets(parts, body)


def boost(parts: Parts) -> Json:
    """Return the body of one request without rescore or scripts, in about the order of the fusion."""
    boosted = boosts(parts)
    should = [_named_knn(clause, parts, height) for clause, height in boosted]
    if parts.keyword is None:
        return {**parts.rest, "query": {"bool": {"should": should, "minimum_should_match": 1}}}
    if parts.recall == "rescue":
        should.append(_tier(parts.keyword, sum(height for _, height in boosted) + 1))
    keyword = _named_keyword(parts.keyword, KEYWORD)
    if parts.fusion.weight(KEYWORD) <= 0:
        keyword["bool"]["boost"] = 0
    if parts.recall == "rerank":
        query: Json = {"bool": {"must": [keyword], "should": should}}
    else:
        query = {"bool": {"should": [keyword, *should], "minimum_should_match": 1}}
    return with_facets(parts, {**parts.rest, "query": query})


def _named_knn(clause: VectorClause, parts: Parts, height: float) -> Json:
    return {"knn": {**knn_query(clause, parts, height)["knn"], "_name": named(clause.name)}}


def boosts(parts: Parts) -> list[tuple[VectorClause, float]]:
    """Return each knn clause with its boost beside a keyword query of boost 1.

    d/ds of w·s/(s+k) at s = k is w/(4k), and a knn score (1+cos)/2 moves half as fast as its cosine.
    """
    slope = parts.fusion.weight(KEYWORD) / (4 * parts.fusion.saturation) if parts.keyword is not None else 1.0
    return [
        (clause, 2 * parts.fusion.weight(clause.name) / parts.fusion.window(clause.name).width / (slope or 1.0))
        for clause in parts.vectors
        if not clause.away
    ]


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


def _named_keyword(keyword: Json, name: str) -> Json:
    return {"bool": {"must": [keyword], "_name": named(name)}}


def _keyword_score(keyword: Json, parts: Parts) -> Json:
    return _weighted(KEYWORD, _named_keyword(keyword, KEYWORD + RAW), _SATURATE, {"k": parts.fusion.saturation}, parts)


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
        found[KEYWORD] = {"standard": {"query": _named_keyword(parts.keyword, KEYWORD)}}
    for clause in parts.vectors:
        knn = {key: value for key, value in knn_query(clause, parts, 1.0)["knn"].items() if key != "boost"}
        found[clause.name] = {"knn": {**knn, "k": clause.k or parts.limits.k}}
    return found


def _retrieved(parts: Parts, retriever: Json) -> Json:
    return with_facets(parts, {**parts.rest, "retriever": retriever})
