"""The vector cache: what an encoder has once made of a content is not made again, also after a crash."""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from esmm.content import content_key
from esmm.errors import EsmmError

if TYPE_CHECKING:
    from types import TracebackType

    import numpy as np
    from numpy.typing import NDArray

    from esmm.encoders import EncoderInfo

__all__ = ["VectorCache", "content_key"]

_SQL_VARIABLES = 500
_PATIENCE = 30  # seconds that a process waits for another one that writes
_SETUP = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS vectors (
    encoder TEXT, content BLOB, vector BLOB, PRIMARY KEY (encoder, content)
) WITHOUT ROWID;
"""


class VectorCache:
    """Vectors by (encoder, content) in one SQLite file, which threads and processes may share."""

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, threading.Lock()
        with self._named():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)
        try:
            with self._named():
                self._db.executescript(_SETUP)
        except EsmmError:
            self.close()
            raise

    def get(self, encoder: "EncoderInfo", keys: Sequence[bytes]) -> "dict[bytes, NDArray[np.float32]]":
        """Return the vectors that are known, by key."""
        import numpy as np

        found: dict[bytes, NDArray[np.float32]] = {}
        for start in range(0, len(keys), _SQL_VARIABLES):
            part = keys[start : start + _SQL_VARIABLES]
            marks = ",".join("?" * len(part))
            query = f"SELECT content, vector FROM vectors WHERE encoder = ? AND content IN ({marks})"  # noqa: S608
            with self._lock, self._named():
                rows = self._db.execute(query, (encoder.passages, *part)).fetchall()
            found |= {key: np.frombuffer(blob, dtype=np.float32) for key, blob in rows}
        return found

    def put(self, encoder: "EncoderInfo", vectors: "dict[bytes, NDArray[np.float32]]") -> None:
        """Keep vectors by key."""
        rows = [(encoder.passages, key, vector.tobytes()) for key, vector in vectors.items()]
        with self._lock, self._named(), self._db:  # the last one ends the transaction, whatever happens in it
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)", rows)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

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
