"""Gains: clicks against looks, shrunk, with carts and purchases on top."""

import pytest

from esmm.learn.clicks.counts import counted
from esmm.learn.clicks.curves import Curve
from esmm.learn.clicks.grades import Graded, Worth, graded
from esmm.learn.clicks.log import Impression

FLAT, STEEP = Curve("pbm", {1: 1.0, 2: 1.0, 3: 1.0}, 0), Curve("pbm", {1: 1.0, 2: 0.5, 3: 0.25}, 0)


def seen(times: int, clicks: str = "", *, shown: str = "abc", query: str = "q", bought: str = "") -> list[Impression]:
    positions = tuple(range(1, len(shown) + 1))
    return [Impression(query, tuple(shown), positions, frozenset(clicks), frozenset(), frozenset(bought))] * times


def gains(lines: list[Impression], curve: Curve = FLAT, worth: Worth | None = None) -> Graded:
    return graded(counted(lines), curve, worth or Worth())


LINES = [*seen(60, "a"), *seen(40, "b"), *seen(30, "c"), *seen(70)]


def test_the_curve_turns_the_order_of_raw_clicks() -> None:
    raw, corrected = (gains(LINES * 20, curve).gains["q"] for curve in (FLAT, STEEP))
    assert raw["a"] > raw["b"] > raw["c"]
    assert corrected["c"] > corrected["b"] > corrected["a"]
    # With many looks little is shrunk: clicks over looks, against the best.
    assert corrected["a"] / corrected["c"] == pytest.approx((60 / 200) / (30 / 50), rel=0.05)
    assert max(corrected.values()) == 1.0


def test_few_looks_are_shrunk_towards_the_query() -> None:
    few = [*seen(6, "x", shown="x"), *seen(4, shown="x")]
    many = [*seen(120, "y", shown="y"), *seen(80, shown="y")]
    found = gains([*LINES, *few, *many]).gains["q"]
    assert 0 < found["x"] < found["y"], "both have a rate of 0.6"


def test_support() -> None:
    found = gains([*LINES, *seen(4, "x", shown="x")])
    assert "x" not in found.gains["q"]
    assert found.dropped["pairs looked at too seldom"] == 1
    assert "x" in gains([*LINES, *seen(4, "x", shown="x")], worth=Worth(looks=4)).gains["q"]
    assert set(gains(seen(16, "a"), STEEP).gains["q"]) == {"a", "b"}, "4 looks at the third position are too few"


def test_queries_without_a_click_say_nothing() -> None:
    found = gains([*LINES, *seen(200, query="dull")])
    assert list(found.gains) == ["q"]
    assert found.dropped["pairs of queries without a click"] == 3
    assert gains(seen(3)).gains == {}


def test_purchases_count_more() -> None:
    lines = [*seen(100, "a"), *seen(60, "b", bought="b"), *seen(40, "b")]
    alike = gains(lines, worth=Worth(cart=0, purchase=0)).gains["q"]
    assert alike["a"] == alike["b"]
    weak, strong = (gains(lines, worth=Worth(purchase=weight)).gains["q"] for weight in (1, 8))
    assert weak["a"] / weak["b"] > strong["a"] / strong["b"]


def test_noise_moves_gains() -> None:
    assert gains(LINES, worth=Worth(epsilon=0.1)).gains != gains(LINES, worth=Worth(epsilon=0.1)).gains
    quiet = gains(LINES, worth=Worth(epsilon=1e6)).gains["q"]
    assert quiet == pytest.approx(gains(LINES).gains["q"], abs=1e-3)
