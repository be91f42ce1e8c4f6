"""Which server: the one that is named, else the local node of ``esmm up`` if it runs, else localhost:9200."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from esmm.cluster import Connection


def find_server(**flags: Any) -> "Connection":
    """Return the connection that is named by flag, environment or ``.env``; else that of the local node, if it runs."""
    from esmm import node
    from esmm.cluster import connection

    where = connection(**flags)
    if where.named:
        return where
    local = node.status()
    return replace(where, url=local.url) if local else where
