"""A file that grows, or standard input, read as one stream that ends only when it is told to."""

import io
import os
import select
from pathlib import Path
from threading import Event
from typing import BinaryIO

_POLL_SECONDS = 0.1


class Tail(io.RawIOBase):
    """What is in a file and what is added to it, until ``stop`` is set.

    As ``tail -F`` does it: a file that was replaced (rotated) is opened anew, one that was cut is read from its start.
    """

    def __init__(self, path: Path, stop: Event) -> None:
        self._path, self._stop = path, stop
        self._file = path.open("rb", buffering=0)
        self._last = b"\n"

    def readable(self) -> bool:
        """Say that this can be read."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Read what there is; wait where there is nothing yet."""
        while True:
            if count := self._file.readinto(buffer):
                self._last = bytes(buffer[count - 1 : count])
                return count
            if self._replaced() and self._last != b"\n":  # its last line never got its end
                buffer[:1] = self._last = b"\n"
                return 1
            if self._stop.wait(_POLL_SECONDS):
                return 0

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()

    def _replaced(self) -> bool:
        """Go to the start of what the file is now, if that is another one; say so."""
        try:
            now = self._path.stat()
        except FileNotFoundError:  # between two of a rotation
            return False
        if now.st_ino != os.fstat(self._file.fileno()).st_ino:
            self._file.close()
            self._file = self._path.open("rb", buffering=0)
        elif now.st_size < self._file.tell():
            self._file.seek(0)
        else:
            return False
        return True


class Pipe(io.RawIOBase):
    """Standard input, until it ends or ``stop`` is set."""

    def __init__(self, stdin: BinaryIO, stop: Event) -> None:
        self._number, self._stop = stdin.fileno(), stop

    def readable(self) -> bool:
        """Say that this can be read."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Read what there is; wait where there is nothing yet."""
        while not self._stop.is_set():
            if select.select([self._number], [], [], _POLL_SECONDS)[0]:
                data = os.read(self._number, len(buffer))
                buffer[: len(data)] = data
                return len(data)
        return 0
