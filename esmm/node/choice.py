"""Choose where the node comes from: what the user names, what was used last, else the first source that works."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from esmm.errors import NodeError
from esmm.node import docker, sources
from esmm.node.sources import Progress
from esmm.node.state import Node

SOURCES = ("auto", "docker", "official", "maven")
_FETCHED = {"official": sources.official, "maven": sources.maven}


@dataclass(frozen=True)
class Wish:
    """What the user asks for: a source by name, or an archive or folder of their own, which then is the only one.

    Without a ``version`` it is the one that this data folder ran last, else the one that esmm is made with.
    """

    source: str = "auto"
    archive: Path | None = None
    home: Path | None = None
    version: str | None = None

    def __post_init__(self) -> None:
        if self.source not in SOURCES:
            raise NodeError(f"there is no source {self.source!r}", f"choose one of {', '.join(SOURCES)}")
        if sum((self.source != "auto", self.archive is not None, self.home is not None)) > 1:
            raise NodeError("more than one of source, archive and home is named", "name one of them")
        if self.version and (self.archive or self.home):
            raise NodeError(
                "a version is named beside an archive or home, which has one of its own", "name one of them"
            )
        if self.source == "docker" and self.version not in (None, sources.VERSION):
            raise NodeError(
                f"docker/compose.yaml runs Elasticsearch {sources.VERSION}, not {self.version}", "take another source"
            )


Way = Callable[[], Path | None]


def ways(wish: Wish, last: Node | None, cache: Path, progress: Progress) -> dict[str, Way]:
    """Return what to try, in order: each gives the home of an Elasticsearch, or None where Docker brings its own."""
    if wish.archive:
        return {"archive": partial(sources.from_archive, wish.archive, cache, progress)}
    if wish.home:
        return {"home": partial(sources.from_home, wish.home)}
    if wish.source == "auto" and last and wish.version in (None, last.version):
        return {last.source: partial(_as_last_time, last, cache, progress)}
    version = wish.version or sources.VERSION
    known: dict[str, Way] = {"docker": partial(docker.fetch, progress)} if version == sources.VERSION else {}
    at_hand = [name for name in _FETCHED if sources.fetched_home(name, cache, version=version).exists()]
    for name in dict.fromkeys((*at_hand, *_FETCHED)):
        known[name] = partial(_FETCHED[name], cache, progress, version=version)
    return known if wish.source == "auto" else {wish.source: known[wish.source]}


def first_that_works(tried: dict[str, Way], progress: Progress) -> tuple[str, Path | None]:
    """Return the name of the first way that works and the home it gave; NodeError tells why none did."""
    faults: dict[str, NodeError] = {}
    for name, way in tried.items():
        try:
            return name, way()
        except NodeError as fault:
            faults[name] = fault
            progress(f"{name}: {fault.message}", None, None)
    if len(faults) == 1:
        raise next(iter(faults.values()))
    told = "".join(f"\n  {name}: {fault.message}" for name, fault in faults.items())
    hints = dict.fromkeys(fault.hint for fault in faults.values())
    raise NodeError(f"no source of Elasticsearch works here:{told}", "one of these: " + "; ".join(hints))


def _as_last_time(last: Node, cache: Path, progress: Progress) -> Path | None:
    """Take again what wrote the data: another source would show an empty index, or be unable to read it."""
    if last.source == "docker":
        docker.fetch(progress)
        return None
    if last.home and last.home.exists():
        return last.home
    if last.source in _FETCHED:
        return _FETCHED[last.source](cache, progress, version=last.version)
    raise NodeError(
        f"{last.home}, which ran this node last time, is gone", "name an archive or a home again, or another source"
    )
