"""How much goes into one bulk request: more while the cluster answers fast, half as soon as it pushes back.

Additive increase, multiplicative decrease (Chiu and Jain 1989), as TCP finds out what a line can carry.
"""

import threading
from collections.abc import Sequence
from itertools import accumulate, takewhile
from typing import Protocol, TypeVar

FIRST, FEWEST, MOST = 256, 8, 2048  # documents
MOST_BYTES = 8 << 20
STEP = 64  # documents more after each fast answer
FAST = 2.0  # seconds


class _Sized(Protocol):
    @property
    def lines(self) -> bytes: ...


T = TypeVar("T", bound=_Sized)


class RequestSize:
    """The bounds of a request, which all senders share: ``documents``, and ``bytes`` of bulk lines."""

    def __init__(self) -> None:
        self.documents, self.bytes = FIRST, MOST_BYTES
        self._lock = threading.Lock()

    def split(self, waiting: Sequence[T]) -> tuple[list[T], list[T]]:
        """Return what goes into the next request, at least one document, and what is left."""
        sizes = accumulate(len(out.lines) for out in waiting[: self.documents])
        count = max(1, sum(1 for _ in takewhile(lambda size: size <= self.bytes, sizes)))
        return list(waiting[:count]), list(waiting[count:])

    def is_filled_by(self, waiting: Sequence[_Sized]) -> bool:
        """Say whether what waits makes a whole request."""
        return len(waiting) >= self.documents or sum(len(out.lines) for out in waiting) >= self.bytes

    def taken(self, count: int, seconds: float) -> None:
        """Learn that a request of ``count`` documents was taken; only a full and fast one lets the next grow."""
        with self._lock:
            if count >= self.documents and seconds < FAST:
                self.documents = min(MOST, self.documents + STEP)

    def pushed_back(self, count: int) -> None:
        """Learn that a request of ``count`` documents was refused for now, or got no answer."""
        with self._lock:  # two senders that fail at once speak of one fault: half of what they sent, not a quarter
            self.documents = max(FEWEST, min(self.documents, count // 2))

    def too_large(self, size: int) -> None:
        """Learn that a request of ``size`` bytes is more than the server ever takes: this bound does not grow again."""
        with self._lock:
            self.bytes = min(self.bytes, size // 2)
