"""What each clause gave to a hit: raw score, normalised score, weight, contribution. They add up to ``_score``."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from esmm.query.fusion import KEYWORD, PREFIX
from esmm.query.strategies import RAW

if TYPE_CHECKING:
    from esmm.query.fusion import Fusion


@dataclass(frozen=True)
class Part:
    """What one clause gave to one hit. ``raw`` is a keyword score or a cosine."""

    clause: str
    raw: float
    normalised: float
    weight: float
    contribution: float


@dataclass(frozen=True)
class Hit:
    """One product found, with what each clause gave to its score."""

    id: str
    score: float
    source: Mapping[str, Any]
    parts: tuple[Part, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return the hit for ``--json``."""
        return {
            "id": self.id,
            "score": self.score,
            "product": dict(self.source),
            "clauses": [asdict(part) for part in self.parts],
        }


def hits_of(answer: Mapping[str, Any], fusion: "Fusion") -> list[Hit]:
    """Read the hits of a search answered with ``include_named_queries_score``."""
    return [
        Hit(hit["_id"], hit["_score"], hit.get("_source", {}), parts_of(hit.get("matched_queries") or {}, fusion))
        for hit in answer["hits"]["hits"]
    ]


def parts_of(named: "Mapping[str, float] | Sequence[str]", fusion: "Fusion") -> tuple[Part, ...]:
    """Turn the named scores of a hit into parts, in the order of the clauses' names, the keyword first."""
    scores = named if isinstance(named, Mapping) else {}
    clauses = [name.removeprefix(PREFIX) for name in scores if name.startswith(PREFIX) and not name.endswith(RAW)]
    return tuple(_part(clause, scores, fusion) for clause in sorted(clauses, key=lambda c: (c != KEYWORD, c)))


def _part(clause: str, scores: Mapping[str, float], fusion: "Fusion") -> Part:
    normalised, weight = scores[PREFIX + clause], fusion.weight(clause)
    raw = scores.get(PREFIX + clause + RAW)
    return Part(clause, fusion.raw(clause, normalised) if raw is None else raw, normalised, weight, weight * normalised)
