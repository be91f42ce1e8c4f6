"""Interleaving: fair lists, no favour between equals on simulated clicks, the better one found, faults told."""

import json
import math
from collections import Counter
from pathlib import Path
from random import Random

import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from esmm.errors import LearnError
from esmm.evaluate.interleave import (
    Impression,
    Mixed,
    Outcome,
    credited,
    in_share,
    read_impressions,
    sign_test,
    team_draft,
    wilson,
)

LISTS = st.lists(st.sampled_from("abcdefghijkl"), unique=True, max_size=12)


@given(first=LISTS, second=LISTS, length=st.integers(0, 15), seed=st.integers(0, 99))
def test_each_list_keeps_its_order_and_teams_are_level(first: str, second: str, length: int, seed: int) -> None:
    mixed = team_draft(first, second, length=length, rng=Random(seed))
    assert len(set(mixed.ids)) == len(mixed.ids) == min(length, len({*first, *second}))
    for end in range(len(mixed.ids) + 1):
        picked = Counter(mixed.teams[:end])
        assert abs(picked["a"] - picked["b"]) <= 1
    for team, ranking in (("a", first), ("b", second)):
        for place, (found, given_to) in enumerate(zip(mixed.ids, mixed.teams, strict=True)):
            if given_to == team:  # the best of its list that was not there yet
                assert found == next(product for product in ranking if product not in mixed.ids[:place])


@given(first=LISTS, second=LISTS, seed=st.integers(0, 99))
def test_pages_fit_together(first: str, second: str, seed: int) -> None:
    short, long = (team_draft(first, second, length=length, rng=Random(seed)) for length in (4, 20))
    assert (long.ids[:4], long.teams[:4]) == (short.ids, short.teams)


def test_by_hand() -> None:
    heads = Random(0)
    heads.random = lambda: 0.0  # type: ignore[method-assign]
    mixed = team_draft(["1", "2", "3"], ["2", "4", "1", "5"], length=9, rng=heads, names=("old", "new"))
    # old takes 1, new takes 2; old takes 3 and has no more: 4 and 5 are nobody's.
    assert list(zip(mixed.ids, mixed.teams, strict=True)) == [
        ("1", "old"),
        ("2", "new"),
        ("3", "old"),
        ("4", None),
        ("5", None),
    ]


def test_both_orders_of_a_round_are_equally_likely() -> None:
    rng = Random(1)
    firsts = Counter(team_draft(["x", "y"], ["x", "z"], length=2, rng=rng).ids for _ in range(4_000))
    assert firsts[("x", "z")] / 4_000 == pytest.approx(0.5, abs=0.03)
    assert set(firsts) == {("x", "z"), ("x", "y")}


def simulated(first: list[str], second: list[str], relevant: set[str], *, pages: int, seed: int) -> Outcome:
    """Show interleaved pages to people who look at rank r with chance 1/r, click what is relevant, and some noise."""
    rng, seen = Random(seed), []
    for _ in range(pages):
        mixed = team_draft(first, second, length=10, rng=rng)
        clicks = {
            found
            for rank, found in enumerate(mixed.ids, 1)
            if rng.random() < 1 / rank and rng.random() < (0.6 if found in relevant else 0.1)
        }
        seen.append(Impression(dict(zip(mixed.ids, mixed.teams, strict=True)), frozenset(clicks)))
    return credited(seen)


PRODUCTS = [str(number) for number in range(20)]


def test_equals_are_told_apart_as_seldom_as_promised() -> None:
    # Both have their relevant products in the same places, but in lists that share little.
    first, second = PRODUCTS[:10], ["0", *PRODUCTS[11:20]]
    relevant = {"1", "4", "11", "14"}
    outcomes = [simulated(first, second, relevant, pages=200, seed=seed) for seed in range(200)]
    won = sum(outcome.wins[0] for outcome in outcomes)
    decided = sum(sum(outcome.wins) for outcome in outcomes)
    assert won / decided == pytest.approx(0.5, abs=3 * 0.5 / math.sqrt(decided))
    assert sum(outcome.p < 0.05 for outcome in outcomes) / 200 <= 0.09
    assert sum(outcome.low <= 0.5 <= outcome.high for outcome in outcomes) / 200 >= 0.9


def test_a_list_against_itself_draws_nothing_but_luck() -> None:
    outcome = simulated(PRODUCTS[:10], PRODUCTS[:10], {"1", "4"}, pages=3_000, seed=4)
    assert outcome.p > 0.05


@pytest.mark.parametrize("swapped", [False, True])
def test_the_better_one_is_found(swapped: bool) -> None:
    better, worse = PRODUCTS[:10], [*PRODUCTS[10:14], *PRODUCTS[:6]]
    lists = (worse, better) if swapped else (better, worse)
    outcome = simulated(*lists, {"0", "2", "3"}, pages=600, seed=5)
    assert outcome.p < 0.001
    assert (outcome.share > 0.5) is not swapped
    assert (outcome.low > 0.5) if not swapped else (outcome.high < 0.5)


