"""The Java that fits: fake installations with a release file, as java.py reads them."""

from pathlib import Path

import pytest

from esmm.errors import NodeError
from esmm.node.java import find_java

FULL = "java.base jdk.jdi jdk.incubator.vector"


@pytest.fixture(autouse=True)
def _no_named_java(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ES_JAVA_HOME", raising=False)


def fake(folder: Path, version: str, modules: str = FULL) -> Path:
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "java").touch(mode=0o755)
    (folder / "release").write_text(f'IMPLEMENTOR="x"\nJAVA_VERSION="{version}"\nMODULES="{modules}"\n')
    return folder


def test_newest_that_fits_is_taken(tmp_path: Path) -> None:
    found = [fake(tmp_path / name, name) for name in ("17.0.15", "25.0.3", "21.0.1")]
    assert find_java("9.4.3", tmp_path, found) == tmp_path / "25.0.3"


def test_early_versions_do_not_get_a_java_without_security_manager(tmp_path: Path) -> None:
    found = [fake(tmp_path / name, name) for name in ("17.0.15", "25.0.3")]
    assert find_java("8.14.1", tmp_path, found) == tmp_path / "17.0.15"


def test_named_java_wins_then_the_bundled_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    newest = fake(tmp_path / "new", "26")
    bundled = fake(tmp_path / "home" / "jdk", "24")
    assert find_java("9.4.3", tmp_path / "home", [newest]) == bundled
    monkeypatch.setenv("ES_JAVA_HOME", str(fake(tmp_path / "named", "21")))
    assert find_java("9.4.3", tmp_path / "home", [newest]) == tmp_path / "named"


def test_named_java_that_does_not_fit_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ES_JAVA_HOME", str(fake(tmp_path / "old", "11.0.2")))
    assert find_java("9.4.3", tmp_path, [fake(tmp_path / "new", "21")]) == tmp_path / "new"


def test_nothing_fits_names_each_that_was_looked_at(tmp_path: Path) -> None:
    found = [fake(tmp_path / "old", "1.8.0_402"), fake(tmp_path / "cut", "21.0.2", "java.base jdk.jdi")]
    with pytest.raises(NodeError) as raised:
        find_java("9.4.3", tmp_path, found)
    assert "old is Java 8;" in raised.value.message
    assert "cut is Java 21 without the module jdk.incubator.vector" in raised.value.message
    assert "Java 21 or newer" in raised.value.hint


def test_none_at_all(tmp_path: Path) -> None:
    with pytest.raises(NodeError, match="found none at all"):
        find_java("8.19.13", tmp_path, [tmp_path / "nothing"])
