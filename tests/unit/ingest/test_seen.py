"""The ids of a catalogue, kept on disk."""

import subprocess
import sys

from esmm.ingest.seen import SeenIds

MANY = """
import resource
from esmm.ingest.seen import SeenIds
with SeenIds() as seen:
    for number in range(400_000):
        assert seen.first_line(f"product-{number * 7919 % 1_000_003}", number) == number
        if number == 40_000:
            first = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - first)
"""


def test_an_id_is_known_by_its_first_line() -> None:
    with SeenIds() as seen:
        assert [seen.first_line(identity, line) for line, identity in enumerate("abacb", 1)] == [1, 2, 1, 4, 2]


def test_what_was_never_taken_in() -> None:
    with SeenIds() as seen:
        for number in range(0, 3000, 2):
            seen.first_line(str(number), number)
        ids = [str(number) for number in range(3000)]
        assert seen.unknown(ids) == ids[1::2]
        assert seen.unknown([]) == []


def test_memory_stays_while_ids_grow_tenfold() -> None:
    told = subprocess.run([sys.executable, "-c", MANY], capture_output=True, text=True, check=True).stdout
    unit = 1024 if sys.platform != "darwin" else 1
    assert int(told) * unit < 12 << 20


def test_what_is_forgotten_is_unknown() -> None:
    with SeenIds() as seen:
        for line, identity in enumerate("abc", start=1):
            seen.first_line(identity, line)
        seen.forget(["b", "never"])
        assert seen.unknown(["a", "b", "c"]) == ["b"]
