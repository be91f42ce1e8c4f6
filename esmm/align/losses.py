"""What a training makes small. Each loss takes the same comparison of photos and captions, by name."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.nn import functional

_MARGIN = 0.2
_NEVER = -1e4
_SAME_SCALE = 15.0
_KEPT_SCALE = 10.0


@dataclass(frozen=True)
class Comparison:
    """Photos against captions.

    ``photos`` are unit rows, (b, dims). ``texts`` are unit rows, (b + n, dims): the first b belong to the photos, in
    order, the others are more captions of the catalogue. ``unknown`` is bool, (b, b + n): captions that may be true of
    the photo as well, so nothing is to be learned from them. ``scale`` is the inverse of the learned temperature.
    """

    photos: torch.Tensor
    texts: torch.Tensor
    unknown: torch.Tensor
    scale: torch.Tensor

    @property
    def cosines(self) -> torch.Tensor:
        """Cosine of each photo with each text, (b, b + n)."""
        return self.photos @ self.texts.T

    @property
    def own(self) -> torch.Tensor:
        """Which text belongs to which photo, bool, (b, b + n)."""
        return torch.eye(len(self.photos), len(self.texts), dtype=torch.bool, device=self.photos.device)


def infonce(given: Comparison) -> torch.Tensor:
    """Symmetric cross-entropy of the right partner among all (van den Oord et al. 2018; both ways as in CLIP)."""
    right = torch.arange(len(given.photos), device=given.photos.device)
    logits = (given.scale * given.cosines).masked_fill(given.unknown & ~given.own, _NEVER)
    back = logits[:, : len(right)].T
    return (functional.cross_entropy(logits, right) + functional.cross_entropy(back, right)) / 2


def triplet(given: Comparison) -> torch.Tensor:
    """Hinge on the hardest wrong partner, both ways, margin 0.2 (VSE++, Faghri et al. 2018)."""
    cosines = given.cosines
    wrong = cosines.masked_fill(given.unknown | given.own, _NEVER)
    right = cosines.diagonal()
    hardest = wrong.amax(dim=1), wrong[:, : len(right)].amax(dim=0)
    return sum(((_MARGIN + worst - right).clamp(min=0).mean() for worst in hardest), torch.zeros(()).to(right)) / 2


def cosine(given: Comparison) -> torch.Tensor:
    """1 - cosine of right partners, and what wrong ones have above the margin (PyTorch's CosineEmbeddingLoss)."""
    cosines = given.cosines
    wrong = cosines[~(given.unknown | given.own)]
    excess = (wrong - _MARGIN).clamp(min=0)
    return (1 - cosines.diagonal()).mean() + excess.sum() / (excess > 0).sum().clamp(min=1)


LOSSES: dict[str, Callable[[Comparison], torch.Tensor]] = {"infonce": infonce, "triplet": triplet, "cosine": cosine}


def same_product(photos: torch.Tensor, scenes: torch.Tensor, alike: torch.Tensor) -> torch.Tensor:
    """InfoNCE, both ways, between unit rows of photos and of scenes with the same products, in order.

    ``alike`` is bool, (n, n): products whose captions may be true of one another are not held against each other.
    """
    return infonce(Comparison(photos, scenes, alike, photos.new_tensor(_SAME_SCALE)))


def kept_neighbours(photos: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
    """Keep near what was near: cross-entropy of each photo's neighbours by ``photos`` against those by ``features``.

    Both are unit rows of the same photos. What captions never speak of is kept so (Tung and Mori 2019 keep the cosines
    themselves).
    """
    itself = torch.eye(len(photos), dtype=torch.bool, device=photos.device)
    now = (_KEPT_SCALE * photos @ photos.T).masked_fill(itself, _NEVER)
    before = (_KEPT_SCALE * features @ features.T).masked_fill(itself, _NEVER)
    return functional.kl_div(now.log_softmax(1), before.softmax(1), reduction="batchmean")
