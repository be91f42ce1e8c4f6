"""Folders of this machine."""

from pathlib import Path

import pytest

from esmm import paths
from esmm.errors import EsmmError


def test_environment_overrides(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ESMM_DATA", str(tmp_path / "d"))
    monkeypatch.setenv("ESMM_CACHE", "~/c")
    assert paths.data_dir() == tmp_path / "d"
    assert paths.cache_dir() == Path.home() / "c"


def test_defaults_suit_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ESMM_DATA", raising=False)
    monkeypatch.delenv("ESMM_CACHE", raising=False)
    assert paths.data_dir() != paths.cache_dir()
    for folder in (paths.data_dir(), paths.cache_dir()):
        assert folder.is_relative_to(Path("/var") if paths.is_root() else Path.home())


def test_made_folders_can_be_entered_by_others_only_when_root_made_them(tmp_path: Path) -> None:
    import os

    before = os.umask(0o077)
    try:
        made = paths.make_folder(tmp_path / "a" / "b")
    finally:
        os.umask(before)
    assert {folder.stat().st_mode & 0o777 for folder in (made, made.parent)} == {0o755 if paths.is_root() else 0o700}


def test_the_vector_cache_lies_in_the_cache_unless_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ESMM_CACHE", str(tmp_path))
    monkeypatch.delenv("ESMM_VECTORS")
    assert paths.vector_cache_path() == tmp_path / "vectors.sqlite"
    monkeypatch.setenv("ESMM_VECTORS", "~/v.sqlite")
    assert paths.vector_cache_path() == Path.home() / "v.sqlite"


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    with paths.whole(file) as beside:
        beside.write_text("first")
        assert not file.exists()
    with pytest.raises(RuntimeError), paths.whole(file) as beside:
        beside.write_text("half of the sec")
        raise RuntimeError
    assert file.read_text() == "first"
    assert [found.name for found in tmp_path.iterdir()] == ["a.json"]


def test_the_cap_of_the_vector_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ESMM_CACHE_GB", raising=False)
    assert paths.vector_cache_cap() is None
    monkeypatch.setenv("ESMM_CACHE_GB", "1.5")
    assert paths.vector_cache_cap() == 1_500_000_000
    for wrong in ("much", "0", "-1", "nan"):
        monkeypatch.setenv("ESMM_CACHE_GB", wrong)
        with pytest.raises(EsmmError, match=f"ESMM_CACHE_GB is {wrong}, which is no size"):
            paths.vector_cache_cap()
