"""The systems that an evaluation compares, as runs made from clause scores alone: no search is sent.

A run is question -> product -> score, and holds candidates only: what the searches of the clauses found.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from esmm.learn.normalise import Normalisers, in_force, measured
from esmm.learn.scores import FORM
from esmm.learn.stack import Stack, reciprocal_ranks
from esmm.query.fusion import KEYWORD, Fusion

if TYPE_CHECKING:
    from esmm.learn.scores import Table
    from esmm.learn.stack import Flags, Floats

Run = dict[str, dict[str, float]]

SEED = 1
_SHARES = np.linspace(0, 1, 21)


@dataclass(frozen=True)
class Ground:
    """The clause scores of judged questions, and what systems are made of.

    ``untuned`` tells queries from vectors and has the constants that nobody tuned; ``k`` is how many neighbours the
    search of a vector clause finds.
    """

    table: "Table"
    untuned: Fusion
    k: int

    @cached_property
    def stack(self) -> Stack:
        """The scores side by side; a keyword that matched nothing at all has an empty column."""
        found = Stack.of(self.table)
        if KEYWORD in found.clauses:
            return found
        nothing = np.full((*found.gains.shape, 1), np.nan)
        return replace(found, clauses=(KEYWORD, *found.clauses), raws=np.concatenate([nothing, found.raws], axis=2))

    @property
    def clauses(self) -> tuple[str, ...]:
        """All clauses that can be fused."""
        return tuple(name for name in self.stack.clauses if not name.startswith(FORM))

    @property
    def forms(self) -> tuple[str, ...]:
        """The columns with other forms of the keyword query."""
        return tuple(name for name in self.stack.clauses if name.startswith(FORM))

    @property
    def vectors(self) -> tuple[str, ...]:
        """The vector clauses."""
        return tuple(name for name in self.clauses if self.untuned.constant(name) is None)

    @property
    def qrels(self) -> Run:
        """The gains of the judged products that the index holds, by question."""
        return {q.question.name: _numbers(q.ids, q.gains) for q in self.table.questions}

    @cached_property
    def normalisers(self) -> Normalisers:
        """Constants and windows measured on all candidates, without a look at the judgements."""
        return measured(self.stack.only(self.clauses), self.vectors, self.untuned)

    def run(self, scores: "Floats") -> Run:
        """Return the run of some scores, (q, n); NaN where a product is not found."""
        held = np.where(self.stack.candidates, scores, np.nan)
        pairs = zip(self.table.questions, held, strict=True)
        return {q.question.name: _numbers(q.ids, row[: len(q.ids)]) for q, row in pairs}


def alone(ground: Ground, clause: str) -> "Floats":
    """Return the scores of one clause, NaN where it does not match: the keyword, a form of it, a vector."""
    return ground.stack.column(clause)


def at_random(ground: Ground) -> "Floats":
    """Return scores that mean nothing."""
    return np.random.default_rng(SEED).random(ground.stack.gains.shape)


def rrf(ground: Ground) -> "Floats":
    """Return the scores of reciprocal rank fusion over keyword and vectors, each ranked within the candidates."""
    scores = reciprocal_ranks(ground.stack, (KEYWORD, *ground.vectors))
    return np.where(scores > 0, scores, np.nan)


def equal(ground: Ground) -> Fusion:
    """Return the fusion in which keyword and vectors weigh the same and nothing else weighs anything."""
    made, main = ground.normalisers, (KEYWORD, *ground.vectors)
    weights = {name: float(name in main) for name in ground.clauses}
    return replace(ground.untuned, weights=weights, saturation=made.constants[KEYWORD], windows=made.windows)


def fused(ground: Ground, fusion: Fusion) -> "Floats":
    """Return the scores that a fusion gives, its gate included, NaN where its own request does not find a product.

    Found is what the keyword matches, and the ``k`` nearest of each vector clause that weighs anything, none of them
    below its floor.
    """
    total = sum(contributions(ground, fusion).values(), np.zeros(ground.stack.gains.shape))
    return np.where(_found(ground, fusion), total, np.nan)


def contributions(ground: Ground, fusion: Fusion) -> "dict[str, Floats]":
    """Return what each clause of a fusion gives to each product, (q, n); 0 where it does not match."""
    names = ground.clauses
    normalised = in_force(fusion, names).applied(ground.stack.only(names))
    each = [asked.given(fusion) for asked in ground.table.questions]
    weights = np.array([[one.weight(name) for name in names] for one in each])
    return {name: weights[:, [place]] * normalised[:, :, place] for place, name in enumerate(names)}


def oracle(ground: Ground, *, shuffled: bool = False) -> "Floats":
    """Return, for each question, the scores of that mixture of keyword and vectors which ranks its products best.

    The share of the vectors (the mean of all) is chosen from a grid by nDCG@10: nobody can know it beforehand. With
    ``shuffled`` vector scores of each question it shows how much such a choice gains by luck alone.
    """
    normalised = dict(zip(ground.clauses, np.moveaxis(_normalised(ground), 2, 0), strict=True))
    vector = np.mean([normalised[name] for name in ground.vectors] or [np.zeros(ground.stack.gains.shape)], axis=0)
    if shuffled:
        vector = _shuffled(vector, ground.stack.candidates)
    mixtures = np.array([(1 - share) * normalised[KEYWORD] + share * vector for share in _SHARES])
    best = np.argmax([ground.stack.ndcg(scores) for scores in mixtures], axis=0)
    return np.asarray(mixtures[best, np.arange(len(ground.stack))])


def _normalised(ground: Ground) -> "Floats":
    return ground.normalisers.applied(ground.stack.only(ground.clauses))


def _shuffled(scores: "Floats", candidates: "Flags") -> "Floats":
    rng, made = np.random.default_rng(SEED), scores.copy()
    for row, held in enumerate(candidates):
        made[row, held] = rng.permutation(scores[row, held])
    return made


def _found(ground: Ground, fusion: Fusion) -> "Flags":
    found = ~np.isnan(ground.stack.column(KEYWORD))
    for name in ground.vectors:
        if fusion.weight(name) > 0:
            cosines = np.where(ground.stack.candidates, ground.stack.column(name), np.nan)
            nearest = -np.sort(-np.nan_to_num(cosines, nan=-np.inf), axis=1)
            edge = np.maximum(nearest[:, min(ground.k, nearest.shape[1]) - 1], fusion.floors.get(name, -1.0))
            found |= cosines >= edge[:, None]
    return found & ground.stack.candidates


def _numbers(ids: Sequence[str], values: "Floats") -> dict[str, float]:
    """Return the values that are numbers, by product."""
    return {product: value for product, value in zip(ids, values.tolist(), strict=True) if not math.isnan(value)}
