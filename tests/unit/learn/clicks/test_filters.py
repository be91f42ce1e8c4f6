"""Programs and people who would count too much are left out, and how many lines that costs is told."""

from esmm.learn.clicks.filters import Limits, filtered
from esmm.learn.clicks.log import Impression

TEN = tuple("abcdefghij")


def searched(query: str, user: str | None = None, *, clicks: str = "", day: str = "") -> Impression:
    positions = tuple(range(1, 11))
    return Impression(query, TEN, positions, frozenset(clicks), user=user.encode() if user else None, day=day)


def test_people_stay() -> None:
    lines = [searched(f"q{n}", f"u{n % 7}", clicks="ab") for n in range(50)] + [searched("q", clicks="a")] * 99
    assert filtered(lines, Limits()) == (lines, {})


def test_too_many_searches_in_a_day() -> None:
    bot = [searched(f"q{n}", "bot", day="1") for n in range(6)]
    person = [searched(f"q{n}", "ann", day=str(n % 2)) for n in range(10)]
    kept, dropped = filtered([*bot, *person], Limits(searches=5))
    assert kept == person
    assert dropped == {"by users with too many searches in a day": 6}
    assert len(filtered([*bot, *person], Limits(searches=6))[0]) == 16


def test_clicks_on_too_much() -> None:
    eager = [searched(f"q{n}", "eager", clicks="abcdef") for n in range(5)]
    assert filtered(eager, Limits()) == ([], {"by users who click on too much of what they see": 5})
    assert filtered(eager[:4], Limits())[0] == eager[:4], "four searches tell little"
    assert filtered(eager, Limits(share=0.6))[0] == eager
    everything = searched("q", clicks="abcdefghij")
    assert filtered([everything], Limits()) == ([], {"with a click on everything shown": 1})


def test_short_lists_are_no_sign_of_a_program() -> None:
    lines = [Impression(f"q{n}", ("a",), (1,), frozenset("a"), user=b"ann") for n in range(9)]
    assert filtered(lines, Limits())[0] == lines


def test_one_users_repetitions() -> None:
    lines = [searched("q", "ann")] * 12 + [searched("q", "bob")] * 3 + [searched("q")] * 12
    kept, dropped = filtered(lines, Limits())
    assert (len(kept), dropped) == (25, {"by a user who repeats a query": 2})
    assert len(filtered(lines, Limits(repeats=1))[0]) == 14
