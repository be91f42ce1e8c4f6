"""Which part a product belongs to, and how numbers of parts are told."""

import hashlib
from collections import Counter

import pytest

from esmm.ingest.lines import Line, Rejected
from esmm.ingest.parts import Part, part_of, told


def test_the_part_of_an_id_never_changes() -> None:
    """A catalogue that was split elsewhere by these numbers must fit those of today."""
    assert [part_of(identity, 16) for identity in ("p1", "p2", "B07CXG6C9W", "ü")] == [2, 5, 3, 8]
    digest = hashlib.blake2b("ü".encode(), digest_size=8).hexdigest()
    assert part_of("ü", 1000) == int(digest, 16) % 1000 + 1


def test_parts_are_about_equal_and_make_up_the_whole() -> None:
    counts = Counter(part_of(f"product-{number}", 7) for number in range(7000))
    assert sorted(counts) == [1, 2, 3, 4, 5, 6, 7]
    assert all(900 < count < 1100 for count in counts.values())
    assert {part_of(str(number), 1) for number in range(50)} == {1}


def test_a_part_takes_its_lines_and_those_without_an_id() -> None:
    lines = [Line("c", number, {"sku": number}) for number in range(1, 50)]
    strange = [Line("c", 50, {"title": "no id"}), Rejected("c", 51, "not JSON", "{")]
    taken = [list(Part(number, 3, "r").own([*lines, *strange], "sku")) for number in (1, 2, 3)]
    assert all(part[-2:] == strange for part in taken)
    numbers = [line.number for part in taken for line in part[:-2]]
    assert sorted(numbers) == list(range(1, 50))


@pytest.mark.parametrize(
    ("numbers", "words"), [([], ""), ([4], "4"), ([3, 1, 2], "1-3"), ([1, 3, 4, 9, 10, 12], "1, 3-4, 9-10, 12")]
)
def test_numbers_are_told_in_stretches(numbers: list[int], words: str) -> None:
    assert told(numbers) == words
