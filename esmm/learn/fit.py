"""Fits the weights of a fusion, the constants of its queries and its gate, to judged questions (torch)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from esmm.learn.losses import LOSSES
from esmm.learn.normalise import Normalisers
from esmm.query.fusion import DEFAULT_SATURATION, KEYWORD, Fusion
from esmm.query.gate import BOUND

if TYPE_CHECKING:
    from esmm.learn.stack import Floats, Stack

# Of each list the best by the prior, whose order matters, and the best of those with a gain.
_POOL, _GAINED = 60, 60
_STEPS, _ROUNDS = 15, 3
_STEEP = 12.0  # scores within 0..1 times so much, so that a difference of .1 counts
_MOVES = 1.0  # how much a constant may move by its penalty: the square of its logarithm


@dataclass(frozen=True)
class Fit:
    """A fitted fusion: normalisers, a weight a clause, and the coefficients of a gate, (c, f), or none.

    ``middles`` and ``scales`` are those of the gate's facts, (f,).
    """

    normalisers: Normalisers
    weights: Mapping[str, float]
    coefficients: "Floats | None" = None
    middles: "Floats" = field(default_factory=lambda: np.zeros(0))
    scales: "Floats" = field(default_factory=lambda: np.ones(0))

    @property
    def fusion(self) -> Fusion:
        """The same as a fusion, without the gate."""
        constants = dict(self.normalisers.constants)
        keyword = constants.pop(KEYWORD, DEFAULT_SATURATION)
        return Fusion(self.weights, keyword, self.normalisers.windows, constants)

    def scores(self, stack: "Stack") -> "Floats":
        """Return the fused score of every product, (q, n)."""
        held = stack.only(tuple(self.weights))
        weights = np.array(list(self.weights.values()))[None, :].repeat(len(stack), axis=0)
        if self.coefficients is not None:
            moved = (stack.facts - self.middles) / self.scales @ self.coefficients.T
            weights = weights * np.exp(np.clip(moved, -BOUND, BOUND))
        return np.asarray((self.normalisers.applied(held) * weights[:, None, :]).sum(axis=2))


@dataclass(frozen=True)
class Plan:
    """How to fit: the weights to shrink towards, how strongly, the loss, and how strongly a gate shrinks to none."""

    prior: Mapping[str, float]
    strength: float
    loss: str = "lambda"
    gate: float | None = None
    shared: tuple[str, ...] = ()


def fitted(stack: "Stack", normalisers: Normalisers, plan: Plan) -> Fit:
    """Fit weights (not negative) and constants to questions; ``plan.shared`` clauses move by one factor.

    The penalty is ``strength`` times the squared distance of the weights from the prior, and of the logarithms of the
    constants from what was measured. What ranks the questions it learned from worse than the prior does went astray (a
    step too far, and a clause is lost): then it is the prior. Deterministic: full batches, L-BFGS (Liu and Nocedal
    1989), no random numbers.
    """
    held = stack.only(tuple(plan.prior))
    problem = _Problem(held, normalisers, plan)
    for _ in range(_ROUNDS):  # L-BFGS begins anew: what it remembers grows stale as the ranks inside a loss change
        problem.descend()
    found, prior = problem.fit(), Fit(normalisers, plan.prior)
    return max(found, prior, key=lambda fit: stack.ndcg(fit.scores(stack)).mean())


class _Problem:
    def __init__(self, stack: "Stack", normalisers: Normalisers, plan: Plan) -> None:
        self._clauses, self._plan, self._normalisers = stack.clauses, plan, normalisers
        self._prior = torch.tensor(list(plan.prior.values()), dtype=torch.float64)
        pooled = _pooled(stack, normalisers.applied(stack) @ self._prior.numpy())
        self._raws = torch.from_numpy(np.nan_to_num(pooled.raws, nan=0.0))
        self._missing = torch.from_numpy(np.isnan(pooled.raws))
        self._gains, self._held = torch.from_numpy(pooled.gains), torch.from_numpy(pooled.candidates)
        self._middles, self._scales = stack.facts.mean(axis=0), stack.facts.std(axis=0) + 1e-6
        self._facts = torch.from_numpy((stack.facts - self._middles) / self._scales)
        count = len(self._clauses)
        self._shared = torch.tensor([clause in plan.shared for clause in self._clauses])
        self._moved = torch.zeros(count, dtype=torch.float64, requires_grad=True)
        self._constants = torch.zeros(count, dtype=torch.float64, requires_grad=True)
        self._factor = torch.zeros((), dtype=torch.float64, requires_grad=True)
        self._steep = torch.tensor(math.log(_STEEP), dtype=torch.float64, requires_grad=True)
        self._gate = torch.zeros(count, stack.facts.shape[1], dtype=torch.float64, requires_grad=plan.gate is not None)

    def descend(self) -> None:
        """Take some steps down."""
        if self._plan.shared:
            free = [self._factor, self._steep]
        else:
            free = [self._moved, self._constants, self._steep] + ([self._gate] if self._plan.gate is not None else [])
        optimiser = torch.optim.LBFGS(free, max_iter=_STEPS, line_search_fn="strong_wolfe")

        def closure() -> torch.Tensor:
            optimiser.zero_grad()
            objective = self._objective()
            objective.backward()  # type: ignore[no-untyped-call]
            return objective

        optimiser.step(closure)  # type: ignore[no-untyped-call]

    def fit(self) -> Fit:
        """Return what was found."""
        with torch.no_grad():
            weights = self._weights().clamp(min=0).tolist()
            shift = self._constants.exp().tolist()
        constants = dict(self._normalisers.constants)
        for clause, factor in zip(self._clauses, shift, strict=True):
            if clause in constants:
                constants[clause] = constants[clause] * factor
        largest = max(weights) or 1.0
        named = {clause: weight / largest for clause, weight in zip(self._clauses, weights, strict=True)}
        gate = self._gate.detach().numpy() if self._plan.gate is not None else None
        return Fit(Normalisers(constants, self._normalisers.windows), named, gate, self._middles, self._scales)

    def _weights(self) -> torch.Tensor:
        return torch.where(self._shared, self._prior * self._factor.exp(), self._prior + self._moved)

    def _objective(self) -> torch.Tensor:
        weights = self._weights()
        scored = self._normalised() * weights.clamp(min=0)
        if self._plan.gate is not None:
            scored = scored * (self._facts @ self._gate.T).clamp(-BOUND, BOUND).exp()[:, None, :]
        loss = LOSSES[self._plan.loss](scored.sum(2) * self._steep.exp(), self._gains, self._held).mean()
        strength = self._plan.strength
        below = (-weights).clamp(min=0).square().sum()
        loss = loss + strength * (self._moved.square().sum() + self._constants.square().sum() * _MOVES) + below
        loss = loss + strength * self._factor.square() + 1e-3 * (self._steep - math.log(_STEEP)).square()
        return loss + (self._plan.gate or 0.0) * self._gate.square().sum()

    def _normalised(self) -> torch.Tensor:
        columns = []
        for place, clause in enumerate(self._clauses):
            raw = self._raws[:, :, place]
            if clause in self._normalisers.constants:
                constant = self._normalisers.constants[clause] * self._constants[place].exp()
                column = raw / (raw + constant)
            else:
                window = self._normalisers.windows[clause]
                column = ((raw - window.low) / window.width).clamp(0, 1)
            columns.append(column.masked_fill(self._missing[:, :, place], 0.0))
        return torch.stack(columns, dim=2)


def _pooled(stack: "Stack", scores: "Floats") -> "Stack":
    """Keep the best of each list, with a gain and without: pairs are many, and deep ones teach nothing."""
    gained = stack.candidates & (stack.gains > 0)
    among = np.argsort(np.argsort(-np.where(gained, scores, -np.inf), axis=1, kind="stable"), axis=1)
    lifted = np.where(gained & (among < _GAINED), 1e6, 0.0)
    width = min(stack.raws.shape[1], _POOL + int((lifted > 0).sum(axis=1).max(initial=0)))
    places = stack.ranked(scores + lifted, width)
    raws = np.take_along_axis(stack.raws, places[:, :, None], axis=1)
    gains = np.take_along_axis(stack.gains, places, axis=1)
    candidates = np.take_along_axis(stack.candidates, places, axis=1)
    return replace(stack, raws=raws, gains=np.where(candidates, gains, 0.0), candidates=candidates)
