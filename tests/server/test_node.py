"""A local node, really fetched (the first time), started, found again, stopped, and made to crash."""

import json
import os
import shutil
import socket
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from esmm import node
from esmm.errors import NodeError
from esmm.node import process
from esmm.paths import is_root


def send(url: str, method: str = "GET", body: dict[str, object] | None = None) -> dict[str, object]:
    request = urllib.request.Request(url, json.dumps(body).encode() if body else None, method=method)
    request.add_header("Content-Type", "application/json")
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
        return json.load(answer)


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("ESMM_HEAP", "512m")
    folder = tmp_path / "node"
    if is_root():  # another user runs the node, who cannot enter pytest's folder
        folder = Path(tempfile.gettempdir()) / f"esmm-test-{os.getpid()}"
    yield folder
    node.down(data=folder)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def bystander(tmp_path: Path) -> Iterator[int]:
    """A process of somebody else."""
    surroundings = {"PATH": os.environ["PATH"], "ES_HOME": "/"}
    pid = process.start(["sleep", "300"], surroundings, tmp_path / "log", process.Account("me"))
    yield pid
    process.stop(pid, process.birth(pid) or "")


def test_up_finds_itself_keeps_its_data_and_goes_down(data: Path, bystander: int) -> None:
    (data / "config").mkdir(parents=True)
    (data / "config" / "elasticsearch.keystore.tmp").touch()  # what a start leaves that was cut off
    heard: list[str] = []
    first = node.up(source="maven", data=data, on_progress=lambda text, *_: heard.append(text))
    assert any(text.startswith(f"starting Elasticsearch {first.version}") for text in heard)
    assert node.up(data=data, port=1) == first == node.status(data=data)
    send(f"{first.url}/kept/_doc/1?refresh=true", "PUT", {"title": "blue shirt"})

    assert node.down(data=data) == first
    assert process.birth(first.pid) is None
    assert process.birth(bystander) is not None
    assert node.status(data=data) is None
    assert node.down(data=data) is None

    again = node.up(data=data)
    assert (again.url, again.source, again.home) == (first.url, first.source, first.home)
    assert send(f"{again.url}/kept/_doc/1")["_source"] == {"title": "blue shirt"}


def test_down_leaves_a_process_that_only_has_the_number(data: Path, bystander: int) -> None:
    from esmm.node.state import Node, Remembered, save

    data.mkdir()
    ours = Node("http://127.0.0.1:9", "9.4.3", "maven", data, data, bystander, None)
    save(data, Remembered(ours, "born long ago"))
    assert node.down(data=data) is None
    assert process.birth(bystander) is not None


def test_crash_shows_the_log_and_the_remedy(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ESMM_HEAP", "nonsense")
    with pytest.raises(NodeError, match="Invalid initial heap size: -Xmsnonsense") as raised:
        node.up(source="maven", data=data)
    assert str(data / "logs" / "console.log") in raised.value.message
    assert "ESMM_HEAP" in raised.value.hint
    assert node.status(data=data) is None


def test_named_port_that_is_taken(data: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(NodeError, match="is taken"):
        node.up(source="maven", data=data, port=server.getsockname()[1])
