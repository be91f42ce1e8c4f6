"""A stage in a thread of its own."""

import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from esmm.ingest.stages import ahead, behind


def stage_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "esmm-stage"]


def until(count: int, made: list[int]) -> None:
    deadline = time.monotonic() + 5
    while len(made) < count and time.monotonic() < deadline:
        time.sleep(0.005)


def noted(made: list[int], upto: int) -> Iterator[int]:
    for number in range(upto):
        made.append(number)
        yield number


@pytest.mark.parametrize("depth", [1, 3])
def test_every_item_comes_in_order(depth: int) -> None:
    assert list(ahead(range(500), depth=depth)) == list(range(500))
    assert list(ahead([], depth=depth)) == []
    assert not stage_threads()


def test_items_are_made_in_another_thread() -> None:
    here = threading.get_ident()
    assert all(there != here for there in ahead(threading.get_ident() for _ in range(3)))


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_no_more_than_depth_items_wait(depth: int) -> None:
    made: list[int] = []
    steps = ahead(noted(made, 100), depth=depth)
    assert next(steps) == 0
    most = 1 + depth + 1  # in use, waiting, in the hand of the thread
    until(most, made)
    time.sleep(0.3)
    assert len(made) == most
    steps.close()  # type: ignore[attr-defined]


def test_an_error_in_the_thread_is_raised_after_the_items_before_it() -> None:
    def failing() -> Iterator[int]:
        yield from range(3)
        raise ZeroDivisionError("in the stage")

    steps = ahead(failing())
    assert [next(steps) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ZeroDivisionError, match="in the stage"):
        next(steps)
    assert not stage_threads()


def test_when_the_consumer_stops_the_thread_ends() -> None:
    made: list[int] = []
    for number in ahead(noted(made, 10**9)):
        if number == 3:
            break
    assert number == 3
    assert not stage_threads()
    assert len(made) < 10


def test_an_error_of_the_consumer_is_its_own() -> None:
    steps = ahead(range(10**9))
    with pytest.raises(KeyError):
        for _ in steps:
            raise KeyError("of the consumer")
    steps.close()  # type: ignore[attr-defined]
    assert not stage_threads()


def test_what_the_thread_waits_for_is_cut_short() -> None:
    halted = threading.Event()

    def steps() -> Iterator[int]:
        yield 1
        halted.wait(30)

    begun = time.monotonic()
    stage = ahead(steps(), halt=halted.set)
    assert next(stage) == 1
    stage.close()  # type: ignore[attr-defined]
    assert time.monotonic() - begun < 5
    assert not stage_threads()


def test_a_thread_uses_what_is_made_here_in_order() -> None:
    makers: set[int] = set()

    def steps() -> Iterator[int]:
        for number in range(100):
            makers.add(threading.get_ident())
            yield number

    used, user = behind(steps(), lambda items: (list(items), threading.get_ident()))
    assert used == list(range(100))
    assert makers == {threading.get_ident()} != {user}
    assert not stage_threads()


def test_what_is_made_waits_for_a_slow_user() -> None:
    made: list[int] = []
    seen: list[int] = []

    def use(items: Iterator[int]) -> None:
        for number in items:
            time.sleep(0.3)  # all the time that the maker wants
            seen.append(len(made) - number)
            if number == 1:
                return

    behind(noted(made, 100), use, depth=2)
    assert max(seen) <= 1 + 2 + 1  # in use, waiting, in the hand of the maker
    assert len(made) < 10


def test_an_error_of_the_user_ends_the_maker() -> None:
    made: list[int] = []

    def use(items: Iterator[int]) -> None:
        next(items)
        raise ZeroDivisionError("in the stage")

    with pytest.raises(ZeroDivisionError, match="in the stage"):
        behind(noted(made, 100_000), use)
    assert len(made) < 100_000
    assert not stage_threads()


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_an_error_of_the_maker_ends_the_user_and_what_it_waits_for(error: type[BaseException]) -> None:
    got: list[int] = []
    halted, cut = threading.Event(), threading.Event()

    def steps() -> Iterator[int]:
        yield 0
        raise error

    def use(items: Iterator[int]) -> None:
        got.append(next(items))
        assert halted.wait(5)
        with pytest.raises(error):
            next(items)
        cut.set()

    with pytest.raises(error):
        behind(steps(), use, halt=halted.set)
    assert got == [0]
    assert cut.is_set()
    assert not stage_threads()


@pytest.mark.parametrize("count", [1, 2, 3])
def test_an_interrupt_after_the_last_item_was_made_ends_the_user_first(count: int) -> None:
    """While the end waits for room in the queue, or for what the user does with the last items."""
    halted, ended = threading.Event(), threading.Event()

    def use(items: Iterator[int]) -> None:
        next(items)
        time.sleep(0.3)
        os.kill(os.getpid(), signal.SIGINT)
        assert halted.wait(5)
        time.sleep(0.1)
        ended.set()

    with pytest.raises(KeyboardInterrupt):
        behind(range(count), use, halt=halted.set)
    assert ended.is_set()
    assert not stage_threads()
