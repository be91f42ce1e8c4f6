"""The drawing board of the sample catalogue: outlines, light and shadow.

Lengths are in per cent of the picture's side, y downwards. An outline is an image of mode "L" at four times the
final side. A form turns an outline into light (a factor) and shine (an addend).
"""

from collections.abc import Callable, Sequence
from functools import reduce

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw, ImageFilter
from textures import SIZE, Paint, Pixels, X, Y, rgb

SIDE = 224
Point = tuple[float, float]
Outline = Image.Image
Knots = NDArray[np.float64]
Form = Callable[[Outline], tuple[Pixels, Pixels]]
_UNIT = SIZE / 100


def _scaled(points: Sequence[Point]) -> list[Point]:
    return [(x * _UNIT, y * _UNIT) for x, y in points]


def _drawn(paint: Callable[[ImageDraw.ImageDraw], None]) -> Outline:
    outline = Image.new("L", (SIZE, SIZE))
    paint(ImageDraw.Draw(outline))
    return outline


def mirrored(points: Sequence[Point]) -> list[Point]:
    """Complete a right half, from top to bottom, by its mirror image about x = 50."""
    return [*points, *((100 - x, y) for x, y in reversed(points))]


def bend(points: Sequence[Point], *, closed: bool) -> list[Point]:
    """Return a Catmull-Rom curve through the points."""
    ring = [points[-1], *points, *points[:2]] if closed else [points[0], *points, points[-1]]
    knots = np.array(ring, dtype=np.float64)
    t = np.linspace(0, 1, 16, endpoint=False)[:, None]
    spans = [_span(knots[i : i + 4], t) for i in range(len(knots) - 3)]
    return [(float(x), float(y)) for x, y in np.vstack([*spans, knots[-2:-1]])]


def _span(knots: Knots, t: Knots) -> Knots:
    a, b, c, d = knots
    curve: Knots = b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))
    return curve


def poly(points: Sequence[Point], soft: float = 1.0) -> Outline:
    """Draw a polygon whose corners are rounded by about ``soft``."""
    sharp = _drawn(lambda pen: pen.polygon(_scaled(points), fill=255))
    if not soft:
        return sharp
    return soften(sharp, soft).point([255 * (v > 127) for v in range(256)])


def curve(points: Sequence[Point]) -> Outline:
    """Draw a smooth closed outline through the points."""
    return poly(bend(points, closed=True), soft=0)


def oval(centre: Point, rx: float, ry: float = 0) -> Outline:
    """Draw an ellipse, or a circle where ``ry`` is left out."""
    (x, y), ry = centre, ry or rx
    return _drawn(lambda pen: pen.ellipse(_scaled([(x - rx, y - ry), (x + rx, y + ry)]), fill=255))


def ring(centre: Point, rx: float, ry: float = 0, *, width: float = 2) -> Outline:
    """Draw an elliptic band whose outer radii are given."""
    return minus(oval(centre, rx, ry), oval(centre, rx - width, (ry or rx) - width))


def box(left_top: Point, right_bottom: Point, soft: float = 2) -> Outline:
    """Draw a rectangle with corners of radius ``soft``."""
    corners = _scaled([left_top, right_bottom])
    return _drawn(lambda pen: pen.rounded_rectangle(corners, soft * _UNIT, fill=255))


def stroke(points: Sequence[Point], width: float = 2) -> Outline:
    """Draw a smooth line with round ends."""
    path, radius = bend(points, closed=False) if len(points) > 2 else list(points), width / 2
    line = _drawn(lambda pen: pen.line(_scaled(path), fill=255, width=round(width * _UNIT), joint="curve"))
    return union(line, oval(points[0], radius), oval(points[-1], radius))


def soften(outline: Outline, radius: float) -> Outline:
    """Blur the edge over about ``radius``."""
    return outline.filter(ImageFilter.GaussianBlur(radius * _UNIT))


def union(*outlines: Outline) -> Outline:
    """Return what any outline covers."""
    return reduce(ImageChops.lighter, outlines)


def minus(outline: Outline, *others: Outline) -> Outline:
    """Cut the others out."""
    return reduce(ImageChops.subtract, others, outline)


def within(outline: Outline, other: Outline) -> Outline:
    """Return what both cover."""
    return ImageChops.darker(outline, other)


def _pixels(image: Image.Image) -> Pixels:
    return np.asarray(image, dtype=np.float32) / np.float32(255)


def _enlarged(values: Pixels) -> Pixels:
    image = Image.fromarray(values.astype(np.float32)).resize((SIZE, SIZE), Image.Resampling.BILINEAR)
    return np.asarray(image, dtype=np.float32)


