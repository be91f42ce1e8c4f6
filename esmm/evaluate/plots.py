"""The drawings of an evaluation: gains, differences by question, recall, weights, latency."""

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from esmm.evaluate.svg import Axis, drawing, line, outline, path, text, ticks

if TYPE_CHECKING:
    from esmm.evaluate.compare import Comparison
    from esmm.evaluate.report import Landscape, System

_LEFT, _RIGHT, _TOP = 40, 352, 14
_ROW = 38
# A cell of a map that is as wide as this holds a figure.
_FIGURE = 34
# Colours in the page's style; after these the lines are dashed.
_COLOURS = 5
_DASHES = ("", "5 3", "2 2", "8 3 2 3")


def gains(comparisons: "Sequence[Comparison]") -> str:
    """Draw the gain of each system over the baseline with its interval, and a line at 0."""
    rows = [(c.system, c.low, c.gain, c.high, f"{c.gain:+.3f}") for c in comparisons]
    best = max(comparisons, key=lambda c: c.gain)
    return _ranges(rows, told=f"Gain over {best.baseline}; the most is {best.gain:+.3f}, by {best.system}", unit="")


def latency(systems: "Iterable[System]") -> str:
    """Draw the median and the 95th percentile of the time that each system takes, in ms."""
    times = [(system.name, *system.latency) for system in systems if system.latency]
    rows = [(name, p50, p50, p95, f"{p50:.3g} / {p95:.3g} ms") for name, p50, p95 in times]
    return _ranges(rows, told="Time of a search by system: median and 95th percentile, in ms", unit=" ms")


def span(comparisons: "Iterable[Comparison]") -> tuple[float, float]:
    """Return the least and the largest difference of all, so that drawings side by side have one scale."""
    ends = [float(end) for c in comparisons for end in (c.differences.min(), c.differences.max())]
    return min(-0.1, *ends), max(0.1, *ends)


def differences(comparison: "Comparison", ends: tuple[float, float]) -> str:
    """Draw one bar for each question, from the most won to the most lost, on a scale between two ends."""
    values = sorted(comparison.differences.tolist(), reverse=True)
    across = Axis(0, len(values), _LEFT, _RIGHT)
    down = Axis(*ends, 190, _TOP)
    bars = [_bar(across.at(place), across.at(place + 1), down.at(0), down.at(v)) for place, v in enumerate(values)]
    won = f'<path class="won" d="{"".join(bars[: comparison.won])}"/>'
    lost = f'<path class="lost" d="{"".join(bars[len(bars) - comparison.lost :])}"/>'
    words = [
        text(_LEFT + 4, 206, f"{comparison.won} won", "start"),
        text((_LEFT + _RIGHT) / 2, 206, f"{comparison.unchanged} unchanged", "middle"),
        text(_RIGHT, 206, f"{comparison.lost} lost", "end"),
    ]
    counts = f"{comparison.won} won, {comparison.unchanged} unchanged, {comparison.lost} lost"
    told = f"{comparison.system} less {comparison.baseline}, question by question: {counts}"
    return drawing(212, told, [*_scale(down), won, lost, line(_LEFT, down.at(0), _RIGHT, down.at(0), "zero"), *words])


def recall(systems: "Sequence[System]") -> str:
    """Draw recall against the cut k, on a logarithmic scale, a line for each system."""
    lines = [(style, system.recall) for style, system in styled(systems) if system.recall]
    cuts = sorted({cut for _, curve in lines for cut in curve})
    across = Axis(min(cuts), max(cuts), _LEFT, _RIGHT - 6, log=True)
    down = Axis(0, 1, 200, _TOP)
    labels = [text(across.at(cut), 216, str(cut), "middle") for cut in _sparse(cuts, across)]
    paths = [path([(across.at(cut), down.at(curve[cut])) for cut in sorted(curve)], style) for style, curve in lines]
    name = text((_LEFT + _RIGHT) / 2, 232, "k", "middle")
    return drawing(
        238, "Recall against k by system; the table of all measures has figures", [*_scale(down), *labels, *paths, name]
    )


def landscape(found: "Landscape", measure: str) -> str:
    """Draw the measure over one weight as a line with its interval, over two as a map."""
    return _map(found, measure) if len(found.weights) == 2 else _curve(found, measure)


