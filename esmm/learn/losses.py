"""What a fusion is trained to make small: losses over ranked lists, by name.

Each takes ``scores`` and ``gains`` of the same products, (q, n), and ``held``, bool, where a list has a product, and
returns a number a question, (q,).
"""

from collections.abc import Callable

import torch
from torch.nn import functional

Loss = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
NOWHERE = -1e4


def listnet(scores: torch.Tensor, gains: torch.Tensor, held: torch.Tensor) -> torch.Tensor:
    """Cross-entropy between the shares of the gains and the softmax of the scores (ListNet, Cao et al. 2007)."""
    total = gains.sum(1, keepdim=True).clamp(min=1e-9)
    return -(gains / total * scores.masked_fill(~held, NOWHERE).log_softmax(1)).sum(1)


def lambdaloss(scores: torch.Tensor, gains: torch.Tensor, held: torch.Tensor) -> torch.Tensor:
    """Logistic loss of each pair by what swapping it does to nDCG (LambdaLoss, Wang et al. 2018).

    The ranks that weigh the pairs are those of the scores as they are now.
    """
    ranks = scores.detach().masked_fill(~held, NOWHERE).argsort(1, descending=True).argsort(1)
    discounts = 1 / torch.log2(ranks + 2.0)
    best = torch.sort(gains, dim=1, descending=True).values
    ideal = (best / torch.log2(torch.arange(best.shape[1]) + 2.0)).sum(1).clamp(min=1e-9)
    moved = (discounts[:, :, None] - discounts[:, None, :]).abs() / ideal[:, None, None]
    return _pairs(scores, gains, held, moved)


def pairwise(scores: torch.Tensor, gains: torch.Tensor, held: torch.Tensor) -> torch.Tensor:
    """Logistic loss of each pair by the difference of its gains (RankNet, Burges et al. 2005), mean over pairs."""
    weight = torch.ones_like(scores)[:, :, None] * torch.ones_like(scores)[:, None, :]
    better = ((gains[:, :, None] > gains[:, None, :]) & held[:, :, None] & held[:, None, :]).sum((1, 2))
    return _pairs(scores, gains, held, weight) / better.clamp(min=1)


def _pairs(scores: torch.Tensor, gains: torch.Tensor, held: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    ahead = (gains[:, :, None] - gains[:, None, :]).clamp(min=0) * held[:, :, None] * held[:, None, :]
    return (ahead * weight * functional.softplus(scores[:, None, :] - scores[:, :, None])).sum((1, 2))


LOSSES: dict[str, Loss] = {"lambda": lambdaloss, "listnet": listnet, "pairwise": pairwise}
