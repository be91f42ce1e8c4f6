"""Where a load goes: into the version in use, on with a version that a killed load left, or into a new one."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from esmm.index_meta import LOADING, meta_of
from esmm.ingest import index

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

    from esmm.ingest.job import Job


@dataclass(frozen=True)
class Target:
    """A version of the index that is ready to be filled.

    ``writer`` is the alias by which this load alone writes. ``shape`` keys the fingerprints of its documents.
    ``in_place``: it is in use. ``begun``: it holds documents.
    """

    name: str
    shape: str
    known: index.Versions
    writer: str = ""
    in_place: bool = False
    begun: bool = False


def in_use(job: "Job") -> Target | None:
    """Return the version in use, if it has the shape that this recipe and these encoders give."""
    target = _wanted(job)
    current = target.known.current
    if not current or meta_of(job.server.client, current).get("shape") != target.shape:
        return None
    job.server.client.indices.refresh(index=current)
    writer = index.open_writer(job.server.client, current)
    return replace(target, name=current, in_place=True, begun=True, writer=writer)


def choose(job: "Job", *, new_version: bool) -> Target:
    """Choose the version to fill, and create it where it is a new one; drop unfinished versions of another shape."""
    client = job.server.client
    if not new_version and (target := in_use(job)):
        return replace(target, known=unfinished_dropped(client, target.known, kept=target.name))
    target = _wanted(job)
    left = _unfinished(client, target.known, target.shape)
    known = unfinished_dropped(client, target.known, kept=left or "")
    if left:
        client.indices.refresh(index=left)
    else:
        index.create(client, job.recipe, job.infos, name=known.next, can=job.server.can)
    name = left or known.next
    return replace(target, name=name, known=known, begun=bool(left), writer=index.open_writer(client, name))


def _wanted(job: "Job") -> Target:
    """Return what a version must be, and the versions that there are."""
    known = index.versions(job.server.client, job.recipe.index.name)
    if known.current:  # a load that was killed as it moved the alias could not say so
        index.mark_ready(job.server.client, known.current)
    return Target("", index.shape_of(job.recipe, job.infos, can=job.server.can), known)


def _unfinished(client: "Elasticsearch", known: index.Versions, shape: str) -> str | None:
    """Return the newest version that a load of this shape began and did not end."""
    wanted = {"state": LOADING, "shape": shape}
    others = (name for name in reversed(known.all) if name != known.current)
    return next((name for name in others if wanted.items() <= meta_of(client, name).items()), None)


def unfinished_dropped(client: "Elasticsearch", known: index.Versions, *, kept: str = "") -> index.Versions:
    """Delete what killed loads left behind, so that its number is free again; return the versions that are left."""
    stays = (known.current, kept)
    left = [n for n in known.all if n in stays or meta_of(client, n).get("state") != LOADING]
    for name in set(known.all) - set(left):
        index.drop(client, name)
    return replace(known, all=tuple(left))
