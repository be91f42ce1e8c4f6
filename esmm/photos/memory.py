"""What is remembered of fetched photos: enough to learn with one small request, or with none, that one is the same.

Bytes are not kept: where the vector of a content is known they are not needed, else they are fetched again.
"""

import logging
import sqlite3
import time
from contextlib import closing, suppress
from dataclasses import astuple, dataclass, replace
from http.client import HTTPMessage
from pathlib import Path
from threading import Lock
from typing import Any

from esmm.sqlite import connected, moved_aside, set_up

LIMIT = 500_000  # URLs; about 100 MB

_LOG = logging.getLogger(__name__)
_TRIMMED_EVERY = 10_000  # URLs
# A photo that a shop replaced under its old URL is noticed within a week, whatever its server promised.
_LONGEST_FRESH = 7 * 86_400.0
_LONGEST_VALIDATOR = 1000
_SETUP = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS photos (
    url BLOB PRIMARY KEY, content BLOB, etag TEXT, modified TEXT, checked REAL, fresh_until REAL, used REAL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS used ON photos (used);
"""


@dataclass(frozen=True, slots=True)
class Remembered:
    """The content key of a fetched photo, its validators, and when it was checked; times are Unix seconds."""

    content: bytes
    etag: str | None
    modified: str | None
    checked: float
    fresh_until: float

    @property
    def conditions(self) -> dict[str, str]:
        """The headers that ask for the photo only if it is another one."""
        pairs = {"If-None-Match": self.etag, "If-Modified-Since": self.modified}
        return {name: value for name, value in pairs.items() if value}

    def renewed(self, headers: HTTPMessage) -> "Remembered":
        """Return what is known after a host said that the photo is the same."""
        now = time.time()
        return replace(self, checked=now, fresh_until=now + _freshness(headers))


def remembered(content: bytes, headers: HTTPMessage) -> Remembered | None:
    """Return what to remember of an answer; None where it asks not to be remembered."""
    if "no-store" in _directives(headers):
        return None
    now = time.time()
    etag, modified = _validator(headers, "ETag"), _validator(headers, "Last-Modified")
    return Remembered(content, etag, modified, now, now + _freshness(headers))


class UrlMemory:
    """Remembers photos by the key of their URL in one SQLite file, which threads and processes may share.

    A damaged file is moved aside and begun again; one that cannot be used is done without. Both are logged in a line.
    ``limit`` is how many URLs are kept; those not used for longest go first.
    """

    def __init__(self, path: Path, *, limit: int = LIMIT) -> None:
        self._path, self._limit, self._lock = path, limit, Lock()
        self._db: sqlite3.Connection | None = None
        self._opened, self._put = time.time(), 0
        with self._lock:
            self._open()

    def get(self, url: bytes) -> Remembered | None:
        """Return what is known of a URL."""
        rows = self._run("SELECT content, etag, modified, checked, fresh_until FROM photos WHERE url = ?", url)
        if rows:
            self._run("UPDATE photos SET used = ? WHERE url = ?", time.time(), url)
        return Remembered(*rows[0]) if rows else None

    def put(self, url: bytes, found: Remembered) -> None:
        """Remember what is known of a URL."""
        self._run("INSERT OR REPLACE INTO photos VALUES (?, ?, ?, ?, ?, ?, ?)", url, *astuple(found), time.time())
        self._put += 1
        if self._put % _TRIMMED_EVERY == 0:
            self._trim()

    def is_fresh(self, found: Remembered) -> bool:
        """Say whether no host needs to be asked: its time has not ended, or it was asked since this memory opened."""
        now = time.time()
        return found.checked <= now and (now < found.fresh_until or found.checked >= self._opened)

    def close(self) -> None:
        """Drop what is above the limit, and close the file."""
        self._trim()
        with self._lock:
            if self._db:
                self._db.close()
            self._db = None

    def _trim(self) -> None:
        kept = "SELECT used FROM photos ORDER BY used DESC LIMIT 1 OFFSET ?"
        self._run(f"DELETE FROM photos WHERE used < ({kept})", self._limit - 1)  # noqa: S608

    def _run(self, statement: str, *values: Any) -> list[Any]:
        with self._lock:
            try:
                return self._db.execute(statement, values).fetchall() if self._db else []
            except sqlite3.OperationalError:  # a full disk, a writer that does not end: this one is not remembered
                return []
            except sqlite3.DatabaseError:
                self._begin_again()
                return []

    def _open(self) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._db = connected(self._path)
            set_up(self._db, _SETUP)
        except (OSError, sqlite3.OperationalError) as error:
            self._forgo(str(error))
        except sqlite3.DatabaseError:
            self._begin_again()

    def _begin_again(self) -> None:
        self._forgo(None)
        try:
            aside = moved_aside(self._path)
            with closing(connected(self._path)) as made:
                set_up(made, _SETUP)
        except (OSError, sqlite3.Error) as error:
            self._forgo(str(error))
            return
        _LOG.warning("what was remembered of fetched photos is damaged: moved to %s, begun again", aside)
        self._open()

    def _forgo(self, why: str | None) -> None:
        if self._db:
            with suppress(sqlite3.Error):
                self._db.close()
        self._db = None
        if why:
            _LOG.warning("fetched photos are not remembered: %s: %s", self._path, why)


def _directives(headers: HTTPMessage) -> dict[str, str]:
    parts = (part.strip().lower().partition("=") for part in ",".join(headers.get_all("Cache-Control", [])).split(","))
    return {name.strip(): value.strip().strip('"') for name, _, value in parts}


def _freshness(headers: HTTPMessage) -> float:
    """Return for how many seconds no host needs to be asked (RFC 9111, max-age less Age)."""
    found = _directives(headers)
    if "no-cache" in found:
        return 0.0
    return max(0.0, min(_number(found.get("max-age")) - _number(headers.get("Age")), _LONGEST_FRESH))


def _number(text: str | None) -> float:
    return float(text[:12]) if text and text.isascii() and text.isdigit() else 0.0


def _validator(headers: HTTPMessage, name: str) -> str | None:
    value = str(headers.get(name, ""))
    return value if value.isprintable() and 0 < len(value) <= _LONGEST_VALIDATOR else None
