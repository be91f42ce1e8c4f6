"""The colours that captions leave out, told by photos: learned from the products whose captions name one.

A caption without a colour teaches a tower that its photo has none. So a small classifier learns colours from the photos
whose captions name one, and puts the colour it is sure of before captions that name none. How often it is right is
measured on photos it did not learn from.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from esmm.align.captions import colour_of

_LEAST = 15  # different captions that must name a colour, or it is not learned
_FOLDS, _PASSES, _LEAST_STEPS, _BATCH = 4, 30, 100, 256
_HIDDEN, _RATE, _DECAY, _SMOOTHED = 256, 2e-3, 0.05, 0.05
_FORGOTTEN, _HIDDEN_FORGOTTEN = 0.5, 0.3
_FURTHEST = 8.0  # standard deviations: what lies further out is cut to it


@dataclass(frozen=True)
class Told:
    """Colours by the number of the pair whose captions lack one, and how often photos tell the colour rightly.

    ``precision`` is the share of right colours among the ``checked`` photos whose captions name one and of whose colour
    a classifier that never saw them was sure.
    """

    colours: dict[int, str] = field(default_factory=dict)
    checked: int = 0
    precision: float = 0.0

    def __str__(self) -> str:
        if not self.colours:
            return "no colours that captions lack"
        return (
            f"the colours of {len(self.colours):,} pairs whose captions name none "
            f"({self.precision:.0%} of {self.checked:,} right where captions name one)"
        )


def told_by_photos(features: torch.Tensor, captions: Sequence[str], *, sure: float, seed: int) -> Told:
    """Return the colours of the photos whose captions name none.

    ``features`` are standardised, (n, width), one row a caption. A colour counts if its probability is ``sure`` or
    more. Nothing is told where fewer than two colours are named by 15 different captions each.
    """
    named = [colour_of(caption) for caption in captions]
    known = _known(captions, named)
    number = {colour: place for place, colour in enumerate(known)}
    labelled = np.array([place for place, colour in enumerate(named) if colour in number], dtype=np.int64)
    lacking = np.array([place for place, colour in enumerate(named) if not colour], dtype=np.int64)
    if len(known) < 2 or sure >= 1 or not len(lacking):
        return Told()
    labels = torch.tensor([number[named[place]] for place in labelled])
    features = features.float().clamp(-_FURTHEST, _FURTHEST)
    own, others = _out_of_fold(features, labelled, labels, lacking, seed=seed)
    best, probability = own.argmax(1), own.amax(1)
    certain = probability >= sure
    right = (best == labels)[certain]
    return Told(
        {
            int(lacking[place]): known[int(others[place].argmax())]
            for place in torch.nonzero(others.amax(1) >= sure).flatten()
        },
        int(certain.sum()),
        float(right.float().mean()) if len(right) else 0.0,
    )


def _known(captions: Sequence[str], named: Sequence[str]) -> list[str]:
    different = Counter(colour for colour, _ in set(zip(named, captions, strict=True)) if colour)
    return sorted(colour for colour, count in different.items() if count >= _LEAST)


def _out_of_fold(
    features: torch.Tensor, labelled: np.ndarray, labels: torch.Tensor, lacking: np.ndarray, *, seed: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the probabilities of the colours for labelled photos by those who did not see them, and for the others."""
    fold = np.random.default_rng(seed).permutation(len(labelled)) % _FOLDS
    count = int(labels.max()) + 1
    own, others = torch.zeros(len(labelled), count), torch.zeros(len(lacking), count)
    for part in range(_FOLDS):
        seen, unseen = np.flatnonzero(fold != part), np.flatnonzero(fold == part)
        classifier = _learned(features[labelled[seen]], labels[seen], count)
        with torch.inference_mode():
            own[unseen] = classifier(features[labelled[unseen]]).softmax(1).cpu()
            others += classifier(features[lacking]).softmax(1).cpu() / _FOLDS
    return own, others


def _learned(features: torch.Tensor, labels: torch.Tensor, count: int) -> nn.Module:
    classifier = nn.Sequential(
        nn.Dropout(_FORGOTTEN),
        nn.Linear(features.shape[1], _HIDDEN),
        nn.GELU(),
        nn.Dropout(_HIDDEN_FORGOTTEN),
        nn.Linear(_HIDDEN, count),
    ).to(features.device)
    optimiser = torch.optim.AdamW(classifier.parameters(), weight_decay=_DECAY)
    steps = max(_LEAST_STEPS, _PASSES * len(features) // _BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    optimiser.param_groups[0]["lr"] = schedule.base_lrs[0] = _RATE
    for _ in range(steps):
        drawn = torch.randint(len(features), (_BATCH,))
        found = classifier(features[drawn])
        loss = functional.cross_entropy(found, labels[drawn].to(found.device), label_smoothing=_SMOOTHED)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
    return classifier.eval()
