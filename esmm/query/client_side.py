"""The strategy ``client``: candidates by ``_msearch``, raw scores by one ids-filtered request, fused here.

Slower than ``exact``, it works without rescore, and it is the oracle of ``exact``: it reads raw scores only (a
keyword score, and vectors whose cosine is taken here), so it shares no script and no sum with it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from esmm.query.explain import Hit, Part
from esmm.query.fusion import KEYWORD
from esmm.query.parts import TIER, Json, Parts, knn_query, named

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

_BODY_KEYS = ("runtime_mappings", "timeout", "indices_boost", "post_filter")


def search(client: "Elasticsearch", index: str, parts: Parts, *, size: int = 10, start: int = 0) -> list[Hit]:
    """Return one page of hits in the order of the fusion; each has its parts.

    Hits carry what ``_source`` of the body asks for. Equal scores stay in the order of their ids.
    """
    ids = _candidates(client, index, parts)
    raws = _raw_scores(client, index, parts, ids)
    hits = [
        Hit(product, sum(part.contribution for part in made), {}, made)
        for product, scores in raws.items()
        if (made := _parts(scores, parts)) or parts.keyword
    ]
    page = sorted(hits, key=lambda hit: (-hit.score, hit.id))[start : start + size]
    return _with_sources(client, index, parts, page)


def _candidates(client: "Elasticsearch", index: str, parts: Parts) -> list[str]:
    """Return the ids that the keyword query and each vector gather, every one once."""
    kept = {key: parts.rest[key] for key in _BODY_KEYS if key in parts.rest}
    searches: list[Json] = []
    if parts.keyword is not None:
        searches.append({**kept, "query": parts.keyword, "size": parts.window})
    for clause in parts.adding:
        # k neighbours come from each shard; all of them are candidates.
        searches.append({**kept, "query": knn_query(clause, parts, 1.0), "size": parts.window})
    lines = [line for body in searches for line in ({}, {**body, "_source": False})]
    answers = client.msearch(index=index, searches=lines)["responses"]
    return list(dict.fromkeys(hit["_id"] for answer in answers for hit in answer["hits"]["hits"]))


def _raw_scores(client: "Elasticsearch", index: str, parts: Parts, ids: Sequence[str]) -> dict[str, dict[str, float]]:
    """Return the raw score of every clause that matches, for each id: keyword scores, and cosines taken here."""
    fields = sorted({clause.field for clause in parts.vectors})
    query: Json = {"bool": {"filter": [{"ids": {"values": list(ids)}}]}}
    if parts.keyword is not None:
        query["bool"]["should"] = [{"bool": {"must": [parts.keyword], "_name": named(KEYWORD)}}]
    query["bool"].setdefault("should", []).extend(
        {"bool": {"must": [clause.query], "_name": named(clause.name)}} for clause in parts.queries
    )
    body = {"query": query, "size": max(1, len(ids)), "_source": False, "fields": fields}
    body |= {key: parts.rest[key] for key in _BODY_KEYS if key in parts.rest}
    answer = client.search(index=index, body=body, include_named_queries_score=True)
    return {hit["_id"]: _of_hit(hit, parts) for hit in answer["hits"]["hits"]}


def _of_hit(hit: Mapping[str, Any], parts: Parts) -> dict[str, float]:
    matched = hit.get("matched_queries") or {}
    queries = (KEYWORD, *(clause.name for clause in parts.queries))
    scores = {name: float(matched[named(name)]) for name in queries if named(name) in matched}
    for clause in parts.vectors:
        stored = hit.get("fields", {}).get(clause.field)
        if stored:
            scores[clause.name] = _cosine(stored, clause.vector)
    return scores


def _cosine(stored: Sequence[float], query: "Sequence[float] | str") -> float:
    import numpy as np

    one, other = np.asarray(stored, dtype=np.float64), np.asarray(query, dtype=np.float64)
    return float(one @ other / (np.linalg.norm(one) * np.linalg.norm(other)))


def _parts(scores: Mapping[str, float], parts: Parts) -> tuple[Part, ...]:
    away = {clause.name for clause in parts.vectors if clause.away}
    made = []
    for name, raw in scores.items():
        weight, plain = parts.fusion.weight(name), parts.fusion.normalise(name, raw)
        normalised = 1.0 - plain if name in away else plain
        if weight > 0:
            made.append(Part(name, raw, normalised, weight, weight * normalised))
    if parts.recall == "rescue" and KEYWORD in scores:
        made.append(Part(TIER, 1.0, 1.0, parts.tier, parts.tier))
    return tuple(made)


def _with_sources(client: "Elasticsearch", index: str, parts: Parts, page: Sequence[Hit]) -> list[Hit]:
    body = {"query": {"ids": {"values": [hit.id for hit in page]}}, "size": max(1, len(page))}
    answer = client.search(index=index, body=body | {"_source": parts.rest.get("_source", True)})
    sources = {hit["_id"]: hit.get("_source", {}) for hit in answer["hits"]["hits"]}
    return [replace(hit, source=sources.get(hit.id, {})) for hit in page]
