"""The colours of a photo, counted: what the layers of a classifier have averaged away."""

import torch
from torch import nn
from torch.nn import functional

_LEVELS = 5  # of red, green and blue, from 0 to 1; a pixel between two levels counts for both
_RESOLUTION = 32  # pixels that the longer side is averaged down to
_MIDDLE = 0.3  # variance of the weight of a pixel by its distance from the middle, where the border is at 1
_BRIGHT, _WHITE = 0.85, 0.95  # a pixel whose darkest colour lies between them is partly ground, above it ground only
_LEAST = 1e-3


class Palette(nn.Module):
    """How much of each of 125 colours a photo shows: in its middle, and off its bright ground.

    Square roots of two soft histograms (a pixel is shared between the colours around it in proportion to its nearness),
    so that a small part of a photo counts (as in the Hellinger kernel, Arandjelović and Zisserman 2012).
    """

    def forward(self, photos: torch.Tensor) -> torch.Tensor:
        """Return float, shape (photos, 250); photos are floats between 0 and 1, (photos, 3, side, side)."""
        coarse = functional.avg_pool2d(photos, max(1, photos.shape[2] // _RESOLUTION))
        middle = _middle(coarse.shape[2], coarse.shape[3]).to(coarse)
        colours = coarse.flatten(2)
        off_ground = 1 - ((colours.amin(1) - _BRIGHT) / (_WHITE - _BRIGHT)).clamp(0, 1) + _LEAST
        levels = torch.linspace(0, 1, _LEVELS, device=photos.device)
        shares = (1 - (colours[..., None] - levels).abs() * (_LEVELS - 1)).clamp(min=0)
        red, green, blue = shares.unbind(1)
        cold = (green[..., :, None] * blue[..., None, :]).flatten(2)
        counts = [self._counted(red, cold, weights) for weights in (middle.expand_as(off_ground), off_ground)]
        return torch.cat(counts, dim=1)

    def _counted(self, red: torch.Tensor, cold: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        weights = weights / weights.sum(1, keepdim=True)
        return ((red * weights[..., None]).transpose(1, 2) @ cold).flatten(1).clamp(min=0).sqrt()


def _middle(height: int, width: int) -> torch.Tensor:
    y, x = (torch.linspace(-1, 1, length) for length in (height, width))
    return torch.exp(-(y[:, None] ** 2 + x[None] ** 2) / _MIDDLE).flatten()
