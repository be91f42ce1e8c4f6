"""What is remembered about a node."""

from pathlib import Path

import pytest

from esmm.errors import NodeError
from esmm.node import status
from esmm.node.state import Node, Remembered, load, save


def node(data: Path, pid: int | None = 4242) -> Node:
    return Node("http://127.0.0.1:9211", "9.4.3", "maven", Path("/somewhere"), data, pid, data / "logs" / "console.log")


def test_comes_back_as_saved(tmp_path: Path) -> None:
    for given in (Remembered(node(tmp_path), "123"), Remembered(node(tmp_path), "123").stopped()):
        save(tmp_path, given)
        assert load(tmp_path) == given
    assert [path.name for path in tmp_path.iterdir()] == ["node.json"]


def test_stopped_keeps_port_and_home(tmp_path: Path) -> None:
    stopped = Remembered(node(tmp_path), "123").stopped()
    assert (stopped.mark, stopped.node.pid) == (None, None)
    assert (stopped.node.url, stopped.node.home) == ("http://127.0.0.1:9211", Path("/somewhere"))


def test_nothing_remembered(tmp_path: Path) -> None:
    assert load(tmp_path) is None
    assert status(data=tmp_path) is None


@pytest.mark.parametrize("text", ["", "[]", '{"url": "x"}', '{"mark": null, "home": null, "data": ".", "log": null}'])
def test_damaged_memory_is_one_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "node.json").write_text(text)
    with pytest.raises(NodeError, match=r"node\.json cannot be read") as raised:
        load(tmp_path)
    assert "delete this file" in raised.value.hint
