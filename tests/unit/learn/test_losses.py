"""Losses against plain loops that write their formulas out; least where the order is right."""

import itertools
import math
from collections.abc import Sequence

import pytest
import torch

from esmm.learn.losses import LOSSES

GAINS = [1.0, 0.1, 0.0, 0.5]
SCORES = [0.3, 2.0, -1.0, 0.9]
Numbers = Sequence[float]


def loss_of(name: str, scores: Numbers, gains: Numbers, held: Sequence[bool] | None = None) -> float:
    flags = torch.tensor([held or [True] * len(gains)])
    rows = (torch.tensor([row], dtype=torch.float64) for row in (scores, gains))
    return float(LOSSES[name](*rows, flags)[0])


def better(gains: Numbers) -> list[tuple[int, int]]:
    return [(i, j) for i in range(len(gains)) for j in range(len(gains)) if gains[i] > gains[j]]


def logistic(scores: Numbers, i: int, j: int) -> float:
    return math.log(1 + math.exp(scores[j] - scores[i]))


def listnet(scores: Numbers, gains: Numbers) -> float:
    whole = sum(map(math.exp, scores))
    return -sum(g / sum(gains) * math.log(math.exp(s) / whole) for s, g in zip(scores, gains, strict=True))


def pairwise(scores: Numbers, gains: Numbers) -> float:
    pairs = better(gains)
    return sum((gains[i] - gains[j]) * logistic(scores, i, j) for i, j in pairs) / len(pairs)


def lambdaloss(scores: Numbers, gains: Numbers) -> float:
    order = sorted(range(len(scores)), key=lambda at: -scores[at])
    discount = {at: 1 / math.log2(rank + 2) for rank, at in enumerate(order)}
    ideal = sum(g / math.log2(rank + 2) for rank, g in enumerate(sorted(gains, reverse=True)))
    return sum(
        (gains[i] - gains[j]) * abs(discount[i] - discount[j]) / ideal * logistic(scores, i, j)
        for i, j in better(gains)
    )


ORACLES = {"listnet": listnet, "pairwise": pairwise, "lambda": lambdaloss}


def test_every_loss_has_an_oracle() -> None:
    assert set(ORACLES) == set(LOSSES)


@pytest.mark.parametrize("name", LOSSES)
def test_by_hand(name: str) -> None:
    assert loss_of(name, SCORES, GAINS) == pytest.approx(ORACLES[name](SCORES, GAINS), rel=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_padding_counts_nothing(name: str) -> None:
    held = [True] * 4 + [False] * 3
    assert loss_of(name, [*SCORES, 9, 9, -9], [*GAINS, 0, 0, 0], held) == pytest.approx(loss_of(name, SCORES, GAINS))


@pytest.mark.parametrize("name", LOSSES)
def test_least_at_the_right_order(name: str) -> None:
    heights = [3.0, 1.0, -0.5, -2.0]
    found = {order: loss_of(name, order, GAINS) for order in itertools.permutations(heights)}
    right = sorted(range(4), key=lambda at: -GAINS[at])
    best = [0.0] * 4
    for place, height in zip(right, heights, strict=True):
        best[place] = height
    assert min(found, key=lambda order: found[order]) == tuple(best)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("gains", [[0.0] * 4, [1.0] * 4, GAINS])
@pytest.mark.parametrize("scores", [[0.0] * 4, [1e3, -1e3, 5, 5]])
def test_values_and_gradients_are_finite(name: str, gains: Numbers, scores: Numbers) -> None:
    given = torch.tensor([scores], dtype=torch.float64, requires_grad=True)
    held = torch.tensor([[True, True, True, False]])
    kept = torch.tensor([gains], dtype=torch.float64) * held
    loss = LOSSES[name](given, kept, held)
    loss.sum().backward()
    assert torch.isfinite(loss).all()
    assert given.grad is not None
    assert torch.isfinite(given.grad).all()
    assert given.grad[0, 3] == 0


@pytest.mark.parametrize("name", LOSSES)
def test_going_down_brings_the_order(name: str) -> None:
    scores = torch.zeros((1, 4), dtype=torch.float64, requires_grad=True)
    gains, held = torch.tensor([GAINS], dtype=torch.float64), torch.ones((1, 4), dtype=torch.bool)
    for _ in range(200):
        (gradient,) = torch.autograd.grad(LOSSES[name](scores, gains, held).sum(), scores)
        scores = (scores - gradient).detach().requires_grad_()
    assert scores[0].argsort(descending=True).tolist() == [0, 3, 1, 2]
