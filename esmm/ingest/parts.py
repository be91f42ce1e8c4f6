"""Parts of a load: each takes the products whose ids hash to it, in a process of its own, wherever that runs."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from esmm.ingest.lines import Line

if TYPE_CHECKING:
    from esmm.ingest.lines import Items, Rejected


@dataclass(frozen=True)
class Part:
    """One part of a run: its ``number`` from 1, how many there are, and the name of the run that they make up."""

    number: int
    of: int
    run: str

    def takes(self, identity: str) -> bool:
        """Say whether a product belongs to this part."""
        return part_of(identity, self.of) == self.number

    def own(self, lines: "Iterable[Line | Rejected]", id_field: str) -> "Items":
        """Yield the lines of this part, and those that have no id: every part tells of them."""
        for line in lines:
            value = line.record.get(id_field) if isinstance(line, Line) else None
            if value is None or self.takes(str(value)):
                yield line

    def __str__(self) -> str:
        return f"part {self.number}/{self.of} of run {self.run}"


def part_of(identity: str, parts: int) -> int:
    """Return the part, from 1 to ``parts``, of a product: BLAKE2b of its id (8 bytes, big-endian), modulo ``parts``.

    The same on every machine and in every version, so a job elsewhere may split a catalogue by it.
    """
    digest = hashlib.blake2b(identity.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % parts + 1


def told(numbers: Iterable[int]) -> str:
    """Write numbers as people do: 1, 4-6, 9."""
    return ", ".join(str(low) if low == high else f"{low}-{high}" for low, high in _stretches(sorted(numbers)))


def _stretches(numbers: list[int]) -> Iterator[tuple[int, int]]:
    start = 0
    for place, number in enumerate(numbers):
        if place + 1 == len(numbers) or numbers[place + 1] != number + 1:
            yield numbers[start], number
            start = place + 1