def styled(systems: "Sequence[System]") -> "list[tuple[str, System]]":
    """Return the systems, each with the attributes of its line; controls are grey."""
    shown = [system for system in systems if not system.control]
    controls = [system for system in systems if system.control]
    colours = [(f"--c{place % _COLOURS}", place // _COLOURS) for place in range(len(shown))]
    colours += [("--faint", 1 + place) for place in range(len(controls))]
    dashes = [(colour, _DASHES[dash % len(_DASHES)]) for colour, dash in colours]
    attributes = [f'style="stroke: var({colour})" stroke-dasharray="{dash or "none"}"' for colour, dash in dashes]
    return list(zip(attributes, [*shown, *controls], strict=True))


def _curve(found: "Landscape", measure: str) -> str:
    points = sorted(zip((point[0] for point in found.points), range(len(found.points)), strict=True))
    low, high = _around([*found.values, *(end for pair in found.intervals for end in pair)])
    across, down = Axis(points[0][0], points[-1][0], _LEFT, _RIGHT - 6), Axis(low, high, 200, _TOP)
    shapes = [text(across.at(tick), 216, f"{tick:g}", "middle") for tick in ticks(across.low, across.high)]
    if found.intervals:
        edges = [[(across.at(x), down.at(found.intervals[at][side])) for x, at in points] for side in (0, 1)]
        shapes.append(f'<path class="band" d="{outline([*edges[0], *reversed(edges[1])])}Z"/>')
    shapes.append(path([(across.at(x), down.at(found.values[at])) for x, at in points], 'style="stroke: var(--c0)"'))
    if found.chosen:
        place = across.at(found.chosen[0])
        shapes.append(line(place, _TOP, place, 200, "chosen"))
    name = text((_LEFT + _RIGHT) / 2, 232, f"weight of {found.weights[0]}", "middle")
    return drawing(238, _told(found, measure), [*_scale(down), *shapes, name])


def _map(found: "Landscape", measure: str) -> str:
    columns, rows = (sorted({point[axis] for point in found.points}) for axis in (0, 1))
    wide, high = (_RIGHT - _LEFT) / len(columns), min(40.0, 240 / len(rows))
    bottom, (least, most) = _TOP + high * len(rows), _around(found.values)
    shapes = [text(0, _TOP - 4, f"weight of {found.weights[1]}", "start")]
    for point, value in zip(found.points, found.values, strict=True):
        corner = (_LEFT + wide * columns.index(point[0]), bottom - high * (1 + rows.index(point[1])))
        shade = 0.05 + 0.55 * (value - least) / (most - least)
        shapes.append(_cell(corner, (wide, high), shade=shade, chosen=point == found.chosen))
        if wide >= _FIGURE:
            shapes.append(text(corner[0] + wide / 2, corner[1] + high / 2 + 4, f"{value:.3f}", "middle", "figure"))
    for place, value in list(enumerate(columns))[:: 1 + len(columns) // 9]:
        shapes.append(text(_LEFT + wide * (place + 0.5), bottom + 14, f"{value:g}", "middle"))
    for place, value in list(enumerate(rows))[:: 1 + len(rows) // 15]:
        shapes.append(text(_LEFT - 4, bottom - high * (place + 0.5) + 4, f"{value:g}", "end"))
    shapes.append(text((_LEFT + _RIGHT) / 2, bottom + 30, f"weight of {found.weights[0]}", "middle"))
    return drawing(bottom + 36, _told(found, measure), shapes)


def _cell(corner: tuple[float, float], size: tuple[float, float], *, shade: float, chosen: bool) -> str:
    kind = "cell chosen" if chosen else "cell"
    place = f'x="{corner[0] + 1.5:.1f}" y="{corner[1] + 1.5:.1f}"'
    box = f'width="{max(1.0, size[0] - 3):.1f}" height="{max(1.0, size[1] - 3):.1f}"'
    return f'<rect class="{kind}" {place} {box} fill-opacity="{shade:.2f}"/>'


def _told(found: "Landscape", measure: str) -> str:
    chosen = f", chosen: {', '.join(f'{weight:g}' for weight in found.chosen)}" if found.chosen else ""
    return (
        f"{measure} by the weight of {' and '.join(found.weights)}: "
        f"from {min(found.values):.3f} to {max(found.values):.3f}{chosen}"
    )


def _ranges(rows: Sequence[tuple[str, float, float, float, str]], *, told: str, unit: str) -> str:
    """Draw a row for each name: a line from low to high, and a dot."""
    ends = [value for row in rows for value in row[1:4] if not math.isnan(value)]
    across = Axis(min(0.0, *ends), max(0.0, *ends, 1e-3), 8, _RIGHT - 8)
    bottom = _TOP + _ROW * len(rows)
    shapes = [line(across.at(0), _TOP - 8, across.at(0), bottom, "zero")]
    for tick in ticks(across.low, across.high):
        shapes.append(text(across.at(tick), bottom + 14, f"{tick:g}{unit}", "middle" if tick > across.low else "start"))
    for place, (name, low, middle, high, label) in enumerate(rows):
        y = _TOP + _ROW * place
        shapes += [text(8, y + 6, _short(name), "start", "name"), text(_RIGHT, y + 6, label, "end", "figure")]
        if not math.isnan(low):
            shapes.append(line(across.at(low), y + 18, across.at(high), y + 18, "range"))
        shapes.append(f'<circle class="dot" cx="{across.at(middle):.1f}" cy="{y + 18}" r="4.5"/>')
    return drawing(bottom + 20, told, shapes)


def _around(values: Iterable[float]) -> tuple[float, float]:
    """Return a range a little wider than the values."""
    low, high = min(values := list(values)), max(values)
    margin = 0.05 * (high - low) or 0.01
    return low - margin, high + margin


def _sparse(cuts: Sequence[int], across: Axis) -> list[int]:
    """Return the cuts whose labels do not touch."""
    kept: list[int] = []
    for cut in cuts:
        if not kept or across.at(cut) - across.at(kept[-1]) >= 22:
            kept.append(cut)
    return kept


def _scale(down: Axis) -> list[str]:
    """Draw the lines and numbers of a vertical axis."""
    places = [(down.at(tick), f"{tick:g}") for tick in ticks(down.low, down.high)]
    return [
        part for y, word in places for part in (line(_LEFT, y, _RIGHT, y, "grid"), text(_LEFT - 5, y + 4, word, "end"))
    ]


def _short(name: str) -> str:
    return name if len(name) <= 34 else name[:33] + "…"


def _bar(left: float, right: float, zero: float, end: float) -> str:
    gap = 0.15 * (right - left)
    return f"M{left + gap:.2f} {zero:.1f}H{right - gap:.2f}V{end:.1f}H{left + gap:.2f}Z"
