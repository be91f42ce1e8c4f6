"""Clause scores of judged questions: what a fusion is learned from and measured on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from esmm.learn.judgements import Question
    from esmm.query.fusion import Fusion


FORM = "form:"  # columns with other forms of the keyword query begin so: they are compared with, never fused


@dataclass(frozen=True)
class Scored:
    """One question with every product that a clause's search finds for it, and every judged one.

    ``raws`` are the clauses' raw scores, shape (products, clauses), NaN where a clause does not match: missing is not
    0. ``gains`` are NaN where nobody judged. ``candidate`` is False for products that only the judgements know.
    ``facts`` are features of the query alone; ``vector`` is that of its words, if they have one.
    """

    question: "Question"
    ids: tuple[str, ...]
    raws: "NDArray[np.float64]"
    gains: "NDArray[np.float64]"
    candidate: "NDArray[np.bool_]"
    facts: Mapping[str, float]
    vector: tuple[float, ...] | None = None

    def given(self, fusion: "Fusion") -> "Fusion":
        """Return a fusion for this question: the weights as its gate moves them."""
        return fusion.at(self.question.text, photo=self.question.photo is not None, vector=self.vector)


@dataclass(frozen=True)
class Table:
    """The scores of many questions; ``clauses`` names the columns of their ``raws``."""

    clauses: tuple[str, ...]
    questions: tuple[Scored, ...]
