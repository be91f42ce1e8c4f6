"""Materials of the sample catalogue: each returns a paint, a function from a random generator to RGB pixels.

Pixels are float32 of shape (SIZE, SIZE, 3) in [0, 1]; lengths are in per cent of the picture's side.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor

SIZE = 896  # four times the final side: shrinking smooths every edge
Pixels = NDArray[np.float32]
Paint = Callable[[np.random.Generator], Pixels]

_AXIS = np.arange(SIZE, dtype=np.float32) * (100 / SIZE)
X, Y = np.meshgrid(_AXIS, _AXIS)


def rgb(colour: str) -> Pixels:
    """Return a colour name or ``#rrggbb`` as three floats."""
    return np.array(ImageColor.getrgb(colour)[:3], dtype=np.float32) / np.float32(255)


def noise(rng: np.random.Generator, across: int, down: int) -> Pixels:
    """Return smooth noise (SIZE, SIZE) around 0 with ``across`` by ``down`` independent cells."""
    cells = rng.normal(size=(down, across)).astype(np.float32)
    return np.asarray(Image.fromarray(cells).resize((SIZE, SIZE), Image.Resampling.BICUBIC), dtype=np.float32)


def mix(first: str, second: str, share: Pixels) -> Pixels:
    """Blend two colours; ``share`` (SIZE, SIZE) in [0, 1] is that of the second."""
    return rgb(first) * (1 - share[..., None]) + rgb(second) * share[..., None]


def _folds(rng: np.random.Generator) -> Pixels:
    return 1 + 0.035 * noise(rng, 10, 4) + 0.02 * noise(rng, 224, 224)


def _cloth(first: str, second: str, share: Pixels) -> Paint:
    return lambda rng: mix(first, second, share) * _folds(rng)[..., None]


def plain(colour: str) -> Paint:
    """Smooth cloth with soft folds."""
    return lambda rng: rgb(colour) * _folds(rng)[..., None]


def smooth(colour: str) -> Paint:
    """Paint, plastic or rubber: no grain at all."""
    return lambda _: np.broadcast_to(rgb(colour), (SIZE, SIZE, 3))


def stripes(first: str, second: str, width: float = 5, *, slant: float = 0) -> Paint:
    """Even stripes; ``slant`` 0 is horizontal, 1 diagonal."""
    return _cloth(first, second, ((Y + slant * X) / width % 2 < 1).astype(np.float32))


def pillars(first: str, second: str, width: float = 5) -> Paint:
    """Even vertical stripes."""
    return _cloth(first, second, (X / width % 2 < 1).astype(np.float32))


def checks(ground: str, band: str, width: float = 6) -> Paint:
    """Woven checks: bands in both directions, darkest where they cross."""
    across, down = (X / width % 2 < 1), (Y / width % 2 < 1)
    return _cloth(ground, band, (across * 0.5 + down * 0.5).astype(np.float32))


def _cells(pitch: float) -> tuple[Pixels, Pixels]:
    """Return the place inside its cell of each pixel, every second row shifted by half."""
    row = np.floor(Y / pitch)
    return (X / pitch + row % 2 / 2) % 1 - 0.5, Y / pitch % 1 - 0.5


def dots(ground: str, spot: str, pitch: float = 8) -> Paint:
    """Polka dots."""
    across, down = _cells(pitch)
    return _cloth(ground, spot, (np.hypot(across, down) < 0.27).astype(np.float32))


def blooms(ground: str, petal: str, pitch: float = 12) -> Paint:
    """Flowers of five petals."""
    across, down = _cells(pitch)
    reach = 0.26 + 0.12 * np.cos(5 * np.arctan2(down, across))
    away = np.hypot(across, down)
    return _cloth(ground, petal, ((away < reach) & (away > 0.08)).astype(np.float32))


def knit(colour: str, pitch: float = 3.2) -> Paint:
    """Wool in rows of V-shaped stitches."""
    across = np.abs(X / pitch % 1 - 0.5)
    stitch = np.sin(np.pi * ((Y / pitch * 1.3 + across * 1.6) % 1))
    light = 0.68 + 0.3 * stitch + 0.16 * np.sin(np.pi * across * 2)
    return lambda rng: rgb(colour) * (light * _folds(rng))[..., None]


def denim(colour: str) -> Paint:
    """Diagonal twill, worn pale in places."""
    twill = 0.06 * np.sin((X + Y) * 9)
    return lambda rng: rgb(colour) * (1 + twill + 0.1 * noise(rng, 300, 120) + 0.08 * noise(rng, 6, 6) + 0.1)[..., None]


def leather(colour: str) -> Paint:
    """Fine pores and a few broad creases."""
    return lambda rng: rgb(colour) * (1 - 0.05 * np.abs(noise(rng, 130, 130)) + 0.06 * noise(rng, 9, 7))[..., None]


def suede(colour: str) -> Paint:
    """Nap that lies now this way, now that; with a finer grain it is felt, plush or fur."""
    return lambda rng: rgb(colour) * (1 + 0.055 * noise(rng, 160, 200) + 0.035 * noise(rng, 20, 20))[..., None]


def wood(colour: str) -> Paint:
    """Upright grain with growth rings."""

    def paint(rng: np.random.Generator) -> Pixels:
        rings: Pixels = np.sin((X + 2.5 * noise(rng, 5, 2)) * 1.6)
        return rgb(colour) * (1 + 0.1 * rings + 0.06 * noise(rng, 260, 12))[..., None]

    return paint


def metal(colour: str) -> Paint:
    """Brushed metal that mirrors a window."""
    glare = 0.16 * np.cos(X * 0.35) + 0.05
    return lambda rng: rgb(colour) * (1 + glare + 0.05 * noise(rng, 6, 400))[..., None]


def speckled(colour: str, fleck: str) -> Paint:
    """Stoneware: glaze with irregular flecks."""
    return lambda rng: mix(colour, fleck, np.clip((noise(rng, 70, 70) - 1.1) * 3, 0, 1))


def clay(colour: str) -> Paint:
    """Unglazed earthenware with the turning marks of the wheel."""
    return lambda rng: rgb(colour) * (1 + 0.05 * noise(rng, 110, 110) + 0.03 * noise(rng, 1, 50))[..., None]


def weave(colour: str) -> Paint:
    """Canvas, webbing and mesh: over and under."""
    light = 0.9 + 0.12 * np.sin(X * 6) * np.sin(Y * 6)
    return lambda rng: rgb(colour) * (light * _folds(rng))[..., None]


def quilt(colour: str, pitch: float = 9) -> Paint:
    """Diamonds, padded and stitched."""
    furrow = np.minimum(np.abs(np.sin((X + Y) * np.pi / pitch)), np.abs(np.sin((X - Y) * np.pi / pitch)))
    return lambda rng: rgb(colour) * (0.6 + 0.55 * np.sqrt(furrow) + 0.02 * noise(rng, 130, 130))[..., None]
