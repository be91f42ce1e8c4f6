"""Views of a product photo: crops, flips and light for catalogues, made-up scenes for what customers send.

No view changes a hue: colour is what the captions speak of. All work on whole batches, on any device; random numbers
come from torch's own generator, so a seed repeats them.
"""

import math
from typing import Any

import torch
from torch.nn import functional

_PLAIN = 242  # a pixel of a product photo's ground is brighter than this in every colour
_LAYERS = 3  # of products that lie on each other in a pile


def ground_of(pixels: Any) -> Any:
    """Return the opacity of a photo: 0 on the bright ground that touches its border, 255 elsewhere; uint8 (h, w)."""
    import numpy as np
    from scipy import ndimage

    areas, _ = ndimage.label(pixels.min(axis=2) >= _PLAIN)
    border = np.unique(np.concatenate([areas[0], areas[-1], areas[:, 0], areas[:, -1]]))
    return np.where(np.isin(areas, border[border > 0]), 0, 255).astype(np.uint8)


def as_floats(pixels: torch.Tensor) -> torch.Tensor:
    """Turn uint8 (photos, height, width, channels) into floats between 0 and 1, channels first."""
    return pixels.permute(0, 3, 1, 2).float().div_(255)


def catalogue_view(photos: torch.Tensor) -> torch.Tensor:
    """Return the photos (RGBA floats) moved, mirrored, turned and lit a little differently, on white."""
    count = len(photos)
    grid = _grid(_moved(count, scale=(0.8, 1.1), turn=0.1, shift=0.12, device=photos.device), photos)
    seen = 1 - _sampled(1 - photos[:, :3], grid)
    return _lit(seen, contrast=0.15, brightness=0.08)


def scene_view(photos: torch.Tensor) -> torch.Tensor:
    """Return each product (RGBA floats) as a customer's photo might show it.

    Cut out of its plain ground and pasted on a blurred, darkened piece of another photo: the first half of them as a
    pile that fills the picture, the others once and large.
    """
    ground, piled = _backgrounds(photos), len(photos) // 2
    grid = _grid(_moved(len(photos) - piled, scale=(0.6, 1.15), turn=0.5, shift=0.3, device=photos.device), photos)
    once = _pasted(ground[piled:], photos[piled:], grid)
    return _lit(_blurred(torch.cat([_pile(ground[:piled], photos[:piled]), once])), contrast=0.25, brightness=0.15)


def _pile(ground: torch.Tensor, photos: torch.Tensor) -> torch.Tensor:
    """Cover the ground with layers of the product, side by side in cells, in each cell turned another way."""
    count, device = len(photos), photos.device
    size = torch.empty(count, device=device).uniform_(0.2, 0.6)
    for _ in range(_LAYERS):
        moves = _moved(count, scale=(0.85, 1.15), turn=math.pi, shift=1.0, device=device, size=size)
        ground = _pasted(ground, _dimmed(photos), _in_cells(_grid(moves, photos)))
    return ground


def _in_cells(grid: torch.Tensor) -> torch.Tensor:
    """Repeat a map of the square without end, each copy turned by an angle that its place decides."""
    cells = torch.floor((grid + 1) / 2)
    inside = grid - 2 * cells
    angle = torch.sin(cells[..., 0] * 12.9898 + cells[..., 1] * 78.233) * 1000
    cos, sin = angle.cos(), angle.sin()
    x, y = inside[..., 0], inside[..., 1]
    return torch.stack([x * cos - y * sin, x * sin + y * cos], dim=-1)


def _backgrounds(photos: torch.Tensor) -> torch.Tensor:
    count, device = len(photos), photos.device
    others = photos[torch.randperm(count, device=device), :3]
    grid = _grid(_moved(count, scale=(1.2, 3.0), turn=0.3, shift=0.4, device=device), photos)
    seen = _sampled(others, grid, padding="reflection")
    coarse = functional.interpolate(functional.avg_pool2d(seen, 4), seen.shape[2:], mode="bilinear")
    return coarse * torch.empty(count, 1, 1, 1, device=device).uniform_(0.2, 0.95)


def _dimmed(photos: torch.Tensor) -> torch.Tensor:
    light = torch.empty(len(photos), 1, 1, 1, device=photos.device).uniform_(0.6, 1.1)
    return torch.cat([(photos[:, :3] * light).clamp(0, 1), photos[:, 3:]], dim=1)


def _pasted(ground: torch.Tensor, photos: torch.Tensor, grid: torch.Tensor) -> torch.Tensor:
    placed = _sampled(photos, grid)
    return ground * (1 - placed[:, 3:]) + placed[:, :3] * placed[:, 3:]


def _blurred(photos: torch.Tensor) -> torch.Tensor:
    """Blur some of the photos, as a hand that moves does."""
    some = torch.rand(len(photos), 1, 1, 1, device=photos.device) < 0.4
    return torch.where(some, functional.avg_pool2d(photos, 3, stride=1, padding=1, count_include_pad=False), photos)


def _lit(photos: torch.Tensor, *, contrast: float, brightness: float) -> torch.Tensor:
    shape, device = (len(photos), 1, 1, 1), photos.device
    gain = torch.empty(shape, device=device).uniform_(1 - contrast, 1 + contrast)
    shift = torch.empty(shape, device=device).uniform_(-brightness, brightness)
    return ((photos - 0.5) * gain + 0.5 + shift).clamp(0, 1)


def _moved(
    count: int,
    *,
    scale: tuple[float, float],
    turn: float,
    shift: float,
    device: torch.device,
    size: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return the map of random moves, (count, 2, 3): a size in the picture, a turn in radians, a shift, a mirror."""
    wanted = torch.empty(count, device=device).uniform_(*scale) * (1.0 if size is None else size)
    mirror = torch.where(torch.rand(count, device=device) < 0.5, -1.0, 1.0)
    angle = torch.empty(count, device=device).uniform_(-turn, turn)
    cos, sin = angle.cos() / wanted, angle.sin() / wanted
    place = torch.empty(count, 2, device=device).uniform_(-shift, shift)
    linear = torch.stack([torch.stack([mirror * cos, -sin], 1), torch.stack([mirror * sin, cos], 1)], 1)
    return torch.cat([linear, -(linear @ place[:, :, None])], dim=2)


def _grid(moves: torch.Tensor, photos: torch.Tensor) -> torch.Tensor:
    return functional.affine_grid(moves, [len(moves), 1, *photos.shape[2:]], align_corners=False)


def _sampled(photos: torch.Tensor, grid: torch.Tensor, *, padding: str = "zeros") -> torch.Tensor:
    return functional.grid_sample(photos, grid, padding_mode=padding, align_corners=False)
