"""Archives: found at any depth, readable by everyone, whole or not at all."""

import tarfile
import zipfile
from pathlib import Path

import pytest

from esmm.errors import NodeError
from esmm.node.archive import unpack, version_of


def tree(folder: Path) -> Path:
    for name, mode in (("bin/elasticsearch", 0o700), ("lib/elasticsearch-9.4.3.jar", 0o600)):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
        (folder / name).chmod(mode)
    (folder / "lib" / "elasticsearch-core-9.4.3.jar").touch()
    (folder / "plugins").mkdir()
    return folder


def as_tar(source: Path, target: Path) -> Path:
    with tarfile.open(target, "w:gz") as archive:
        archive.add(source, "elasticsearch-9.4.3")
    return target


def as_zip(source: Path, target: Path) -> Path:
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("product-1/huge.bin", "not ours")
        for path in sorted(source.rglob("*")):
            archive.write(path, Path("product-1/elasticsearch") / path.relative_to(source))
    return target


@pytest.mark.parametrize(("pack", "name"), [(as_tar, "e.tar.gz"), (as_zip, "e.zip")])
def test_unpacks_only_elasticsearch_readable_by_all(tmp_path: Path, pack, name: str) -> None:  # noqa: ANN001
    unpack(pack(tree(tmp_path / "made"), tmp_path / name), tmp_path / "home")
    assert version_of(tmp_path / "home") == "9.4.3"
    assert {path.name for path in (tmp_path / "home").iterdir()} == {"bin", "lib", "plugins"}
    modes = {path: path.stat().st_mode & 0o777 for path in (tmp_path / "home").rglob("*")}
    assert modes[tmp_path / "home/bin/elasticsearch"] == 0o755
    assert modes[tmp_path / "home/lib/elasticsearch-9.4.3.jar"] == 0o644
    assert modes[tmp_path / "home/plugins"] == 0o755


def test_damaged_archive_leaves_nothing(tmp_path: Path) -> None:
    good = as_tar(tree(tmp_path / "made"), tmp_path / "e.tar.gz").read_bytes()
    (tmp_path / "cut.tar.gz").write_bytes(good[: len(good) // 2])
    with pytest.raises(NodeError, match=r"cut\.tar\.gz cannot be unpacked"):
        unpack(tmp_path / "cut.tar.gz", tmp_path / "home")
    assert not list(tmp_path.glob("home*"))


def test_another_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "made" / "lib").mkdir(parents=True)
    with pytest.raises(NodeError, match="not an archive of Elasticsearch"):
        unpack(as_zip(tmp_path / "made", tmp_path / "e.zip"), tmp_path / "home")


def test_zip_cannot_write_outside(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "e.zip", "w") as archive:
        archive.writestr("lib/elasticsearch-9.4.3.jar", "")
        archive.writestr("../../outside", "")
    with pytest.raises(NodeError, match="points out of the archive"):
        unpack(tmp_path / "e.zip", tmp_path / "deep" / "home")
    assert not (tmp_path / "outside").exists()


def test_version_of_a_folder_without_elasticsearch(tmp_path: Path) -> None:
    with pytest.raises(NodeError, match="holds no Elasticsearch"):
        version_of(tmp_path)
