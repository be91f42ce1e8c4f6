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


def choose(job: "Job", *, new_version: bool) -> Target:
    """Choose the version to fill, and create it where it is a new one; drop unfinished versions of another shape.

    The version in use serves where it has the shape that this recipe and these encoders give.
    """
    client, infos = job.server.client, {clause: encoder.info for clause, encoder in job.encoders.items()}
    known = index.versions(client, job.recipe.index.name)
    if known.current:  # a load that was killed as it moved the alias could not say so
        index.mark_ready(client, known.current)
    shape = index.shape_of(job.recipe, infos, can=job.server.can)
    if known.current and not new_version and meta_of(client, known.current).get("shape") == shape:
        target = Target(known.current, shape, known, in_place=True, begun=True)
    elif left := _unfinished(client, known, shape):
        target = Target(left, shape, known, begun=True)
    else:
        target = Target("", shape, known)
    known = _without_unfinished(client, known, kept=target.name)
    name = target.name or known.next
    if target.begun:
        client.indices.refresh(index=name)
    else:
        index.create(client, job.recipe, infos, name=name, can=job.server.can)
    return replace(target, name=name, known=known, writer=index.open_writer(client, name))


def _unfinished(client: "Elasticsearch", known: index.Versions, shape: str) -> str | None:
    """Return the newest version that a load of this shape began and did not end."""
    wanted = {"state": LOADING, "shape": shape}
    others = (name for name in reversed(known.all) if name != known.current)
    return next((name for name in others if wanted.items() <= meta_of(client, name).items()), None)


def _without_unfinished(client: "Elasticsearch", known: index.Versions, *, kept: str) -> index.Versions:
    """Delete what killed loads left behind, so that its number is free again; return the versions that are left."""
    stays = (known.current, kept)
    left = [n for n in known.all if n in stays or meta_of(client, n).get("state") != LOADING]
    for name in set(known.all) - set(left):
        index.drop(client, name)
    return replace(known, all=tuple(left))
