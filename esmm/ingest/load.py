"""One load: catalogue lines in, what changed brought into the index behind the alias, verified."""

import time
from typing import TYPE_CHECKING

from esmm.errors import LoadFailed, Locked
from esmm.ingest import index
from esmm.ingest.fill import checked, fill
from esmm.ingest.job import Job, Source, Wishes
from esmm.ingest.load_part import load_part
from esmm.ingest.lock import alone
from esmm.ingest.patience import patient
from esmm.ingest.publish import publish, settle, verify
from esmm.ingest.report import Ledger, LoadReport
from esmm.ingest.run import refuse_during_run
from esmm.ingest.seen import SeenIds
from esmm.ingest.sync import check_deletes, delete_unseen
from esmm.ingest.target import Target, choose

if TYPE_CHECKING:
    from esmm.ingest.lock import Lock
    from esmm.recipe import Recipe

_PLAIN = Wishes()


def load(job: Job, wishes: Wishes = _PLAIN) -> LoadReport:
    """Load a catalogue into the index behind the recipe's alias.

    Where the version in use has the shape that recipe and encoders give, only what changed is written, in place. Else
    a new version is filled, and the alias moves to it once it is whole. One part of a catalogue always goes into a new
    version, which its run fills together. Whatever ends the load early, the same load goes on where this one stopped:
    an unfinished version stays, and the vectors made so far are in the cache.

    Raises CatalogueError, ClusterError, of that Locked where another load is under way, or LoadFailed.
    """
    report, client = job.report, job.server.client
    report.alias = job.recipe.index.name
    if job.source.part:
        return load_part(job, job.source.part)
    with alone(client, report.alias, doing="esmm ingest") as lock, SeenIds() as seen:
        refuse_during_run(client, report.alias)
        target = patient()(choose, job, new_version=wishes.new_version)
        report.index, report.in_place = target.name, target.in_place
        if target.in_place:
            _in_place(job, target, lock, seen, wishes)
        else:
            report.previous = target.known.current
            _into_new(job, target, lock, seen)
    report.seconds = time.monotonic() - report.started
    return report


def check(source: Source, recipe: "Recipe") -> LoadReport:
    """Read and check every line as :func:`load` would, and store nothing. Raises CatalogueError."""
    report = LoadReport(alias=recipe.index.name)
    with Ledger(report, source.fault_folder, source.stem) as ledger, SeenIds() as seen:
        for _ in checked(source.lines(recipe.index.id), recipe, ledger, seen):
            report.new += 1
    return report


def _into_new(job: Job, target: Target, lock: "Lock", seen: SeenIds) -> None:
    """Fill a version that is not in use, verify it, and move the alias to it."""
    client, report = job.server.client, job.report
    try:
        sample = fill(job, target, lock, seen)
        _check_any(report)
        if target.begun and _held(job, target) > report.stored:  # the catalogue lost products since that load
            delete_unseen(client, target.name, seen)
        verify(job, target.name, expected={"": report.stored, **report.vectors}, sample=sample)
    except BaseException as error:
        empty = not (target.begun or report.stored or isinstance(error, Locked))
        if empty or isinstance(error, LoadFailed):
            index.drop(client, target.name)
        raise
    publish(job, target.known, target.name)


def _in_place(job: Job, target: Target, lock: "Lock", seen: SeenIds, wishes: Wishes) -> None:
    """Bring the version in use up to date."""
    client, report = job.server.client, job.report
    before = _held(job, target)
    sample = fill(job, target, lock, seen)
    _check_any(report)
    report.missing = max(0, before - report.found)
    if wishes.sync and report.missing:
        check_deletes(report, before, wishes.max_deletes)
        report.deleted, report.missing = delete_unseen(client, target.name, seen), 0
    settle(job, target.name, sample)


def _held(job: Job, target: Target) -> int:
    """Return how many products a version holds."""
    patient()(job.server.client.indices.refresh, index=target.name)
    return int(patient()(job.server.client.count, index=target.name)["count"])


def _check_any(report: LoadReport) -> None:
    if not report.stored:
        first = report.reasons[0] if report.reasons else "it holds none"
        raise LoadFailed(f"no product could be stored: {first}", "mend the catalogue or the recipe, then load again")
