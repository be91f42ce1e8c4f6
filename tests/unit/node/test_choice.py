"""Which source is tried, and what is said when none works."""

from functools import partial
from pathlib import Path

import pytest

from esmm.errors import NodeError
from esmm.node.choice import Wish, first_that_works, ways
from esmm.node.sources import fetched_home
from esmm.node.state import Node

quiet = partial(lambda *_: None)


def last(source: str, home: Path | None) -> Node:
    return Node("http://127.0.0.1:9211", "9.4.3", source, home, Path("data"), None, None)


def test_order_on_a_fresh_machine_and_with_something_fetched(tmp_path: Path) -> None:
    assert list(ways(Wish(), None, tmp_path, quiet)) == ["docker", "official", "maven"]
    fetched_home("maven", tmp_path).mkdir()
    assert list(ways(Wish(), None, tmp_path, quiet)) == ["docker", "maven", "official"]


def test_what_is_named_is_the_only_one(tmp_path: Path) -> None:
    before = last("docker", None)
    assert list(ways(Wish(archive=tmp_path), before, tmp_path, quiet)) == ["archive"]
    assert list(ways(Wish(home=tmp_path), before, tmp_path, quiet)) == ["home"]
    assert list(ways(Wish("maven"), before, tmp_path, quiet)) == ["maven"]


def test_auto_takes_what_wrote_the_data(tmp_path: Path) -> None:
    tried = ways(Wish(), last("archive", tmp_path), tmp_path, quiet)
    assert first_that_works(tried, quiet) == ("archive", tmp_path)
    with pytest.raises(NodeError, match="which ran this node last time, is gone"):
        first_that_works(ways(Wish(), last("home", tmp_path / "gone"), tmp_path, quiet), quiet)


def test_another_version_is_fetched_beside_the_first(tmp_path: Path) -> None:
    fetched_home("maven", tmp_path).mkdir()
    older = fetched_home("maven", tmp_path, version="8.19.13")
    older.mkdir()
    tried = ways(Wish(version="8.19.13"), last("maven", fetched_home("maven", tmp_path)), tmp_path, quiet)
    assert list(tried) == ["maven", "official"]  # no Docker: compose.yaml has one version
    assert tried["maven"]() == older
    with pytest.raises(NodeError, match=r"runs Elasticsearch 9\.4\.3, not 8\.19\.13"):
        Wish("docker", version="8.19.13")
    with pytest.raises(NodeError, match="which has one of its own"):
        Wish(home=tmp_path, version="8.19.13")


def test_every_failure_is_told(tmp_path: Path) -> None:
    heard: list[str] = []

    def fail(name: str) -> None:
        raise NodeError(f"{name} is broken", f"mend {name}")

    with pytest.raises(NodeError) as raised:
        first_that_works({name: partial(fail, name) for name in ("a", "b")}, lambda text, *_: heard.append(text))
    assert heard == ["a: a is broken", "b: b is broken"]
    assert "a is broken" in raised.value.message
    assert raised.value.hint == "one of these: mend a; mend b"


def test_contradicting_or_unknown_wishes() -> None:
    with pytest.raises(NodeError, match="more than one"):
        Wish("maven", home=Path("x"))
    with pytest.raises(NodeError, match="no source 'brew'"):
        Wish("brew")