def impression(clicks: str, teams: str = "abab-") -> Impression:
    shown = {str(place): None if team == "-" else team for place, team in enumerate(teams)}
    return Impression(shown, frozenset(clicks))


def test_credit_by_hand() -> None:
    pages = [impression("0"), impression("02"), impression("1"), impression("01"), impression(""), impression("4")]
    outcome = credited([*pages, impression("013")])
    assert (outcome.teams, outcome.wins) == (("a", "b"), (2, 2))
    assert (outcome.drawn, outcome.without) == (1, 2)
    assert (outcome.share, outcome.p) == (0.5, 1.0)


def test_a_log_without_a_click_tells_nothing() -> None:
    outcome = credited([impression("")])
    assert (outcome.wins, outcome.without, outcome.p, outcome.low, outcome.high) == ((0, 0), 1, 1.0, 0.0, 1.0)
    assert math.isnan(outcome.share)


@pytest.mark.parametrize("teams", ["abc", "--", ""])
def test_a_log_has_two_teams(teams: str) -> None:
    with pytest.raises(LearnError, match="has two teams"):
        credited([impression("", teams)])


@pytest.mark.parametrize(("wins", "losses"), [(0, 0), (1, 0), (5, 5), (7, 2), (60, 40), (5_300, 5_000)])
def test_significance_against_scipy(wins: int, losses: int) -> None:
    n = wins + losses
    expected = scipy.stats.binomtest(wins, n).pvalue if n else 1.0
    assert sign_test(wins, losses) == sign_test(losses, wins) == pytest.approx(expected, rel=1e-6)
    if n:
        theirs = scipy.stats.binomtest(wins, n).proportion_ci(0.9, method="wilson")
        assert wilson(wins, n, level=0.9) == pytest.approx((theirs.low, theirs.high))


def test_a_share_of_traffic() -> None:
    keys = [f"session-{number}" for number in range(20_000)]
    tenth = {key for key in keys if in_share(key, 0.1, salt="spring")}
    assert len(tenth) / 20_000 == pytest.approx(0.1, abs=0.01)
    assert tenth == {key for key in keys if in_share(key, 0.1, salt="spring")}
    assert tenth < {key for key in keys if in_share(key, 0.3, salt="spring")}
    other = {key for key in keys if in_share(key, 0.1, salt="autumn")}
    assert len(tenth & other) / 20_000 == pytest.approx(0.01, abs=0.004)
    assert not any(in_share(key, 0, salt="spring") for key in keys)
    assert all(in_share(key, 1, salt="spring") for key in keys)


@pytest.mark.parametrize("share", [-0.1, 1.1, math.nan])
def test_a_share_lies_between_0_and_1(share: float) -> None:
    with pytest.raises(LearnError, match="is not between 0 and 1"):
        in_share("key", share)


def test_a_log_is_read_as_it_was_written(tmp_path: Path) -> None:
    mixed = Mixed(("7", "9"), ("a", None))
    path = tmp_path / "log.jsonl"
    first = json.dumps(mixed.as_json("shoe", ["9"]))
    # A line separator inside a text ends no line.
    path.write_text(first + "\n\n" + json.dumps(mixed.as_json("hat\u2028"), ensure_ascii=False), "utf-8")
    assert read_impressions(path) == [
        Impression({"7": "a", "9": None}, frozenset({"9"})),
        Impression({"7": "a", "9": None}, frozenset()),
    ]


def test_all_faults_of_a_log_are_told_with_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    good = {"query": "shoe", "shown": [{"id": "7", "team": "a"}], "clicks": ["7"]}
    bad = [
        {"shown": good["shown"]},
        good | {"clicks": ["8", "7"]},
        good | {"shown": [{"id": 7, "team": "a"}]},
        good | {"shown": [{"id": "7", "team": 1}]},
        good | {"shown": ["7"]},
        good | {"clicks": [["7"]]},
        [],
        good | {"shown": [{"id": "7"}]},
    ]
    path.write_text("\n".join(["{", json.dumps(good), *map(json.dumps, bad)]), "utf-8")
    with pytest.raises(LearnError) as caught:
        read_impressions(path)
    told = caught.value.message.splitlines()[1:]
    assert [line.strip().split(": ")[0] for line in told] == [f"line {n}" for n in (1, *range(3, 11))]
    assert [line.partition(": ")[2] for line in told[1:5]] == [
        "clicks is missing",
        "clicked but not shown: 8",
        "ids must be texts",
        "a team must be a text or null",
    ]
    assert told[-1].endswith("team is missing")


def test_a_log_that_is_empty_missing_or_no_text(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    with pytest.raises(LearnError, match="cannot be read"):
        read_impressions(path)
    path.write_bytes(b"\xff\xfe\xff")
    with pytest.raises(LearnError, match="cannot be read"):
        read_impressions(path)
    path.write_text("\n")
    with pytest.raises(LearnError, match="it is empty"):
        read_impressions(path)
    path.write_text("no\n" * 30)
    with pytest.raises(LearnError, match="and 10 more"):
        read_impressions(path)
