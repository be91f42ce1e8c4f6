"""Files of SQLite that several begin at once."""

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from esmm import sqlite
from esmm.sqlite import connected, set_up

SETUP = "PRAGMA journal_mode = WAL; CREATE TABLE IF NOT EXISTS things (name TEXT)"
AT_ONCE = 8


def test_many_begin_a_file_at_once(tmp_path: Path) -> None:
    for number in range(20):
        together, path = threading.Barrier(AT_ONCE), tmp_path / f"{number}.sqlite"

        def begin(together: threading.Barrier = together, path: Path = path) -> str:
            with closing(connected(path)) as database:
                together.wait()
                set_up(database, SETUP)
                return str(database.execute("PRAGMA journal_mode").fetchone()[0])

        with ThreadPoolExecutor(AT_ONCE) as pool:
            begun = [pool.submit(begin) for _ in range(AT_ONCE)]
        assert {one.result() for one in begun} == {"wal"}


def test_what_stays_locked_and_what_is_no_lock_is_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "PATIENCE", 0.2)
    with closing(connected(tmp_path / "a.sqlite")) as holder, closing(connected(tmp_path / "a.sqlite")) as other:
        holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            set_up(other, SETUP)
        holder.execute("ROLLBACK")
        with pytest.raises(sqlite3.OperationalError, match="syntax"):
            set_up(other, "CREATE NONSENSE")
        set_up(other, SETUP)
