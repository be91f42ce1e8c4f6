"""A local Elasticsearch for people who have none.

``up`` takes the first source that works: a running Docker engine, an archive or folder that the user names, Elastic's
own archive, Maven. The node keeps running until ``down``; its data, port and source are remembered in its data folder.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from esmm.errors import NodeError
from esmm.node import docker, process
from esmm.node.archive import version_of
from esmm.node.choice import SOURCES, Wish, first_that_works, ways
from esmm.node.launch import Plan, start, wait_ready
from esmm.node.probe import choose_port, version_at
from esmm.node.sources import Progress
from esmm.node.state import Node, Remembered, load, save
from esmm.paths import cache_dir, data_dir, make_folder

__all__ = ["SOURCES", "Node", "down", "status", "up"]

_WATERMARK = 0.9
_HEADROOM = 150_000_000_000


def up(
    *,
    source: str = "auto",
    version: str | None = None,
    archive: str | Path | None = None,
    home: str | Path | None = None,
    port: int | None = None,
    data: str | Path | None = None,
    on_progress: Progress | None = None,
) -> Node:
    """Return a running node: the one that runs already, or a new one once it answers.

    ``source`` is auto, docker, official or maven; an ``archive`` or a ``home`` replaces it. ``auto`` takes what this
    data folder used last, because its data is there. ``version`` is one of Elasticsearch, such as 8.19.13.
    ``data`` is the folder of state and index, so that several nodes can run side by side.
    ``on_progress(message, done, total)`` hears what goes on (bytes, or None).
    The heap is 1g, or ``ESMM_HEAP``; ``ES_JAVA_OPTS`` are passed on. Raises NodeError with the remedy where no node
    can be had.
    """
    progress = on_progress or _silent
    wish = Wish(source, Path(archive) if archive else None, Path(home) if home else None, version)
    folder = _data_folder(data)
    with _one_at_a_time(progress):
        remembered = load(folder)
        if found := _running(remembered):
            return _as_wished(found, version)
        last = remembered.node if remembered else None
        chosen = choose_port(port, _port(last) if last else None)
        _make_writable(folder)
        name, programs = first_that_works(ways(wish, last, _cache(), progress), progress)
        started = (
            _start_local(name, programs, (folder, chosen), progress) if programs else _start_docker(folder, chosen)
        )
        _warn_of_full_disk(folder, progress)
        return started


def down(*, data: str | Path | None = None) -> Node | None:
    """Stop just what ``up`` started for this data folder and return it; None where nothing of ours runs."""
    folder = _data_folder(data)
    remembered = load(folder)
    if remembered is None or remembered.mark is None:
        return None
    node, ours = remembered.node, _is_ours(remembered)
    if node.pid is None:
        docker.down(node.data, _port(node))
    elif ours:
        process.stop(node.pid, remembered.mark)
    save(folder, remembered.stopped())
    return node if ours else None


def status(*, data: str | Path | None = None) -> Node | None:
    """Return the node that ``up`` started for this data folder if it runs and answers, else None."""
    remembered = load(_data_folder(data))
    if remembered is None or not _is_ours(remembered):
        return None
    return remembered.node if version_at(remembered.node.url) else None


def _is_ours(remembered: Remembered) -> bool:
    """Say whether what ``up`` started may still run; a process number alone proves nothing, it is used again."""
    if remembered.node.pid is None:
        return remembered.mark is not None
    return process.birth(remembered.node.pid) == remembered.mark


def _running(remembered: Remembered | None) -> Node | None:
    """Return the node that runs already; one whose start was cut off, or that is busy, is waited for."""
    if remembered is None or not _is_ours(remembered):
        return None
    node = remembered.node
    if node.pid is None or node.home is None:
        return node if version_at(node.url) else None
    wait_ready(Plan(node.home, node.version, node.data, _port(node)), node.pid)
    return node


def _as_wished(found: Node, version: str | None) -> Node:
    if version not in (None, found.version):
        raise NodeError(
            f"Elasticsearch {found.version} runs at {found.url} already, so {version} is not started",
            "stop it by `esmm down`, or set ESMM_DATA to another data folder",
        )
    return found


def _start_local(source: str, home: Path, at: tuple[Path, int], progress: Progress) -> Node:
    plan = Plan(home, version_of(home), *at)
    progress(f"starting Elasticsearch {plan.version} at {plan.url}", None, None)
    pid = start(plan)
    mark = process.birth(pid)
    node = Node(plan.url, plan.version, source, home, plan.data, pid, plan.log)
    save(plan.data, Remembered(node, mark))
    ready = False
    try:
        wait_ready(plan, pid)
        ready = True
    finally:
        if not ready:
            process.stop(pid, mark or "")
            save(plan.data, Remembered(node, mark).stopped())
    return node


def _start_docker(folder: Path, port: int) -> Node:
    node = docker.up(folder, port)
    save(folder, Remembered(node, docker.project(folder)))
    return node


@contextmanager
def _one_at_a_time(progress: Progress) -> Iterator[None]:
    """Let one ``up`` at a time choose a port and fetch into the shared cache."""
    if os.name == "nt":
        raise NodeError("a local node is started on Linux and macOS only", "run docker/compose.yaml by Docker Desktop")
    import fcntl

    with (_cache() / "up.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("waiting for another start to end", None, None)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _warn_of_full_disk(folder: Path, progress: Progress) -> None:
    """Say so before Elasticsearch, which looks at the same two limits, silently opens no new index."""
    disk = shutil.disk_usage(folder)
    if disk.free < min((1 - _WATERMARK) * disk.total, _HEADROOM):
        used = f"{1 - disk.free / disk.total:.0%}"
        progress(f"the disk of {folder} is {used} full: Elasticsearch may refuse new indices; make room", None, None)


def _data_folder(data: str | Path | None) -> Path:
    return Path(data).absolute() if data else data_dir() / "node"


def _cache() -> Path:
    return _make_writable(cache_dir() / "elasticsearch")


def _make_writable(folder: Path) -> Path:
    try:
        made = make_folder(folder)
    except OSError as fault:
        raise NodeError(
            f"{folder} cannot be made ({fault.strerror})", "name another by ESMM_DATA, ESMM_CACHE"
        ) from fault
    if not os.access(made, os.W_OK | os.X_OK):
        raise NodeError(f"{folder} cannot be written", "name another by ESMM_DATA, ESMM_CACHE")
    return made


def _port(node: Node) -> int:
    return int(node.url.rpartition(":")[2])


def _silent(message: str, done: int | None, total: int | None) -> None:
    """Hear progress and do nothing."""
