"""The scores of many questions side by side, padded to one shape, for arithmetic in bulk."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from esmm.learn.scores import Scored, Table

    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]

CUT = 10
RRF_CONSTANT = 60  # Cormack et al. 2009
_NOWHERE = -1e9


@dataclass(frozen=True)
class Stack:
    """Questions x products x clauses.

    ``raws`` is (q, n, c) with NaN where a clause does not match, ``gains`` (q, n) with 0 where nobody judged,
    ``candidates`` (q, n) says what a search finds, ``facts`` is (q, f), by ``fact_names``, ``ideal`` the DCG@10 of the
    best order of all judged products. ``questions`` are those that it was made of.
    """

    clauses: tuple[str, ...]
    questions: "tuple[Scored, ...]"
    fact_names: tuple[str, ...]
    raws: "Floats"
    gains: "Floats"
    candidates: "Flags"
    facts: "Floats"
    ideal: "Floats"

    @classmethod
    def of(cls, table: "Table") -> "Stack":
        """Lay the questions of a table side by side."""
        questions, width = table.questions, max(len(question.ids) for question in table.questions)
        shape = (len(questions), width)
        raws, gains = np.full((*shape, len(table.clauses)), np.nan), np.zeros(shape)
        candidates, ideal = np.zeros(shape, dtype=bool), np.zeros(len(questions))
        for row, question in enumerate(questions):
            held = len(question.ids)
            raws[row, :held], candidates[row, :held] = question.raws, question.candidate
            gains[row, :held] = np.nan_to_num(question.gains)
            ideal[row] = dcg(np.sort(gains[row])[::-1][None])[0]
        fact_names, facts = _facts(questions)
        return cls(table.clauses, tuple(questions), fact_names, raws, gains, candidates, facts, ideal)

    def __len__(self) -> int:
        return len(self.questions)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the questions."""
        return tuple(scored.question.name for scored in self.questions)

    def rows(self, chosen: "Sequence[int] | NDArray[np.int_]") -> "Stack":
        """Return these questions only."""
        rows = np.asarray(chosen, dtype=int)
        questions = tuple(self.questions[row] for row in rows)
        parts = {name: getattr(self, name)[rows] for name in ("raws", "gains", "candidates", "facts", "ideal")}
        return replace(self, questions=questions, **parts)

    def column(self, clause: str) -> "Floats":
        """Return the raw scores of one clause, (q, n)."""
        return self.raws[:, :, self.clauses.index(clause)]

    def only(self, clauses: Sequence[str]) -> "Stack":
        """Return these clauses only, in this order."""
        places = [self.clauses.index(clause) for clause in clauses]
        return replace(self, clauses=tuple(clauses), raws=self.raws[:, :, places])

    def ranked(self, scores: "Floats", depth: int) -> "NDArray[np.int_]":
        """Return the places of the best candidates, (q, depth); equal scores stay in their order."""
        held = np.where(self.candidates, np.nan_to_num(scores, nan=_NOWHERE), 2 * _NOWHERE)
        return np.argsort(-held, axis=1, kind="stable")[:, :depth]

    def ndcg(self, scores: "Floats") -> "Floats":
        """Return nDCG@10 of each question (Järvelin and Kekäläinen 2002): gains as they are, not judged counts 0.

        A product without a score (NaN) is not found: what only vectors know is no hit of the keyword.
        """
        hits = self.candidates & ~np.isnan(scores)
        found = np.take_along_axis(np.where(hits, self.gains, 0.0), self.ranked(scores, CUT), axis=1)
        return np.divide(dcg(found), self.ideal, out=np.zeros(len(self)), where=self.ideal > 0)


def reciprocal_ranks(stack: Stack, clauses: Sequence[str]) -> "Floats":
    """Return the scores of reciprocal rank fusion, (q, n), each clause ranked within the candidates.

    A clause that does not match a product adds nothing to it.
    """
    total = np.zeros(stack.gains.shape)
    for clause in clauses:
        raw = np.where(stack.candidates, stack.column(clause), np.nan)
        order = np.argsort(-np.nan_to_num(raw, nan=-np.inf), axis=1, kind="stable")
        total += np.where(np.isnan(raw), 0.0, 1 / (RRF_CONSTANT + 1 + np.argsort(order, axis=1)))
    return total


def _facts(questions: "Sequence[Scored]") -> "tuple[tuple[str, ...], Floats]":
    """Return the names of the facts and their values, (q, f): what is not known of a question is as with the others."""
    names = tuple(dict.fromkeys(name for scored in questions for name in scored.facts))
    facts = np.array([[scored.facts.get(name, np.nan) for name in names] for scored in questions])
    return names, np.where(np.isnan(facts), np.nanmean(facts, axis=0), facts)


def dcg(gains: "Floats") -> "Floats":
    """Return the discounted cumulated gain of the first ten columns."""
    first = gains[:, :CUT]
    return np.asarray((first / np.log2(np.arange(first.shape[1]) + 2)).sum(axis=1))
