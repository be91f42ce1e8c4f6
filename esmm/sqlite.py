"""SQLite files that several processes share."""

import sqlite3
from contextlib import suppress
from pathlib import Path

PATIENCE = 30  # seconds that a process waits for another one that writes


def connected(path: Path) -> sqlite3.Connection:
    """Open a file for the threads of this process; each statement stands by itself. Raises sqlite3.Error."""
    return sqlite3.connect(path, timeout=PATIENCE, isolation_level=None, check_same_thread=False)


def set_up(database: sqlite3.Connection, script: str) -> None:
    """Run the script that a file begins with, once more while another process is at the same.

    SQLite itself does not wait where two processes turn a new file to WAL at once: one of them is told that it is
    locked. Raises sqlite3.Error.
    """
    from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random

    waiting = Retrying(
        retry=retry_if_exception(_is_busy), stop=stop_after_delay(PATIENCE), wait=wait_random(0.01, 0.1), reraise=True
    )
    waiting(database.executescript, script)


def moved_aside(path: Path) -> Path:
    """Move a damaged file, and what SQLite keeps beside it, out of the way; return where it is. Raises OSError."""
    aside = path.with_name(f"{path.name}.damaged")
    for end in ("", "-wal", "-shm"):
        with suppress(FileNotFoundError):
            Path(f"{path}{end}").replace(f"{aside}{end}")
    return aside


def _is_busy(error: BaseException) -> bool:
    code = error.sqlite_errorcode if isinstance(error, sqlite3.OperationalError) else 0
    return code & 0xFF == sqlite3.SQLITE_BUSY
