"""What each clause gave to a hit: raw score, normalised score, weight, contribution. They add up to ``_score``."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from esmm.query.fusion import KEYWORD, PREFIX
from esmm.query.parts import TIER
from esmm.query.strategies import RAW

if TYPE_CHECKING:
    from esmm.query.fusion import Fusion

# The clauses in a customer's words; any other clause goes by its own name.
_NOUNS = {
    KEYWORD: "words",
    "text": "meaning",
    "image": "photo",
    "text_to_image": "look",
    "image_to_text": "description",
    "like_text": "likeness in meaning",
    "like_image": "likeness in its photo",
    "avoid": "distance from what to avoid",
}


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

    def as_json(self, asked: Collection[str] = ()) -> dict[str, Any]:
        """Return the hit for ``--json``; ``asked`` names the clauses of the request."""
        return {
            "id": self.id,
            "score": self.score,
            "product": dict(self.source),
            "clauses": [asdict(part) for part in self.parts],
            "why": sentence(self, asked),
        }


def hits_of(answer: Mapping[str, Any], fusion: "Fusion", request: Mapping[str, Any] | None = None) -> list[Hit]:
    """Read the hits of a search answered with ``include_named_queries_score``.

    The ``request`` tells a search by the strategy boost from one by ``exact``; left out, it was ``exact``.
    """
    boosts = _boosts_of(request["query"]) if request and "rescore" not in request and asked_of(request) else None
    return [
        Hit(
            hit["_id"],
            hit["_score"],
            hit.get("_source", {}),
            parts_of(hit.get("matched_queries") or {}, fusion, boosts),
        )
        for hit in answer["hits"]["hits"]
    ]


def parts_of(
    named: "Mapping[str, float] | Sequence[str]", fusion: "Fusion", boosts: Mapping[str, float] | None = None
) -> tuple[Part, ...]:
    """Turn the named scores of a hit into parts, in the order of the clauses' names, the keyword first.

    ``boosts`` are those of the strategy boost, whose named scores have them in already.
    """
    scores = named if isinstance(named, Mapping) else {}
    clauses = [name.removeprefix(PREFIX) for name in scores if name.startswith(PREFIX) and not name.endswith(RAW)]
    ordered = sorted(clauses, key=lambda c: (c != KEYWORD, c))
    if boosts is not None:
        return tuple(_boosted(clause, scores[PREFIX + clause], boosts, fusion) for clause in ordered)
    return tuple(_part(clause, scores, fusion) for clause in ordered)


def _boosted(clause: str, score: float, boosts: Mapping[str, float], fusion: "Fusion") -> Part:
    """Take the boost out of a named score: a knn score is (1 + cosine) / 2, that of a query is its own."""
    weight = boosts.get(clause, 1.0)
    plain = score / weight if weight else 0.0
    raw = 2 * plain - 1 if clause != TIER and fusion.constant(clause) is None else plain
    return Part(clause, raw, plain, weight, score)


def _boosts_of(node: Any) -> dict[str, float]:
    """Return the boost of each named knn or bool in a request."""
    if isinstance(node, list):
        return {name: height for item in node for name, height in _boosts_of(item).items()}
    if not isinstance(node, dict):
        return {}
    found = {name: height for inside in node.values() for name, height in _boosts_of(inside).items()}
    for own in (node.get("knn"), node.get("bool")):
        if isinstance(own, dict) and str(own.get("_name", "")).startswith(PREFIX):
            found[own["_name"].removeprefix(PREFIX)] = float(own.get("boost", 1.0))
    return found


def _part(clause: str, scores: Mapping[str, float], fusion: "Fusion") -> Part:
    normalised, weight = scores[PREFIX + clause], fusion.weight(clause)
    raw = scores.get(PREFIX + clause + RAW)
    return Part(clause, fusion.raw(clause, normalised) if raw is None else raw, normalised, weight, weight * normalised)


def asked_of(node: Any) -> list[str]:
    """Return the clauses that a request asks for, in its order; none where it is the caller's own."""
    names = [name.removeprefix(PREFIX).removesuffix(RAW) for name in _names(node) if name.startswith(PREFIX)]
    return [name for name in dict.fromkeys(names) if name != TIER]


def sentence(hit: Hit, asked: Collection[str] = ()) -> str:
    """Say in plain words what found a hit, and which of the clauses ``asked`` for did not match it."""
    gave = {part.clause: part.contribution for part in hit.parts if part.contribution > 0 and part.clause != TIER}
    failed = [_noun(clause) for clause in asked if clause not in gave]
    missed = f"the {_listed(failed)} did not match" if failed else ""
    if not gave:
        return f"found as a near neighbour; {missed}" if missed else "found by its words"
    ranked = sorted(gave, key=lambda clause: -gave[clause])
    shares = [f" ({_percent(gave[clause] / sum(gave.values()))})" if len(gave) > 1 else "" for clause in ranked]
    found = _listed([f"its {_noun(clause)}{share}" for clause, share in zip(ranked, shares, strict=True)])
    return f"found by {found}; {missed}" if missed else f"found by {found}"


def _names(node: Any) -> Iterator[str]:
    if isinstance(node, list):
        for item in node:
            yield from _names(item)
    elif isinstance(node, dict):
        if isinstance(node.get("_name"), str):
            yield node["_name"]
        for inside in node.values():
            yield from _names(inside)


def _noun(clause: str) -> str:
    return _NOUNS.get(clause, f"clause {clause}")


def _percent(share: float) -> str:
    return f"{share:.0%}".replace("%", " %") if share >= 0.005 else "under 1 %"


def _listed(words: Sequence[str]) -> str:
    """Return ``a``, ``a and b`` or ``a, b and c``."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
