"""Take an Elasticsearch out of an archive (.tar.gz, .tgz or .zip), whole or not at all."""

import re
import shutil
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

from esmm.errors import NodeError

_JAR = re.compile(r"(?P<root>.*?)lib/elasticsearch-(?P<version>\d+\.\d+\.\d+[^/]*)\.jar")


def version_of(home: Path) -> str:
    """Return the version of the Elasticsearch in ``home``, read from its jar; NodeError where there is none."""
    for jar in home.glob("lib/elasticsearch-*.jar"):
        if found := _JAR.fullmatch(f"lib/{jar.name}"):
            return found["version"]
    raise NodeError(f"{home} holds no Elasticsearch", "name the folder that has bin, lib and modules in it")


def unpack(archive: Path, home: Path) -> None:
    """Take the Elasticsearch out of ``archive``, at whatever depth it lies, and put it at ``home``.

    It appears under its name only when complete. Raises NodeError where the archive is damaged or holds none.
    """
    part = home.with_name(home.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        if zipfile.is_zipfile(archive):
            _unpack_zip(archive, part)
        else:
            _unpack_tar(archive, part)
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError) as fault:
        shutil.rmtree(part, ignore_errors=True)
        raise NodeError(
            f"{archive} cannot be unpacked ({fault})", "fetch it again: a whole .tar.gz or .zip is needed"
        ) from fault
    part.replace(home)


def _root(names: Iterable[str], archive: Path) -> str:
    for name in names:
        if found := _JAR.fullmatch(name):
            return found["root"]
    raise NodeError(
        f"{archive} is not an archive of Elasticsearch: it holds no lib/elasticsearch-VERSION.jar",
        "name the .tar.gz or .zip that Elastic offers for download",
    )


def _unpack_zip(archive: Path, part: Path) -> None:
    with zipfile.ZipFile(archive) as opened:
        root = _root(opened.namelist(), archive)
        for entry in opened.infolist():
            if not entry.filename.startswith(root):
                continue
            target = _inside(part, entry.filename.removeprefix(root))
            (target if entry.is_dir() else target.parent).mkdir(parents=True, exist_ok=True)
            if not entry.is_dir():
                with opened.open(entry) as source, target.open("wb") as sink:
                    shutil.copyfileobj(source, sink, 1 << 20)
                target.chmod(_mode(entry.external_attr >> 16))
    _open_folders(part)


def _unpack_tar(archive: Path, part: Path) -> None:
    with tarfile.open(archive) as opened:
        root = _root((entry.name for entry in opened), archive)
        for entry in opened:
            if entry.name.startswith(root):
                inside = entry.replace(name=entry.name.removeprefix(root), deep=False)
                opened.extract(inside, part, filter=_readable)
    _open_folders(part)


def _readable(entry: tarfile.TarInfo, folder: str) -> tarfile.TarInfo | None:
    safe = tarfile.data_filter(entry, folder)
    return safe.replace(mode=0o755 if safe.isdir() else _mode(safe.mode or 0), deep=False)


def _inside(folder: Path, name: str) -> Path:
    target = (folder / name).resolve()
    if not target.is_relative_to(folder.resolve()):
        raise zipfile.BadZipFile(f"{name} points out of the archive")
    return target


# Another user may start what root unpacked, so everyone may read it.
def _mode(mode: int) -> int:
    return 0o755 if mode & 0o111 else 0o644


def _open_folders(part: Path) -> None:
    for folder in (part, *(path for path in part.rglob("*") if path.is_dir() and not path.is_symlink())):
        folder.chmod(0o755)
