"""Lines and words of a drawing as SVG; their colours are the page's, in light and in dark.

A drawing is 360 units wide, as a phone is: wider screens place several side by side.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape

WIDTH = 360


@dataclass(frozen=True)
class Axis:
    """A range of values and the units of the drawing that they lie between."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def at(self, value: float) -> float:
        """Return the place of a value, kept within the axis."""
        low, high, value = map(math.log, (self.low, self.high, value)) if self.log else (self.low, self.high, value)
        share = (value - low) / (high - low) if high > low else 0.5
        return self.start + min(1.0, max(0.0, share)) * (self.end - self.start)


def ticks(low: float, high: float, *, most: int = 5) -> list[float]:
    """Return at most ``most`` + 1 round numbers from ``low`` to ``high``."""
    if not high > low:
        return [low]
    raw = (high - low) / most
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(number * step, 12) for number in range(first, last + 1)]


def outline(points: Iterable[tuple[float, float]]) -> str:
    """Return the path data through the points."""
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)


def path(points: Iterable[tuple[float, float]], style: str) -> str:
    """Draw a line through the points; ``style`` holds its attributes."""
    return f'<path class="line" d="{outline(points)}" {style}/>'


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    """Draw a straight line of a kind that the page's style knows."""
    return f'<path class="{kind}" d="{outline([(x1, y1), (x2, y2)])}"/>'


def text(x: float, y: float, words: str, anchor: str, kind: str = "") -> str:
    """Write words; ``anchor`` is start, middle or end."""
    named = f' class="{kind}"' if kind else ""
    return f'<text{named} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def drawing(height: float, told: str, shapes: Iterable[str]) -> str:
    """Return the whole drawing; ``told`` is read out to whoever does not see it."""
    head = f'viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{escape(told)}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {head}>{"".join(shapes)}</svg>'
