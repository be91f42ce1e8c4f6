"""Similarity floors: the cosine below which a product is no neighbour, so that nonsense is not answered by nonsense."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from esmm.query.clauses import VectorClause
from esmm.query.encode import Ask
from esmm.query.fusion import KEYWORD

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch
    from PIL.Image import Image

    from esmm.learn.stack import Stack
    from esmm.query.search import Searcher

TEXTS, PHOTOS = 200, 60
_ANSWERED = 0.05  # of the nonsense, by all clauses together
_SYLLABLES = ("bra", "zu", "ki", "vo", "ple", "x", "qui", "mon", "tar", "gle", "fy", "ost", "wub", "ny", "che", "drok")
_TOPICS = ("how do i", "why is", "when was", "who wrote", "define", "what happens if")
_MATTERS = (
    "the treaty of westphalia", "photosynthesis", "my tax refund late", "the capital of mongolia", "inflation rising",
    "quantum entanglement", "the second symphony", "a subpoena", "tectonic plates", "the offside rule", "mitosis",
    "the prime minister elected", "a mortgage calculated", "the french revolution", "gravity waves", "an alibi",
)  # fmt: skip


@dataclass(frozen=True)
class Floor:
    """A floor, the share of other nonsense above it, and the share of the good products that are lost by it.

    Lost is what lies below and has no word of the question either: what has is found by the keyword.
    """

    cosine: float
    answered: float
    lost: float


def floors(client: "Elasticsearch", index: str, searcher: "Searcher", stack: "Stack", *, seed: int) -> dict[str, Floor]:
    """Learn a floor for each vector clause on one half of the nonsense, and test it on the other half.

    Good are judged products with a gain of at least half the largest.
    """
    asks = [Ask(text) for text in nonsense(TEXTS, seed)]
    if any(scored.question.photo for scored in stack.questions):
        asks += [Ask(photo=photo) for photo in noise(PHOTOS, seed)]
    nearest: dict[str, list[float]] = {}
    for ask in asks:
        for clause in searcher.clauses(ask):
            if isinstance(clause, VectorClause) and clause.name in stack.clauses:
                nearest.setdefault(clause.name, []).append(_nearest(client, index, clause))
    return {name: _floor(cosines, stack, name, shares=len(nearest)) for name, cosines in nearest.items()}


def answered(
    client: "Elasticsearch", index: str, searcher: "Searcher", found: Mapping[str, Floor], *, seed: int
) -> float:
    """Return the share of new nonsense texts that any clause answers, with the floors in force."""
    texts, hits = nonsense(TEXTS // 2, seed + 1), 0
    for text in texts:
        clauses = [c for c in searcher.clauses(Ask(text)) if isinstance(c, VectorClause) and c.name in found]
        hits += any(_nearest(client, index, clause) >= found[clause.name].cosine for clause in clauses)
    return hits / len(texts)


def nonsense(count: int, seed: int) -> list[str]:
    """Return texts that no shop can answer: made-up words, and questions about no product; no two are equal."""
    rng = np.random.default_rng(seed)
    made: dict[str, None] = {}
    while len(made) < count:  # one that is there already does not count, and is drawn anew
        if len(made) % 2:
            made[f"{rng.choice(_TOPICS)} {rng.choice(_MATTERS)} {_word(rng)}"] = None
        else:
            made[" ".join(_word(rng) for _ in range(rng.integers(1, 4)))] = None
    return list(made)


def noise(count: int, seed: int) -> list["Image"]:
    """Return photos of nothing: coloured noise, coarse or fine."""
    from PIL import Image

    rng = np.random.default_rng(seed)
    sides = rng.integers(2, 48, size=count)
    return [Image.fromarray(rng.integers(0, 256, (side, side, 3), dtype=np.uint8)).resize((224, 224)) for side in sides]


def _word(rng: np.random.Generator) -> str:
    return "".join(rng.choice(_SYLLABLES) for _ in range(rng.integers(2, 5)))


def _nearest(client: "Elasticsearch", index: str, clause: VectorClause) -> float:
    """Return the cosine of the nearest product, -1 where there is none."""
    knn = {"field": clause.field, "query_vector": clause.vector, "k": 1, "num_candidates": 100}
    hits: Sequence[Mapping[str, float]] = client.search(index=index, knn=knn, size=1, source=False)["hits"]["hits"]
    return 2 * hits[0]["_score"] - 1 if hits else -1.0


def _floor(cosines: Sequence[float], stack: "Stack", name: str, *, shares: int) -> Floor:
    # The even ones are made-up words and the odd ones questions: both halves need both.
    learned, tested = np.array(cosines)[_half(cosines, 0)], np.array(cosines)[_half(cosines, 1)]
    edge = float(np.round(np.quantile(learned, 1 - _ANSWERED / (2 * shares)), 3))
    raw = stack.column(name)
    good = (stack.gains >= stack.gains.max() / 2) & ~np.isnan(raw)
    wordless = np.isnan(stack.column(KEYWORD))
    lost = float(((raw < edge) & wordless)[good].mean()) if good.any() else 0.0
    return Floor(edge, float((tested >= edge).mean()), lost)


def _half(cosines: Sequence[float], which: int) -> "np.ndarray":
    return np.flatnonzero((np.arange(len(cosines)) // 2) % 2 == which)
