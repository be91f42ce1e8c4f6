"""The size of bulk requests: up in steps, down by half, never over a size that the server once found too large."""

import pytest

from esmm.ingest.bulk import Outgoing
from esmm.ingest.records import Record
from esmm.ingest.request_size import FAST, FEWEST, FIRST, MOST, MOST_BYTES, STEP, RequestSize


def documents(*sizes: int) -> list[Outgoing]:
    return [Outgoing(Record(str(n), {}, (), (), "", n), b"x" * size, ()) for n, size in enumerate(sizes)]


def test_full_and_fast_requests_let_it_grow_in_steps_up_to_the_most() -> None:
    size = RequestSize()
    size.taken(FIRST, FAST / 2)
    assert size.documents == FIRST + STEP
    for _ in range(100):
        size.taken(size.documents, FAST / 2)
    assert size.documents == MOST


@pytest.mark.parametrize(("count", "seconds"), [(FIRST - 1, 0.01), (FIRST, FAST)])
def test_small_or_slow_requests_prove_nothing(count: int, seconds: float) -> None:
    size = RequestSize()
    size.taken(count, seconds)
    assert size.documents == FIRST


def test_pushed_back_it_halves_down_to_the_fewest() -> None:
    size = RequestSize()
    size.pushed_back(FIRST)
    assert size.documents == FIRST // 2
    size.pushed_back(FIRST)  # the other sender, at the same moment
    assert size.documents == FIRST // 2
    for _ in range(20):
        size.pushed_back(size.documents)
    assert size.documents == FEWEST


def test_it_recovers_from_a_push_in_steps() -> None:
    size = RequestSize()
    size.pushed_back(FIRST)
    size.taken(FIRST // 2, 0.1)
    assert size.documents == FIRST // 2 + STEP


def test_too_large_bounds_the_bytes_for_good() -> None:
    size = RequestSize()
    size.too_large(1000)
    size.too_large(4000)
    assert size.bytes == 500
    size.taken(size.documents, 0.1)
    assert size.bytes == 500


def test_split_respects_both_bounds_and_gives_at_least_one() -> None:
    size, waiting = RequestSize(), documents(300, 300, 300, 900, 10)
    size.too_large(1300)
    part, rest = size.split(waiting)
    assert ([len(out.lines) for out in part], len(rest)) == ([300, 300], 3)
    assert [len(out.lines) for out in size.split(documents(900, 10))[0]] == [900]
    many = documents(*[1] * (FIRST + 5))
    part, rest = RequestSize().split(many)
    assert (len(part), part + rest) == (FIRST, many)
    assert size.split([]) == ([], [])


def test_a_request_is_filled_by_documents_or_by_bytes() -> None:
    size = RequestSize()
    assert size.is_filled_by(documents(*[1] * FIRST))
    assert not size.is_filled_by(documents(*[1] * (FIRST - 1)))
    assert size.is_filled_by(documents(MOST_BYTES // 2, MOST_BYTES // 2))
