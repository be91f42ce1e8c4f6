"""The models that compete for being the fusion of a shop, from simple to rich, and yardsticks."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol

import numpy as np

from esmm.learn.fit import Fit, Plan, fitted
from esmm.learn.normalise import in_force, measured
from esmm.learn.stack import reciprocal_ranks
from esmm.query.fusion import KEYWORD, Fusion

if TYPE_CHECKING:
    from esmm.learn.stack import Floats, Stack

# What weights shrink towards: the keyword counts 1, a vector half of it, other evidence a little.
_VECTOR, _DECLARED = 0.5, 0.1
_STRENGTHS = (0.01, 0.1, 1.0)
_STRONG = 3.0
_GATES = (0.1, 1.0)


class Scorer(Protocol):
    """Scores products of questions."""

    def scores(self, stack: "Stack") -> "Floats":
        """Return the score of every product, (q, n)."""


@dataclass(frozen=True)
class Field:
    """Who competes over what: the clauses of a table, of them the vectors, and the fusion in force.

    ``forms`` are columns with the scores of other forms of the keyword query: to be compared with, never fused.
    """

    clauses: tuple[str, ...]
    vectors: tuple[str, ...]
    current: Fusion
    forms: tuple[str, ...] = ()
    loss: str = "lambda"

    @property
    def prior(self) -> dict[str, float]:
        """The weights that others shrink towards."""
        return {
            name: 1.0 if name == KEYWORD else _VECTOR if name in self.vectors else _DECLARED for name in self.clauses
        }

    @property
    def mains(self) -> tuple[str, ...]:
        """The keyword and the vectors."""
        return tuple(name for name in self.clauses if name == KEYWORD or name in self.vectors)


@dataclass(frozen=True)
class Rival:
    """One model: ``learn(stack, option)`` fits it; the option is chosen among ``options`` by inner folds.

    ``rank`` orders by simplicity; None: a yardstick that no request can hold.
    """

    name: str
    learn: Callable[["Stack", float], Scorer]
    options: tuple[float, ...] = (0.0,)
    rank: int | None = None


def rivals(field: Field, *, few: bool) -> list[Rival]:
    """Return all models; with ``few`` questions only such as are shrunk hard."""
    plain = [
        Rival("keyword", lambda _stack, _option: Column(KEYWORD), rank=0),
        *(Rival(form, partial(_column, form)) for form in field.forms),
        Rival("RRF", lambda _stack, _option: Ranks(field.mains)),
        Rival("as it is", lambda _stack, _option: InForce(field.current, field.clauses)),
        Rival("equal weights", partial(_equal, field), rank=None if few else 1),
    ]
    if few:
        return [*plain, Rival("calibrated weights", partial(_global, field), (_STRONG,), rank=2)]
    rich = [
        Rival("one weight", partial(_one, field), (0.01,), rank=2),
        Rival("global weights", partial(_global, field), _STRENGTHS, rank=3),
        Rival("gate", partial(_gated, field), _GATES, rank=4),
    ]
    return [*plain, *rich, *_trees(field)]


def _column(clause: str, _stack: "Stack", _option: float) -> Scorer:
    return Column(clause)


def _equal(field: Field, stack: "Stack", _option: float) -> Fit:
    return Fit(measured(stack, field.vectors, field.current), dict.fromkeys(field.mains, 1.0))


def _one(field: Field, stack: "Stack", strength: float) -> Fit:
    prior = {name: field.prior[name] for name in field.mains}
    plan = Plan(prior, strength, field.loss, shared=tuple(name for name in prior if name in field.vectors))
    return fitted(stack, measured(stack, field.vectors, field.current), plan)


def _global(field: Field, stack: "Stack", strength: float) -> Fit:
    return fitted(stack, measured(stack, field.vectors, field.current), Plan(field.prior, strength, field.loss))


def _gated(field: Field, stack: "Stack", gate: float) -> Fit:
    plan = Plan(field.prior, _STRENGTHS[1], field.loss, gate=gate)
    return fitted(stack, measured(stack, field.vectors, field.current), plan)


@dataclass(frozen=True)
class Column:
    """The raw score of one clause."""

    clause: str

    def scores(self, stack: "Stack") -> "Floats":
        """Return the score of every product, (q, n)."""
        return stack.column(self.clause)


@dataclass(frozen=True)
class Ranks:
    """Reciprocal rank fusion of clauses."""

    clauses: tuple[str, ...]

    def scores(self, stack: "Stack") -> "Floats":
        """Return the score of every product, (q, n)."""
        return reciprocal_ranks(stack, self.clauses)


@dataclass(frozen=True)
class InForce:
    """A fusion that exists, by its own arithmetic."""

    fusion: Fusion
    clauses: tuple[str, ...]

    def scores(self, stack: "Stack") -> "Floats":
        """Return the score of every product, (q, n)."""
        normalised = in_force(self.fusion, self.clauses).applied(stack.only(self.clauses))
        each = [asked.given(self.fusion) for asked in stack.questions]
        weights = np.array([[one.weight(name) for name in self.clauses] for one in each])
        return np.asarray((normalised * weights[:, None, :]).sum(axis=2))


def _trees(field: Field) -> list[Rival]:
    """Return gradient-boosted trees as a yardstick, where LightGBM is installed."""
    from importlib.util import find_spec

    if find_spec("lightgbm") is None:
        return []
    return [Rival("trees (LightGBM)", lambda stack, _option: Trees(stack, field))]


class Trees:
    """LambdaMART over normalised scores and facts (Ke et al. 2017); no request can hold it."""

    def __init__(self, stack: "Stack", field: Field) -> None:
        import lightgbm

        self._normalisers, self._clauses = measured(stack, field.vectors, field.current), field.clauses
        labels = np.round(stack.gains / max(stack.gains.max(), 1e-9) * 4).astype(int)
        held = stack.candidates
        settings = {
            "objective": "lambdarank",
            "num_leaves": 7,
            "learning_rate": 0.05,
            "min_data_in_leaf": 50,
            "deterministic": True,
            "num_threads": 1,
            "seed": 7,
            "verbose": -1,
        }
        data = lightgbm.Dataset(self._features(stack)[held], labels[held], group=held.sum(axis=1))
        self._trees = lightgbm.train(settings, data, num_boost_round=60)

    def scores(self, stack: "Stack") -> "Floats":
        """Return the score of every product, (q, n)."""
        features = self._features(stack)
        flat = np.asarray(self._trees.predict(features.reshape(-1, features.shape[2])))
        return flat.reshape(features.shape[:2])

    def _features(self, stack: "Stack") -> "Floats":
        normalised = self._normalisers.applied(stack.only(self._clauses))
        facts = np.repeat(stack.facts[:, None, :], normalised.shape[1], axis=1)
        return np.concatenate([normalised, facts], axis=2)
