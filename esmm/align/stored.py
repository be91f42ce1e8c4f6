"""Features of photos that are kept, so that a projection sees them often and the backbone once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch


@dataclass(frozen=True)
class Stored:
    """Features of photos, and of the pairs that are shown in scenes: 16-bit floats, shape (n, width).

    Of a batch ``photos`` are those of ``pairs``, and the first of them are in scenes.
    """

    pairs: np.ndarray
    photos: torch.Tensor
    scenes: torch.Tensor


def joined(drawn: Sequence[Stored], captions: Sequence[np.ndarray]) -> tuple[torch.Tensor, torch.Tensor, np.ndarray]:
    """Return photos, scenes and captions of several batches as one, the photos that have scenes first."""
    cuts = [len(one.scenes) for one in drawn]
    photos = [one.photos[:cut] for one, cut in zip(drawn, cuts, strict=True)]
    photos += [one.photos[cut:] for one, cut in zip(drawn, cuts, strict=True)]
    named = [found[:cut] for found, cut in zip(captions, cuts, strict=True)]
    named += [found[cut:] for found, cut in zip(captions, cuts, strict=True)]
    return torch.cat(photos), torch.cat([one.scenes for one in drawn]), np.concatenate(named)
