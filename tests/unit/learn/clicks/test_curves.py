"""The curve of positions is found again, by EM and by swaps, in logs made from a known one."""

import numpy as np
import pytest

from benchmarks.click_logs import World, searches, world, written
from esmm.errors import LearnError
from esmm.learn.clicks.counts import counted
from esmm.learn.clicks.curves import Curve, by_pbm, by_swaps
from esmm.learn.clicks.log import Impression, read_log


@pytest.fixture(scope="module")
def truth() -> World:
    return world(3, queries=25)


@pytest.fixture(scope="module")
def impressions(truth: World, tmp_path_factory: pytest.TempPathFactory) -> list[Impression]:
    path = written(tmp_path_factory.mktemp("log") / "log.jsonl", searches(truth, 8_000, swaps=0.6))
    return read_log(path).impressions


def relative(curve: Curve) -> np.ndarray:
    looks = np.array(list(curve.looks.values()))
    return looks / looks[0]


def test_em_finds_the_curve(truth: World, impressions: list[Impression]) -> None:
    counts = counted(impressions)
    found = relative(by_pbm(counts))
    rates = counts.of_positions(counts.clicks) / counts.of_positions(counts.views)
    error, raw = (np.abs(np.log(curve / truth.looks)).mean() for curve in (found, rates / rates[0]))
    assert error < 0.12
    assert error < raw / 2, "click-through rates by position are steeper: better products stand higher"


def test_swaps_find_the_curve(truth: World, impressions: list[Impression]) -> None:
    found = relative(by_swaps(impressions))
    assert np.abs(np.log(found / truth.looks)).mean() < 0.25
    assert found[1] == pytest.approx(0.5, abs=0.08)


def test_em_agrees_with_its_own_equations(impressions: list[Impression]) -> None:
    """Where EM stands still, the clicks expected at each position are those that were made there."""
    counts = counted(impressions)
    curve = by_pbm(counts)
    looks = np.array(list(curve.looks.values()))[counts.position]
    appeal = counts.of_pairs(counts.clicks) / counts.of_pairs(counts.views * looks)
    expected = counts.of_positions(counts.views * looks * appeal[counts.pair])
    assert expected == pytest.approx(counts.of_positions(counts.clicks), rel=0.15)


def duel(first: str, second: str, clicks: str, positions: tuple[int, int] = (1, 2)) -> Impression:
    return Impression("q", (first, second), positions, frozenset(clicks), swapped=positions)


def test_one_pair_of_positions_gives_the_ratio_of_its_clicks() -> None:
    lines = [duel("a", "b", "a"), duel("b", "a", "b")] * 90 + [duel("a", "b", "b")] * 45 + [duel("b", "a", "")] * 9
    assert by_swaps(lines).looks == {1: 1.0, 2: pytest.approx(45.5 / 180.5, abs=1e-4)}


def test_swaps_of_neighbours_are_chained_and_islands_left_out() -> None:
    near = [duel("a", "b", "a")] * 80 + [duel("b", "a", "a")] * 40
    far = [duel("a", "b", "a", (2, 3))] * 80 + [duel("b", "a", "a", (2, 3))] * 40
    island = [duel("a", "b", "a", (8, 9))] * 50
    looks = by_swaps([*near, *far, *island]).looks
    assert list(looks) == [1, 2, 3]
    assert (looks[2], looks[3]) == (pytest.approx(0.5, abs=0.01), pytest.approx(0.25, abs=0.01))


def test_one_order_alone_is_refused() -> None:
    lines = [duel(f"a{n % 9}", f"b{n % 9}", "") for n in range(90)]
    lines = [Impression(one.query, one.shown, one.positions, frozenset(one.shown), swapped=(1, 2)) for one in lines * 3]
    with pytest.raises(LearnError, match="one order only"):
        by_swaps(lines)


def test_too_few_clicks() -> None:
    still = [Impression("q", ("a", "b"), (1, 2), frozenset("a"))] * 500
    with pytest.raises(LearnError, match="only 0 clicks fell on products that stood at several positions"):
        by_pbm(counted(still))
    with pytest.raises(LearnError, match="only 0 clicks fell on swapped positions"):
        by_swaps(still)


def test_between_and_beyond_known_positions() -> None:
    curve = Curve("swaps", {1: 1.0, 4: 0.5, 9: 0.1}, 500)
    assert curve.at([1, 2, 4, 9, 40]) == pytest.approx([1.0, 0.75, 0.5, 0.1, 0.1])
