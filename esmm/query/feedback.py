"""Vector feedback: a query's vectors move towards the products that a first look finds (Rocchio 1971).

What is looked for is seldom said in full; the best hits say more of it. In photo retrieval it is called average query
expansion (Chum et al. 2007).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from esmm.query.clauses import VectorClause, rounded
from esmm.query.fusion import KEYWORD
from esmm.query.upgrade import upgrade_body

if TYPE_CHECKING:
    from esmm.cluster import Capabilities
    from esmm.query.fusion import Fusion
    from esmm.recipe import Search

Json = dict[str, Any]
SHARE = 0.5  # of the moved vector that is the hits'


def first_look(
    query: Mapping[str, Any] | None,
    clauses: Sequence[VectorClause],
    fusion: "Fusion",
    *,
    limits: "Search",
    can: "Capabilities",
) -> Json:
    """Return the request for the first hits with their vectors.

    Keyword and vectors weigh alike in it, whatever is tuned: so what was learned with feedback stays true.
    """
    weights = dict.fromkeys((KEYWORD, *(clause.name for clause in clauses)), 1.0)
    alike = replace(fusion, weights=weights, windows={}, floors={}, boosts={}, gate=None)
    plain: Json = {"size": limits.feedback, "_source": False} | ({"query": dict(query)} if query else {})
    body = upgrade_body(plain, clauses, alike, limits=limits, can=can).body
    return {**body, "fields": sorted({clause.field for clause in clauses})}


def moved(clauses: Sequence[VectorClause], hits: Sequence[Mapping[str, Any]]) -> list[VectorClause]:
    """Return the clauses; those that can move do so towards the vectors that the hits have in the same field."""
    return [_moved(clause, hits) if movable(clause) else clause for clause in clauses]


def _moved(clause: VectorClause, hits: Sequence[Mapping[str, Any]]) -> VectorClause:
    near = [hit["fields"][clause.field] for hit in hits if clause.field in hit.get("fields", {})]
    return replace(clause, vector=towards(cast("Sequence[float]", clause.vector), near)) if near else clause


def towards(vector: Sequence[float], neighbours: Sequence[Sequence[float]]) -> tuple[float, ...]:
    """Return the unit vector halfway between the direction of a vector and that of the neighbours' mean."""
    import numpy as np

    own, mean = np.asarray(vector, dtype=np.float64), np.mean(np.asarray(neighbours, dtype=np.float64), axis=0)
    made = (1 - SHARE) * own / np.linalg.norm(own) + SHARE * mean / max(float(np.linalg.norm(mean)), 1e-12)
    return rounded(made / max(float(np.linalg.norm(made)), 1e-12))


def movable(clause: VectorClause) -> bool:
    """Say whether a clause looks for what was asked: not for what is like other products, nor away from something."""
    return not (clause.away or clause.name.startswith("like_") or isinstance(clause.vector, str))
