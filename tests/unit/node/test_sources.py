"""Fetching: from a download site of our own on the loopback address, and by a Maven that may not use the network."""

import hashlib
import platform
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from esmm.errors import NodeError
from esmm.node import sources

from .test_archive import as_tar, tree

quiet = partial(lambda *_: None)


class Silent(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "site").mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Silent, directory=str(tmp_path / "site"))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def publish(folder: Path, checksum: str | None = None) -> None:
    kind = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine().lower(), platform.machine().lower())
    name = f"elasticsearch-{sources.VERSION}-{platform.system().lower()}-{kind}.tar.gz"
    archive = as_tar(tree(folder.parent / "made"), folder / name)
    right = hashlib.sha512(archive.read_bytes()).hexdigest()
    (folder / f"{name}.sha512").write_text(f"{checksum or right}  {name}\n")


def test_official_archive_is_verified_unpacked_and_kept(tmp_path: Path, site: str) -> None:
    publish(tmp_path / "site")
    heard: list[tuple[str, int | None, int | None]] = []
    home = sources.official(tmp_path / "cache", lambda *told: heard.append(told), site=site)
    assert (home / "lib" / "elasticsearch-9.4.3.jar").exists()
    assert ("fetching", heard[0][2], heard[0][2]) in heard
    shutil.rmtree(tmp_path / "site")
    assert sources.official(tmp_path / "cache", quiet, site=site) == home
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [home.name]


def test_wrong_checksum_keeps_nothing(tmp_path: Path, site: str) -> None:
    publish(tmp_path / "site", "0" * 128)
    with pytest.raises(NodeError, match="checksum"):
        sources.official(tmp_path / "cache", quiet, site=site)
    assert not list((tmp_path / "cache").iterdir())


def test_site_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NodeError, match="cannot be reached") as raised:
        sources.official(tmp_path / "cache", quiet, site="http://127.0.0.1:9")
    assert "archive" in raised.value.hint


def test_no_maven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NodeError, match="not installed"):
        sources.maven(tmp_path / "cache", quiet)


@pytest.mark.skipif(not shutil.which("mvn"), reason="no Maven here")
def test_maven_without_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".mvn").mkdir()
    (tmp_path / ".mvn" / "maven.config").write_text("--offline\n")
    monkeypatch.chdir(tmp_path)
    heard: list[str] = []
    with pytest.raises(NodeError, match="Maven could not fetch") as raised:
        sources.maven(tmp_path / "cache", lambda text, *_: heard.append(text))
    assert heard[0] == "Elasticsearch through Maven: 940 MB to fetch, about 200 MB kept"
    assert "settings.xml" in raised.value.hint
    assert not list((tmp_path / "cache").iterdir())


def test_version_that_maven_central_is_not_known_to_have(tmp_path: Path) -> None:
    with pytest.raises(NodeError, match=r"8\.0\.0 is not known") as raised:
        sources.maven(tmp_path / "cache", quiet, version="8.0.0")
    assert "8.19.13" in raised.value.hint


def test_damaged_download(tmp_path: Path) -> None:
    (tmp_path / "e.zip").write_bytes(b"half")
    sources.verify(tmp_path / "e.zip", hashlib.sha256(b"half").hexdigest())
    with pytest.raises(NodeError, match=r"checksum of e\.zip is wrong"):
        sources.verify(tmp_path / "e.zip", hashlib.sha256(b"whole").hexdigest())


def test_no_room_on_the_disk(tmp_path: Path) -> None:
    with pytest.raises(NodeError, match=r"1000000\.0 GB are needed") as raised:
        sources.check_room(tmp_path, 10**15)
    assert "ESMM_CACHE" in raised.value.hint


def test_named_archive_is_unpacked_once(tmp_path: Path) -> None:
    archive = as_tar(tree(tmp_path / "made"), tmp_path / "e.tar.gz")
    heard: list[str] = []
    homes = [sources.from_archive(archive, tmp_path / "cache", lambda text, *_: heard.append(text)) for _ in range(2)]
    assert homes[0] == homes[1]
    assert heard == ["unpacking e.tar.gz"]
    with pytest.raises(NodeError, match="is not a file"):
        sources.from_archive(tmp_path, tmp_path / "cache", quiet)
