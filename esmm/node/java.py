"""Find a Java that can run a given version of Elasticsearch."""

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from esmm.errors import NodeError

_NEEDED_MODULES = ("jdk.jdi", "jdk.incubator.vector")
_FOLDERS = ("/usr/lib/jvm/*", "/opt/*", "/Library/Java/JavaVirtualMachines/*/Contents/Home")


@dataclass(frozen=True)
class Java:
    """One installed Java: its folder, its major version and the modules that it has."""

    home: Path
    major: int
    modules: frozenset[str]


def find_java(version: str, home: Path, candidates: list[Path] | None = None) -> Path:
    """Return the folder of the Java to run Elasticsearch ``version`` from ``home``.

    ``ES_JAVA_HOME`` wins if it fits, then the Java bundled with Elasticsearch, then the newest of ``candidates``
    (by default what is installed here). NodeError names what was looked at.
    """
    named = os.environ.get("ES_JAVA_HOME")
    preferred = [Path(named)] if named else []
    found = [*preferred, home / "jdk", *(installed() if candidates is None else candidates)]
    looked = {path.resolve(): _look(path, version) for path in found if (path / "bin" / "java").exists()}
    for path in (*preferred, home / "jdk"):
        if isinstance(looked.get(path.resolve()), Java):
            return path
    fitting = [java for java in looked.values() if isinstance(java, Java)]
    if not fitting:
        raise _nothing_fits(version, looked)
    return max(fitting, key=lambda java: java.major).home


def installed() -> list[Path]:
    """Return the folders of this machine that may hold a Java."""
    return list(_installed())


def _installed() -> Iterator[Path]:
    if named := os.environ.get("JAVA_HOME"):
        yield Path(named)
    if on_path := shutil.which("java"):
        yield Path(on_path).resolve().parent.parent
    for pattern in _FOLDERS:
        yield from sorted(Path("/").glob(pattern.lstrip("/")))


def _look(path: Path, version: str) -> Java | str:
    """Return the Java in ``path``, or why it does not fit."""
    release = path / "release"
    if not release.is_file():
        return "has no release file"
    fields = dict(re.findall(r'^(\w+)="?(.*?)"?$', release.read_text(encoding="utf-8"), re.MULTILINE))
    major = re.match(r"(?:1\.)?(\d+)", fields.get("JAVA_VERSION", ""))
    if not major:
        return "does not tell its version"
    java = Java(path, int(major[1]), frozenset(fields.get("MODULES", "").split()))
    return _misfit(java, version) or java


def _misfit(java: Java, version: str) -> str:
    oldest, newest = wanted(version)
    if java.major < oldest or (newest and java.major > newest):
        return f"is Java {java.major}"
    missing = [name for name in _NEEDED_MODULES if name not in java.modules]
    return f"is Java {java.major} without the module {missing[0]}" if missing else ""


def wanted(version: str) -> tuple[int, int | None]:
    """Return the oldest and the newest Java (None: any) for a version of Elasticsearch.

    The security manager that 7.x and early 8.x rely on is gone from Java 24.
    """
    return (21, None) if int(version.partition(".")[0]) >= 9 else (17, 23)


def _nothing_fits(version: str, looked: dict[Path, Java | str]) -> NodeError:
    oldest, newest = wanted(version)
    span = f"Java {oldest} to {newest}" if newest else f"Java {oldest} or newer"
    seen = "; ".join(f"{path} {why}" for path, why in looked.items()) or "found none at all"
    return NodeError(
        f"no Java here can run Elasticsearch {version} (looked at: {seen})",
        f"install a full JDK, {span}, or set ES_JAVA_HOME to one",
    )