def puff(depth: float = 1.0, gloss: float = 0.0) -> Form:
    """Swell the outline like a cushion lit from the upper left."""

    def form(outline: Outline) -> tuple[Pixels, Pixels]:
        small = outline.resize((SIDE, SIDE))
        height = np.sum([_pixels(small.filter(ImageFilter.GaussianBlur(r))) * r for r in (3, 8, 18)], axis=0)
        down, across = np.gradient(height)
        slope = across * 0.5 + down * 0.8
        return _enlarged(0.97 + depth * 0.42 * slope), _enlarged(gloss * np.clip(slope - 0.3, 0, 1))

    return form


def tube(gloss: float = 0.2) -> Form:
    """Round the outline about an upright axis, with one bright band."""

    def form(outline: Outline) -> tuple[Pixels, Pixels]:
        left, _, right, _ = outline.getbbox() or (0, 0, SIZE, SIZE)
        place = (X * _UNIT - left) / (right - left) * 2 - 1
        return 1.06 - 0.5 * np.abs(place + 0.25) ** 2.2, gloss * np.exp(-(((place + 0.45) / 0.13) ** 2))

    return form


def ball(gloss: float = 0.3) -> Form:
    """Round the outline like a globe, with one highlight."""

    def form(outline: Outline) -> tuple[Pixels, Pixels]:
        left, top, right, bottom = (edge / _UNIT for edge in outline.getbbox() or (0, 0, SIZE, SIZE))
        across = (X - (left + right) / 2) / (right - left) * 2 + 0.3
        down = (Y - (top + bottom) / 2) / (bottom - top) * 2 + 0.35
        away = across**2 + down**2
        return 1.1 - 0.3 * away, gloss * np.exp(-away * 9)

    return form


def flat(_: Outline) -> tuple[Pixels, Pixels]:
    """Light an even face: a little brighter at the upper left."""
    return 1.06 - 0.0012 * (X + Y), np.zeros_like(X)


class Scene:
    """One photo in the making: parts are laid over each other, then lit from above on a light ground."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self._colours: Pixels = np.ones((SIZE, SIZE, 3), dtype=np.float32)
        self._cover = Image.new("L", (SIZE, SIZE))
        self._shadow = Image.new("L", (SIZE, SIZE))
        self._painted: dict[Paint, Pixels] = {}

    def fill(self, outline: Outline, paint: Paint, form: Form | None = None) -> None:
        """Lay a part; parts of one paint share one piece of material."""
        if paint not in self._painted:
            self._painted[paint] = paint(self.rng)
        light, shine = (form or puff())(outline)
        self._blend(outline, self._painted[paint] * light[..., None] + shine[..., None])
        self._cover = union(self._cover, outline)

    def mark(self, outline: Outline, colour: str = "black", strength: float = 0.25) -> None:
        """Tint what lies there already: a seam, a fold, a print."""
        part = outline.point([round(v * strength) for v in range(256)])
        self._blend(within(part, self._cover), rgb(colour))

    def stand(self, centre: Point, rx: float, ry: float = 3.0) -> None:
        """Cast a shadow on the floor."""
        self._shadow = union(self._shadow, oval(centre, rx, ry))

    def _blend(self, outline: Outline, colours: Pixels) -> None:
        share = _pixels(outline)[..., None]
        self._colours = self._colours * (1 - share) + np.clip(colours, 0, 1) * share

    def photo(self, view: tuple[float, float, float, float] = (0, 0, 100, 100)) -> Image.Image:
        """Return the finished picture, SIDE by SIDE, RGB; ``view`` is the part shown: left, top, right, bottom."""
        cast = ImageChops.offset(self._cover, round(1.2 * _UNIT), round(1.8 * _UNIT))
        shade = 0.22 * _blurred(cast, 6) + 0.42 * _blurred(self._shadow, 4)
        ground = (0.985 - 0.0004 * Y - shade)[..., None] * np.array([1, 1, 1.004], dtype=np.float32)
        cover = _pixels(self._cover)[..., None]
        pixels = np.clip(ground * (1 - cover) + self._colours * cover, 0, 1)
        whole = Image.fromarray((pixels * 255).round().astype(np.uint8))
        (left, top), (right, bottom) = _scaled([view[:2], view[2:]])
        return whole.resize((SIDE, SIDE), Image.Resampling.LANCZOS, box=(left, top, right, bottom))


def _blurred(outline: Outline, radius: float) -> Pixels:
    small = outline.resize((SIDE, SIDE)).filter(ImageFilter.GaussianBlur(radius))
    return _enlarged(_pixels(small))
