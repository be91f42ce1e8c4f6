"""Ports, and answers of what is no Elasticsearch."""

import socket
from collections.abc import Iterator

import pytest

from esmm.errors import NodeError
from esmm.node import probe


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_named_port_that_is_taken(taken: int) -> None:
    with pytest.raises(NodeError, match=f"port {taken} is taken"):
        probe.choose_port(taken, None)


def test_named_port_that_is_none() -> None:
    with pytest.raises(NodeError, match="99999"):
        probe.choose_port(99999, None)


def test_remembered_port_is_used_again_unless_taken(taken: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        free = server.getsockname()[1]
    assert probe.choose_port(None, free) == free
    assert probe.choose_port(None, taken) in range(9200, 9300)


def test_nothing_answers(taken: int) -> None:
    assert probe.ask(f"http://127.0.0.1:{taken}", "/", 0.2) is None
    assert probe.version_at("http://127.0.0.1:9") is None
