"""The vector cache: what an encoder has once made of a content is not made again, also after a crash."""

import math
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from esmm.content import content_key
from esmm.errors import EsmmError
from esmm.paths import vector_cache_cap, vector_cache_path
from esmm.sqlite import connected, moved_aside, set_up

if TYPE_CHECKING:
    from types import TracebackType

    import numpy as np
    from numpy.typing import NDArray

    from esmm.encoders import EncoderInfo

__all__ = ["VectorCache", "content_key", "open_cache"]

T = TypeVar("T")

_SQL_VARIABLES = 500
_KEPT = 0.9  # of the cap, once something had to go
_DAY = 86_400_000_000  # microseconds: what was used within a day is not noted again
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
# Uses lie in a table of their own: to note one must not write a vector again.
_SETUP = """
PRAGMA auto_vacuum = INCREMENTAL;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS vectors (
    encoder TEXT, content BLOB, vector BLOB, PRIMARY KEY (encoder, content)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS uses (
    encoder TEXT, content BLOB, at INTEGER, PRIMARY KEY (encoder, content)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS uses_at ON uses (at);
"""
_NOTE = "INSERT INTO uses VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET at = excluded.at WHERE at < excluded.at - ?"


class VectorCache:
    """Vectors by (encoder, content) in one SQLite file, which threads and processes may share.

    With a ``cap`` in bytes, what was not used for the longest time goes when the file grows beyond it. A damaged file
    is moved aside and a new one begun; ``tell`` gets the sentence that says so.
    """

    def __init__(self, path: Path, *, cap: int | None = None, tell: Callable[[str], None] = lambda _: None) -> None:
        self._path, self._cap, self._tell, self._lock = path, cap, tell, threading.Lock()
        with self._named():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = self._connected()
        try:
            self._do(lambda: set_up(self._db, _SETUP))
            self._do(self._trim)
        except EsmmError:
            self.close()
            raise

    def get(self, encoder: "EncoderInfo", keys: Sequence[bytes]) -> "dict[bytes, NDArray[np.float32]]":
        """Return the vectors that are known, by key."""
        import numpy as np

        found: dict[bytes, NDArray[np.float32]] = {}
        for start in range(0, len(keys), _SQL_VARIABLES):
            rows = self._do(partial(self._rows, encoder.passages, keys[start : start + _SQL_VARIABLES]))
            whole = ((key, blob) for key, blob in rows if len(blob) == 4 * encoder.dims)
            found |= {key: np.frombuffer(blob, dtype=np.float32) for key, blob in whole}
        return found

    def put(self, encoder: "EncoderInfo", vectors: "dict[bytes, NDArray[np.float32]]") -> None:
        """Keep vectors by key."""
        rows = [(encoder.passages, key, vector.tobytes()) for key, vector in vectors.items()]

        def store() -> None:
            with self._db:  # ends the transaction, whatever happens in it
                self._db.execute("BEGIN IMMEDIATE")
                self._db.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)", rows)
                self._note_use([(name, key) for name, key, _ in rows])
            self._trim()

        self._do(store)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _rows(self, encoder: str, keys: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
        marks = ",".join("?" * len(keys))
        query = f"SELECT content, vector FROM vectors WHERE encoder = ? AND content IN ({marks})"  # noqa: S608
        rows = self._db.execute(query, (encoder, *keys)).fetchall()
        with suppress(sqlite3.OperationalError):  # a use that cannot be noted, for somebody writes, is no fault
            self._note_use([(encoder, key) for key, _ in rows])
        return rows

    def _note_use(self, keys: Sequence[tuple[str, bytes]]) -> None:
        if self._cap:
            now = time.time_ns() // 1000
            self._db.executemany(_NOTE, [(*key, now, _DAY) for key in keys])

    def _trim(self) -> None:
        """Delete what was not used for the longest time, if the file is over the cap; give the space back."""
        size = self._size()
        if not self._cap or size <= self._cap:
            return
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            # What was put without a cap counts as used least.
            self._db.execute("INSERT OR IGNORE INTO uses SELECT encoder, content, 0 FROM vectors")
            held = self._db.execute("SELECT count(*) FROM uses").fetchone()[0]
            excess = math.ceil(held * (1 - _KEPT * self._cap / size))
            oldest = self._db.execute("SELECT encoder, content FROM uses ORDER BY at LIMIT ?", (excess,)).fetchall()
            for table in ("vectors", "uses"):
                self._db.executemany(f"DELETE FROM {table} WHERE encoder = ? AND content = ?", oldest)  # noqa: S608
        with suppress(sqlite3.OperationalError):  # somebody reads: the space is used again all the same
            whole = self._db.execute("PRAGMA auto_vacuum").fetchone()[0] == 0  # a file that an older esmm made
            # Not by execute: it takes one step only of a pragma that needs one for each page.
            self._db.executescript("PRAGMA auto_vacuum = 2; VACUUM" if whole else "PRAGMA incremental_vacuum")
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _size(self) -> int:
        """Return how many bytes hold something."""
        pages, free, page = (
            int(self._db.execute(f"PRAGMA {name}").fetchone()[0])
            for name in ("page_count", "freelist_count", "page_size")
        )
        return (pages - free) * page

    def _connected(self) -> sqlite3.Connection:
        found = connected(self._path)
        self._file = _file_number(self._path)
        return found

    def _do(self, step: "Callable[[], T]") -> "T":
        """Take one step on the file; once more on a new one if this one is damaged."""
        with self._lock, self._named():
            try:
                return step()
            except sqlite3.DatabaseError as error:
                if not _is_damage(error):
                    raise
                self._begin_anew(error)
                return step()

    def _begin_anew(self, error: sqlite3.DatabaseError) -> None:
        self._db.close()
        if _file_number(self._path) == self._file:  # else another process has done it already
            aside = moved_aside(self._path)
            self._tell(f"vector cache {self._path} was damaged ({error}): moved to {aside.name}, a new one is begun")
        self._db = self._connected()
        set_up(self._db, _SETUP)

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            raise EsmmError(
                f"vector cache {self._path} cannot be used: {error}",
                "free disk space or delete the file, or set ESMM_CACHE to another folder",
            ) from None

    def __enter__(self) -> "VectorCache":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: "TracebackType | None"
    ) -> None:
        self.close()


def open_cache(tell: Callable[[str], None] = lambda _: None) -> VectorCache:
    """Open the vector cache of this machine. Raises EsmmError if it cannot be used."""
    return VectorCache(vector_cache_path(), cap=vector_cache_cap(), tell=tell)


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    code = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF in _DAMAGE or code == sqlite3.SQLITE_IOERR_SHORT_READ


def _file_number(path: Path) -> int:
    try:
        return path.stat().st_ino
    except OSError:
        return 0
