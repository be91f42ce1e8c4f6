"""The ids of a catalogue, kept on disk: a catalogue may be larger than memory."""

import sqlite3
import threading
from collections.abc import Sequence
from typing import Self

_SETUP = """
PRAGMA synchronous = OFF;
PRAGMA journal_mode = OFF;
PRAGMA cache_size = -8000;
CREATE TABLE seen (id TEXT PRIMARY KEY, line INTEGER) WITHOUT ROWID;
"""
_SQL_VARIABLES = 500


class SeenIds:
    """Each id of a catalogue with the line it was first given on, in a temporary file that vanishes with this object.

    Threads may share it. Memory stays at 8 MB.
    """

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._db.executescript(_SETUP)
        self._lock = threading.Lock()

    def first_line(self, identity: str, line: int) -> int:
        """Take an id in; return the line it was first given on, which is ``line`` if it is new."""
        with self._lock:
            taken = self._db.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (identity, line))
            if taken.rowcount:
                return line
            return int(self._db.execute("SELECT line FROM seen WHERE id = ?", (identity,)).fetchone()[0])

    def forget(self, ids: Sequence[str]) -> None:
        """Take ids out again."""
        with self._lock:
            self._db.executemany("DELETE FROM seen WHERE id = ?", [(identity,) for identity in ids])

    def unknown(self, ids: Sequence[str]) -> list[str]:
        """Return those of the ids that were never taken in."""
        known: set[str] = set()
        with self._lock:
            for start in range(0, len(ids), _SQL_VARIABLES):
                part = ids[start : start + _SQL_VARIABLES]
                marks = ",".join("?" * len(part))
                known |= {row[0] for row in self._db.execute(f"SELECT id FROM seen WHERE id IN ({marks})", part)}  # noqa: S608
        return [identity for identity in ids if identity not in known]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()
