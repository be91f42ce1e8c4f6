"""What is remembered about a local node between two commands: ``node.json`` in its data folder."""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from esmm.errors import NodeError
from esmm.paths import whole


@dataclass(frozen=True)
class Node:
    """A local Elasticsearch node. ``home``, ``pid`` and ``log`` are None where Docker runs it."""

    url: str
    version: str
    source: str
    home: Path | None
    data: Path
    pid: int | None
    log: Path | None


@dataclass(frozen=True)
class Remembered:
    """A node and the mark of what runs it: the start time of its process, or its Docker project; None when stopped."""

    node: Node
    mark: str | None

    def stopped(self) -> "Remembered":
        """Return the same memory (port, source, home) of a node that no longer runs."""
        return Remembered(replace(self.node, pid=None), None)


def load(folder: Path) -> Remembered | None:
    """Return what ``folder`` remembers, or None; NodeError where the file is damaged."""
    path = folder / "node.json"
    if not path.exists():
        return None
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        mark = fields.pop("mark")
        paths = {key: Path(fields[key]) if fields[key] else None for key in ("home", "data", "log")}
        return Remembered(Node(**{**fields, **paths}), mark)
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as fault:
        raise NodeError(
            f"{path} cannot be read ({fault})", "delete this file; the data of the node stays where it is"
        ) from fault


def save(folder: Path, remembered: Remembered) -> None:
    """Write what ``folder`` shall remember, whole or not at all."""
    text = json.dumps({**asdict(remembered.node), "mark": remembered.mark}, default=str, indent=1)
    with whole(folder / "node.json") as part:
        part.write_text(text + "\n", encoding="utf-8")
