"""Run the node by Docker, from docker/compose.yaml, where an engine runs."""

import hashlib
import os
import secrets
import subprocess
from pathlib import Path

from esmm.errors import NodeError
from esmm.node import probe
from esmm.node.sources import Progress
from esmm.node.state import Node
from esmm.shipped import shipped

_ENGINE_SECONDS = 15
_START_SECONDS = 600


def require_engine() -> None:
    """Raise NodeError where no Docker engine answers, or its client does not know ``compose``."""
    if not _quiet(["docker", "info"]):
        raise NodeError("no Docker engine answers", "start Docker, or choose another source")
    if not _quiet(["docker", "compose", "version"]):
        raise NodeError("docker has no compose plugin", "install the plugin, or choose another source")


def fetch(progress: Progress) -> None:
    """Make sure of the engine and of the image; NodeError where either cannot be had."""
    require_engine()
    progress("Elasticsearch by Docker: the image, several hundred MB, is fetched unless it is here", None, None)
    done = _compose(Path("pull"), 0, "pull", "--policy", "missing", "elasticsearch")
    if done.returncode:
        raise NodeError(f"Docker could not fetch the image:\n{_end(done.stderr)}", "check the network")


def project(data: Path) -> str:
    """Return the name of the Compose project that belongs to a data folder."""
    return f"esmm-{hashlib.sha256(str(data).encode()).hexdigest()[:10]}"


def up(data: Path, port: int) -> Node:
    """Start Elasticsearch alone, reachable from this machine only and so without passwords; its volume is kept."""
    done = _compose(data, port, "up", "--detach", "--wait", "--wait-timeout", str(_START_SECONDS), "elasticsearch")
    if done.returncode:
        log = _compose(data, port, "logs", "--no-color", "--tail", "12", "elasticsearch").stdout
        down(data, port)
        raise NodeError(
            f"Docker could not start Elasticsearch:\n{_end(done.stderr)}\n{_end(log)}".rstrip(),
            "read the log; where memory is short, set ESMM_HEAP lower, such as 512m",
        )
    url = f"http://127.0.0.1:{port}"
    version = probe.version_at(url)
    if version is None:
        raise NodeError(f"Docker runs Elasticsearch, but nothing answers at {url}", "see `docker ps` and `docker logs`")
    return Node(url, version, "docker", None, data, None, None)


def down(data: Path, port: int) -> None:
    """Stop and remove the containers of this data folder's project; its volume, that is its data, is kept."""
    require_engine()
    done = _compose(data, port, "down")
    if done.returncode:
        raise NodeError(f"Docker could not stop Elasticsearch:\n{_end(done.stderr)}", "see `docker ps`")


def _compose(data: Path, port: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    # Compose wants a value for every variable in the file, also for services that are not started.
    unused = secrets.token_hex(16)
    own = {"ESMM_PORT": str(port), "ESMM_SECURITY": "false", "ELASTIC_PASSWORD": unused, "KIBANA_PASSWORD": unused}
    file = str(shipped("docker/compose.yaml"))
    command = ["docker", "compose", "--project-name", project(data), "--file", file, *arguments]
    return subprocess.run(command, env=os.environ | own, capture_output=True, text=True, check=False)


def _quiet(command: list[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, timeout=_ENGINE_SECONDS, check=False).returncode == 0
    except (FileNotFoundError, PermissionError, subprocess.TimeoutExpired):
        return False


def _end(text: str) -> str:
    return "\n".join(f"    {line[:300]}" for line in text.splitlines()[-12:])
