"""One part of a load: it fills a version together with the other parts; the part that ends last moves the alias.

Parts share no lock while they load. The lock of the alias is held for two short steps only: where the first part makes
the version, and where the last one verifies it and moves the alias.
"""

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from esmm.content import content_key
from esmm.errors import LoadFailed, Locked
from esmm.ingest import index
from esmm.ingest.fill import fill
from esmm.ingest.lock import alone
from esmm.ingest.parts import told
from esmm.ingest.publish import publish, verify
from esmm.ingest.run import Run, Share, at, begin_run, find_run, forget_run, is_alive, open_parts
from esmm.ingest.seen import SeenIds
from esmm.ingest.sync import delete_unseen
from esmm.ingest.target import Target, unfinished_dropped

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

    from esmm.ingest.job import Job, Source
    from esmm.ingest.parts import Part
    from esmm.ingest.records import Record
    from esmm.ingest.report import LoadReport
    from esmm.ingest.run import Entry

T = TypeVar("T")
PATIENCE = 60.0  # seconds that a part waits for the lock of the alias
_EDGE = 1 << 16


def load_part(job: "Job", part: "Part") -> "LoadReport":
    """Load the products of one part into the version that all parts of its run fill together.

    A part may be run again, also while or after another process loaded it: it ends with the same documents. Raises
    what :func:`esmm.ingest.load.load` raises; Locked also where another run is under way.
    """
    report, client = job.report, job.server.client
    report.alias, report.part = job.recipe.index.name, str(part)
    run = _joined(job, part)
    report.index, mark = run.index, _mark(job.source)
    if run.is_whole:
        _check_nothing_new(run, part, run.parts(client)[part.number]["catalogue"], mark)
        report.was_whole = True
        return report
    sample = _stored(job, part, run, Share(client, run, part, catalogue=mark))
    report.open_parts = open_parts(run, run.parts(client))
    if not report.open_parts:
        _alone(job, lambda: _close(job, run, sample))
    report.seconds = time.monotonic() - report.started
    return report


def give_up(client: "Elasticsearch", run: Run) -> bool:
    """Delete what the parts of a run have stored; return False, and keep it, where the alias points to it already.

    Raises Locked while one of the parts is at work.
    """
    with alone(client, run.alias, doing="esmm parts --drop"):
        if busy := [number for number, part in run.parts(client).items() if is_alive(part)]:
            raise Locked(f"run {run.name} is under way; parts at work: {told(busy)}", "stop them first")
        if index.versions(client, run.alias).current == run.index:  # the last part was killed after this step
            run.end(client)
            return False
        forget_run(client, run.alias)
        index.drop(client, run.index)
        return True


def _joined(job: "Job", part: "Part") -> Run:
    """Return the run of a part; begin it where this part is the first."""
    shape = index.shape_of(job.recipe, job.infos, can=job.server.can)

    def found() -> Run | None:
        run = find_run(job.server.client, job.report.alias)
        return None if run and run.is_whole and run.name != part.run else run

    run = found() or _alone(job, lambda: found() or _begun(job, part, shape))
    run.check(part, shape)
    return run


def _begun(job: "Job", part: "Part", shape: str) -> Run:
    """Make the version that the parts will fill."""
    client = job.server.client
    known = unfinished_dropped(client, index.versions(client, job.report.alias))
    index.create(client, job.recipe, job.infos, name=known.next, can=job.server.can)
    return begin_run(client, Run(known.alias, part.run, part.of, known.next, shape))


def _stored(job: "Job", part: "Part", run: Run, share: Share) -> "list[Record]":
    """Store the products of this part; return a sample of them."""
    client, report = job.server.client, job.report
    if share.again:
        client.indices.refresh(index=run.index)
    target = Target(run.index, run.shape, index.Versions(run.alias, (run.index,), None), begun=share.again)
    with SeenIds() as seen:
        sample = fill(job, target, share, seen)
        if share.again:
            client.indices.refresh(index=run.index)
            report.deleted = delete_unseen(client, run.index, seen, part=part)
    share.stored(report)
    return sample


def _close(job: "Job", run: Run, sample: "list[Record]") -> None:
    """Verify the version and move the alias to it, unless another part did so or a part is being loaded again."""
    client, report = job.server.client, job.report
    now, parts = find_run(client, run.alias), run.parts(client)
    if now is None or now.index != run.index or now.is_whole:
        return
    if again := open_parts(run, parts):
        report.open_parts = again
        return
    known = index.versions(client, run.alias)
    verify(job, run.index, expected=_expected(list(parts.values())), sample=sample)
    if known.current != run.index:  # else a part was killed after this step
        report.previous = known.current
        publish(job, known, run.index)
    run.end(client)


def _expected(parts: "list[Entry]") -> dict[str, int]:
    """Return how many documents (under "") and how many vectors by field the parts have stored together."""
    total = Counter({"": sum(part["stored"] for part in parts)})
    for part in parts:
        total.update(part["vectors"])
    if not total[""]:
        raise LoadFailed("no part has stored a product", "mend the catalogue or the recipe, then: esmm parts --drop")
    return dict(total)


def _alone(job: "Job", step: Callable[[], T]) -> T:
    """Take a step while holding the lock of the alias; wait for it for a while. Raises Locked."""
    from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_random

    def held() -> T:
        with alone(job.server.client, job.report.alias, doing=f"esmm ingest, {job.report.part}"):
            return step()

    waiting = Retrying(
        retry=retry_if_exception_type(Locked), stop=stop_after_delay(PATIENCE), wait=wait_random(0.1, 1.0), reraise=True
    )
    return waiting(held)


def _check_nothing_new(run: Run, part: "Part", known: str, mark: str) -> None:
    """Raise LoadFailed where a run that is whole is asked to load another catalogue."""
    if not mark or mark != known:
        raise LoadFailed(
            f"run {run.name} was whole at {at(run.since)}, so {part} of another catalogue cannot join it",
            "give each load a run name of its own, such as its date",
        )


def _mark(source: "Source") -> str:
    """Return what tells a catalogue from another: a digest of its size, its start and its end; "" for a stream."""
    path = Path(source.catalogue)
    if not path.is_file():
        return ""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(_EDGE)
        file.seek(max(0, size - _EDGE))
        return content_key(b"%d\n" % size + start + file.read()).hex()
