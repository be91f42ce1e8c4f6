"""Drawings: where their shapes lie, computed again by hand from what they show."""

import re
from dataclasses import replace
from itertools import pairwise
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from esmm.evaluate import plots
from esmm.evaluate.compare import Comparison, compare
from esmm.evaluate.measures import Measured
from esmm.evaluate.report import Landscape, System
from esmm.evaluate.svg import Axis, ticks


def shapes(drawing: str) -> dict[str, list[ET.Element]]:
    """Return the shapes of each class; words by the class text."""
    found: dict[str, list[ET.Element]] = {}
    for element in ET.fromstring(drawing):
        kind = "text" if element.tag.endswith("text") else str(element.get("class"))
        found.setdefault(kind, []).append(element)
    return found


def words(drawing: str) -> list[str | None]:
    return [element.text for element in shapes(drawing)["text"]]


def numbers(element: ET.Element) -> list[float]:
    return [float(number) for number in re.findall(r"-?\d+\.?\d*", str(element.get("d")))]


def comparison(*values: float, name: str = "fused") -> Comparison:
    questions = tuple(f"q{at}" for at in range(len(values)))
    base = Measured(questions, {"nDCG@10": np.zeros(len(values))})
    return compare((name, Measured(questions, {"nDCG@10": np.array(values)})), ("keyword", base))


def system(name: str, **given: object) -> System:
    nothing = Measured((), {})
    return replace(System(name, nothing, nothing), **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (-0.26, 0.26, [-0.2, 0, 0.2]),
        (0.61, 0.642, [0.61, 0.62, 0.63, 0.64]),
        (0, 12.3, [0, 2.5, 5, 7.5, 10]),
        (3, 3, [3]),
    ],
)
def test_ticks_are_round(low: float, high: float, expected: list[float]) -> None:
    found = ticks(low, high)
    assert found == pytest.approx(expected)
    assert all(len(f"{tick:g}") <= 5 for tick in found)


def test_an_axis() -> None:
    assert [Axis(1, 100, 0, 10, log=True).at(value) for value in (1, 10, 100, 1000)] == pytest.approx([0, 5, 10, 10])
    assert [Axis(-1, 1, 10, 0).at(value) for value in (-1, 0, 0.5, 2)] == [10, 5, 2.5, 0]


def test_each_question_has_a_bar_as_long_as_its_difference() -> None:
    found = comparison(-0.2, 0.4, 0.0, 0.1)
    drawn = plots.differences(found, (-0.4, 0.4))
    middle, unit = (190 + 14) / 2, (190 - 14) / 0.8
    (won,), (lost,) = shapes(drawn)["won"], shapes(drawn)["lost"]
    ends = [float(end) for end in re.findall(r"V(-?[\d.]+)", str(won.get("d")) + str(lost.get("d")))]
    assert ends == pytest.approx([middle - 0.4 * unit, middle - 0.1 * unit, middle + 0.2 * unit], abs=0.06)
    starts = [float(start) for start in re.findall(r"M(-?[\d.]+)", str(won.get("d")) + str(lost.get("d")))]
    quarter = (352 - 40) / 4
    assert starts == pytest.approx([40 + quarter * (place + 0.15) for place in (0, 1, 3)], abs=0.01)
    assert words(drawn)[-3:] == ["2 won", "1 unchanged", "1 lost"]


def test_all_won_or_all_lost() -> None:
    for found, lost in ((comparison(0.1, 0.2), ""), (comparison(-0.1, -0.2), "M")):
        drawn = shapes(plots.differences(found, (-1, 1)))
        assert str(drawn["lost"][0].get("d"))[:1] == lost
        assert bool(drawn["won"][0].get("d")) is not bool(lost)


def test_one_scale_for_all() -> None:
    assert plots.span([comparison(0.3, -0.05), comparison(0.2, -0.4)]) == (-0.4, 0.3)
    assert plots.span([comparison(0.01, 0.0)]) == (-0.1, 0.1)


def test_gains_with_their_intervals() -> None:
    both = [comparison(0.1, 0.2, 0.3), comparison(-0.1, 0.1, -0.3, name="a <b> & c")]
    drawn = plots.gains(both)
    found = shapes(drawn)
    low, high = min(c.low for c in both), max(c.high for c in both)
    at = Axis(low, high, 8, 344).at
    assert [float(str(dot.get("cx"))) for dot in found["dot"]] == pytest.approx([at(c.gain) for c in both], abs=0.06)
    assert [numbers(line)[::2] for line in found["range"]] == [
        pytest.approx([at(c.low), at(c.high)], abs=0.06) for c in both
    ]
    assert numbers(found["zero"][0])[0] == pytest.approx(at(0), abs=0.06)
    assert {"fused", "+0.200", "a <b> & c", "-0.100"} <= set(words(drawn))


