"""Ask what runs at an address of this machine: ports and the HTTP answers of a node."""

import http.client
import json
import random
import socket
from typing import Any

from esmm.errors import NodeError

_PORTS = range(9200, 9300)


def choose_port(named: int | None, remembered: int | None) -> int:
    """Return the port that the user named, else the remembered one, else 9200 or one above it that is free.

    NodeError where a named one is taken.
    """
    if named is not None:
        if not is_free(named):
            raise NodeError(f"port {named} is taken", "name another port, or none and a free one is chosen")
        return named
    first, *others = _PORTS
    for port in [remembered or first, first, *random.sample(others, len(others))]:
        if is_free(port):
            return port
    raise NodeError(f"no port from {first} to {others[-1]} is free", "name a free one by --port")


def is_free(port: int) -> bool:
    """Say whether a server could listen on ``port`` of the loopback address now."""
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(("127.0.0.1", port))
        except (OSError, OverflowError):
            return False
    return True


def ask(url: str, path: str, seconds: float = 3) -> dict[str, Any] | None:
    """Return the JSON object that a local node answers to ``GET path``, or None where nothing useful answers."""
    # No proxy from the environment may stand between us and our own machine.
    host = url.removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=seconds)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = json.loads(answer.read())
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()
    return body if answer.status == http.HTTPStatus.OK and isinstance(body, dict) else None


def version_at(url: str) -> str | None:
    """Return the version of the node that answers at ``url``, or None."""
    answer = ask(url, "/_nodes/_local?filter_path=nodes.*.version") or {}
    return next((node["version"] for node in answer.get("nodes", {}).values()), None)


def settle(url: str, seconds: int = 20) -> None:
    """Wait until the indices of an answering node are open, at most ``seconds``: one may be beyond repair."""
    ask(url, f"/_cluster/health?wait_for_status=yellow&timeout={seconds}s", seconds + 5)
