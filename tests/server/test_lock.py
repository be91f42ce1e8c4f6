"""The lock of an alias: one holder at a time, taken over only from who is gone."""

import os
import platform
import subprocess
import sys
import threading
import time
from typing import Any

import pytest
from elasticsearch import ConflictError, Elasticsearch

from esmm.errors import Locked
from esmm.ingest import lock as locks
from esmm.ingest.lock import alone, lock_index


def put(client: Elasticsearch, alias: str, **holder: Any) -> None:
    """Leave a lock as another run would have left it."""
    now = time.time()
    mine = {"token": "t", "host": platform.node(), "pid": 1, "doing": "esmm ingest", "since": now, "alive": now}
    client.indices.create(index=lock_index(alias), settings={"index": {"hidden": True}})
    client.index(index=lock_index(alias), id="holder", document=mine | holder)


def gone() -> int:
    """The number of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def test_held_and_released(client: Elasticsearch, alias: str) -> None:
    for _ in range(2):
        with alone(client, alias, doing="esmm ingest") as lock:
            assert client.indices.exists(index=lock_index(alias))
            assert list(client.indices.get(index=f"{alias}*")) == [], "hidden from searches over many indices"
            lock.check()
            told = rf"esmm ingest on {platform.node()} \(process {os.getpid()}\) since 20"
            with pytest.raises(Locked, match=told), alone(client, alias, doing="esmm rollback"):
                pass
        assert not client.indices.exists(index=lock_index(alias))


def test_an_error_releases_it(client: Elasticsearch, alias: str) -> None:
    with pytest.raises(ZeroDivisionError), alone(client, alias, doing="x"):
        _ = 1 / 0
    assert not client.indices.exists(index=lock_index(alias))


def test_of_many_at_once_one_gets_it(client: Elasticsearch, alias: str) -> None:
    got, refused, together = [], [], threading.Barrier(6)

    def run() -> None:
        together.wait()
        try:
            with alone(client, alias, doing="x"):
                got.append(1)
                time.sleep(1.5)
        except Locked as error:
            refused.append(error)

    threads = [threading.Thread(target=run) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(got), len(refused)) == (1, 5)


@pytest.mark.parametrize(
    ("holder", "free"),
    [
        ({"pid": "gone"}, True),
        ({"pid": "own"}, True),
        ({"pid": "parent"}, False),
        ({"pid": "parent", "alive": -61}, True),
        ({"host": "elsewhere", "pid": "gone"}, False),
        ({"host": "elsewhere", "alive": -61}, True),
    ],
)
def test_who_is_gone(client: Elasticsearch, alias: str, holder: dict[str, Any], free: bool) -> None:
    pids = {"gone": gone(), "own": os.getpid(), "parent": os.getppid()}
    given = holder | {"pid": pids.get(holder.get("pid", ""), 1), "alive": time.time() + holder.get("alive", 0)}
    put(client, alias, **given)
    if not free:
        with pytest.raises(Locked), alone(client, alias, doing="x"):
            pass
        assert client.get(index=lock_index(alias), id="holder")["_source"]["token"] == "t"
    else:
        with alone(client, alias, doing="x"):
            assert client.get(index=lock_index(alias), id="holder")["_source"]["pid"] == os.getpid()


def test_signs_of_life(client: Elasticsearch, alias: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "HEARTBEAT", 0.05)
    with alone(client, alias, doing="x") as lock:
        first = lock.entry["since"]
        until = time.monotonic() + 10
        while client.get(index=lock_index(alias), id="holder")["_source"]["alive"] <= first:
            assert time.monotonic() < until
        # Another machine thought that this one was gone.
        stolen = False
        while not stolen:
            try:
                found = client.get(index=lock_index(alias), id="holder")
                client.index(
                    index=lock_index(alias),
                    id="holder",
                    document=found["_source"] | {"token": "theirs"},
                    if_seq_no=found["_seq_no"],
                    if_primary_term=found["_primary_term"],
                )
                stolen = True
            except ConflictError:
                continue
        while time.monotonic() < until:
            try:
                lock.check()
                time.sleep(0.02)
            except Locked as error:
                assert f"another run took over {alias}" in error.message
                break
        else:
            raise AssertionError("the loss was never noticed")
    assert client.get(index=lock_index(alias), id="holder")["_source"]["token"] == "theirs", "theirs stays"