def test_one_question_has_no_interval() -> None:
    found = shapes(plots.gains([comparison(0.1)]))
    assert "range" not in found
    assert len(found["dot"]) == 1


def test_recall_by_cut_and_a_line_for_each() -> None:
    curves = [{1: 0.1, 10: 0.5, 100: 1.0}, {1: 0.0, 100: 0.5}]
    systems = [system("a", recall=curves[0]), system("none"), system("oracle", recall=curves[1], control=True)]
    found = shapes(plots.recall(systems))
    across, down = Axis(1, 100, 40, 346, log=True).at, Axis(0, 1, 200, 14).at
    for line, curve in zip(found["line"], curves, strict=True):
        assert numbers(line) == pytest.approx([at for k, v in curve.items() for at in (across(k), down(v))], abs=0.06)
    assert ["--faint" in str(line.get("style")) for line in found["line"]] == [False, True]
    assert {"1", "10", "100"} <= set(words(plots.recall(systems)))


def test_lines_can_be_told_apart() -> None:
    systems = [system(str(at), control=at > 8) for at in range(13)]
    styles = [style for style, _ in plots.styled(systems)]
    assert len(set(styles)) == 13
    assert [found.name for _, found in plots.styled(systems)] == [found.name for found in systems]


def test_labels_of_cuts_do_not_touch() -> None:
    drawn = plots.recall([system("a", recall={k: 0.5 for k in range(1, 101)})])
    places = [float(str(e.get("x"))) for e in shapes(drawn)["text"] if str(e.text).isdigit() and e.get("y") == "216.0"]
    assert len(places) > 4
    assert min(b - a for a, b in pairwise(places)) >= 22


def test_a_curve_of_weights() -> None:
    drawn = plots.landscape(
        Landscape(("text",), ((1.0,), (0.0,), (0.5,)), (0.5, 0.6, 0.7), ((0.4, 0.6), (0.5, 0.7), (0.6, 0.8)), (0.5,)),
        "MRR",
    )
    found = shapes(drawn)
    across, down = Axis(0, 1, 40, 346).at, Axis(0.38, 0.82, 200, 14).at
    expected = [at for x, y in ((0, 0.6), (0.5, 0.7), (1, 0.5)) for at in (across(x), down(y))]
    assert numbers(found["line"][0]) == pytest.approx(expected, abs=0.06)
    assert numbers(found["chosen"][0])[0] == pytest.approx(across(0.5), abs=0.06)
    edges = [(0, 0.5), (0.5, 0.6), (1, 0.4), (1, 0.6), (0.5, 0.8), (0, 0.7)]
    assert numbers(found["band"][0]) == pytest.approx([at for x, y in edges for at in (across(x), down(y))], abs=0.06)
    assert "MRR by the weight of text: from 0.500 to 0.700, chosen: 0.5" in drawn


def test_a_map_of_two_weights() -> None:
    points = tuple((x, y) for x in (0.0, 1.0) for y in (0.0, 0.5, 1.0))
    values = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
    drawn = plots.landscape(Landscape(("text", "image"), points, values, chosen=(1.0, 0.5)), "MRR")
    found = shapes(drawn)
    cells = [*found["cell"], *found["cell chosen"]]
    shades = {(cell.get("x"), cell.get("y")): float(str(cell.get("fill-opacity"))) for cell in cells}
    # Larger weights lie to the right and above; more is darker.
    order = sorted(shades, key=lambda at: (float(str(at[0])), -float(str(at[1]))))
    assert [shades[at] for at in order] == sorted(shades.values())
    assert len(found["cell chosen"]) == 1
    assert {"0.100", "0.600", "weight of text", "weight of image"} <= set(words(drawn))


def test_a_wide_map_holds_no_figures() -> None:
    points = tuple((x / 20, 0.0) for x in range(21))
    drawn = plots.landscape(Landscape(("text", "image"), points, tuple(x for x, _ in points)), "MRR")
    assert "0.350" not in words(drawn)
    assert len([word for word in words(drawn) if word and re.fullmatch(r"[\d.]+", word)]) <= 9


def test_one_flat_point_is_drawn_too() -> None:
    for weights, point in ((("text",), (0.5,)), (("text", "image"), (0.5, 0.5))):
        assert "0.5" in words(plots.landscape(Landscape(weights, (point,), (0.6,)), "MRR"))


def test_latency() -> None:
    drawn = plots.latency([system("fast", latency=(2.0, 5.0)), system("untimed"), system("slow", latency=(4.0, 10.0))])
    at = Axis(0, 10, 8, 344).at
    found = shapes(drawn)
    assert [float(str(dot.get("cx"))) for dot in found["dot"]] == pytest.approx([at(2), at(4)], abs=0.06)
    assert [numbers(line)[2] for line in found["range"]] == pytest.approx([at(5), at(10)], abs=0.06)
    assert {"fast", "slow", "2 / 5 ms", "4 / 10 ms"} <= set(words(drawn))
