"""A node of one's own, to be killed and started again while something talks to it."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from esmm import node
from esmm.node import probe, process


@contextmanager
def own_node(folder: Path) -> Iterator[str]:
    """Start a node that keeps its data in ``folder``; yield its address, stop it in the end."""
    heap = os.environ.get("ESMM_HEAP")
    os.environ["ESMM_HEAP"] = "512m"
    try:
        yield node.up(source="maven", data=folder).url
    finally:
        node.down(data=folder)
        os.environ.pop("ESMM_HEAP") if heap is None else os.environ.update(ESMM_HEAP=heap)


def restart(folder: Path, url: str, *, by_force: bool) -> None:
    """Stop the node in the middle of its work, by force as a crash does or kindly, and start it at the same address."""
    running, port = node.status(data=folder), int(url.rpartition(":")[2])
    if by_force and running and running.pid:
        process.stop(running.pid, process.birth(running.pid) or "", seconds=0)
    node.down(data=folder)
    while not probe.is_free(port):  # a dying process holds its port a little longer than its number
        time.sleep(0.1)
    node.up(data=folder, port=port)
