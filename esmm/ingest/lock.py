"""One writer at a time behind an alias: a document that only one can create says who it is, and that he is alive."""

import os
import platform
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from esmm.errors import Locked
from esmm.ingest.patience import patient

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

HEARTBEAT = 10.0  # seconds between two signs of life
STALE = 60.0  # seconds without one after which a holder counts as gone
_ID = "holder"
_OURS: set[str] = set()  # tokens that this process holds


class Lock:
    """The lock that is held; ``check`` raises once somebody else took it over (this machine slept for a minute)."""

    def __init__(self, client: "Elasticsearch", alias: str, doing: str) -> None:
        self._client, self._alias, self._index = client, alias, lock_index(alias)
        now = time.time()
        self.entry: dict[str, Any] = {
            "token": uuid.uuid4().hex,
            "host": platform.node(),
            "pid": os.getpid(),
            "doing": doing,
            "since": now,
            "alive": now,
        }
        self._version: dict[str, int] = {}
        self._lost = False
        self._ended = threading.Event()
        self._heart = threading.Thread(target=self._beat, name="esmm-lock", daemon=True)

    def check(self) -> None:
        """Raise Locked if this is held no more."""
        if self._lost:
            raise Locked(
                f"another run took over {self._alias}, because this one gave no sign of life for {STALE:.0f} s",
                "let the other one end, then run this again",
            )

    def acquire(self) -> None:
        """Take the lock. Raises Locked if it is held by somebody who is alive."""
        from elasticsearch import BadRequestError, ConflictError

        with suppress(BadRequestError):  # it exists
            settings = {"number_of_shards": 1, "auto_expand_replicas": "0-1", "hidden": True}
            self._client.indices.create(index=self._index, settings={"index": settings}, mappings={"dynamic": False})
        try:
            self._write(op_type="create")
        except ConflictError:
            self._take_over()
        self._heart.start()

    def _beat(self) -> None:
        from elasticsearch import ApiError, ConflictError, NotFoundError, TransportError

        while not self._ended.wait(HEARTBEAT):
            self.entry["alive"] = time.time()
            try:
                self._write(**self._version)
            except (ConflictError, NotFoundError):
                self._lost = True
                return
            except (ApiError, TransportError):
                continue  # the server is busy or away: the load itself will say so

    def release(self) -> None:
        """Give the lock back, unless somebody else holds it by now."""
        from elasticsearch import ApiError, TransportError

        self._ended.set()
        self._heart.join(HEARTBEAT)
        with suppress(ApiError, TransportError):
            self._write(**self._version)  # still ours, and nobody takes over what is this fresh
            self._client.indices.delete(index=self._index)

    def _write(self, **condition: Any) -> None:
        answer = self._client.index(index=self._index, id=_ID, document=self.entry, **condition)
        self._version = {"if_seq_no": answer["_seq_no"], "if_primary_term": answer["_primary_term"]}

    def _take_over(self) -> None:
        """Take the lock of a holder that is gone; of two who try, one succeeds."""
        from elasticsearch import ConflictError, NotFoundError

        try:
            found = self._client.get(index=self._index, id=_ID)
        except NotFoundError:  # released in the meantime
            return self._write(op_type="create")
        holder = found["_source"]
        if holder["token"] != self.entry["token"] and is_alive(holder):  # its own: a second try after a lost answer
            raise held_by(self._alias, holder)
        try:
            self._write(if_seq_no=found["_seq_no"], if_primary_term=found["_primary_term"])
        except ConflictError:
            raise held_by(self._alias, self._client.get(index=self._index, id=_ID)["_source"]) from None


@contextmanager
def alone(client: "Elasticsearch", alias: str, *, doing: str) -> Iterator[Lock]:
    """Be the only one who changes what is behind an alias; ``doing`` names the command for others.

    Raises Locked at once if somebody else is at it. What a killed run left is taken over: at once where it ran on this
    machine, after a minute without a sign of life where it ran on another one (the clocks must agree).
    """
    lock = Lock(client, alias, doing)
    _OURS.add(lock.entry["token"])
    try:
        patient()(lock.acquire)
        try:
            yield lock
        finally:
            lock.release()
    finally:
        _OURS.discard(lock.entry["token"])


def lock_index(alias: str) -> str:
    """Return the name of the hidden index that holds the lock of an alias: rights on ``ALIAS-*`` cover it."""
    return f"{alias}-lock"


def is_alive(holder: dict[str, Any]) -> bool:
    """Say whether the holder of a lock still runs, as far as can be told from here."""
    if time.time() - holder["alive"] > STALE:
        return False
    if holder["host"] != platform.node():
        return True
    if holder["pid"] == os.getpid():
        return holder["token"] in _OURS  # else a process before this one had its number
    return _runs(holder["pid"])


def held_by(alias: str, holder: dict[str, Any]) -> Locked:
    """Return the refusal, with who holds the lock."""
    since = datetime.fromtimestamp(holder["since"], UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return Locked(
        f"{alias} is being changed by {holder['doing']} on {holder['host']} (process {holder['pid']}) since {since}",
        f"wait until it ends; if it was killed there, its lock lapses {STALE:.0f} s after its last sign of life",
    )


def _runs(pid: int) -> bool:
    if os.name == "nt":  # signal 0 would end it; its signs of life must do
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
