"""A catalogue that goes on: each new line is brought into the index in use within a bounded delay."""

import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from esmm.errors import LoadFailed
from esmm.ingest import catalogue, index
from esmm.ingest.batches import BATCH, Batch, Preparer
from esmm.ingest.fill import Sample, checked, encoded, note, opened, packed, sender_of
from esmm.ingest.fingerprints import Comparison
from esmm.ingest.lock import alone
from esmm.ingest.patience import patient
from esmm.ingest.stages import gathered
from esmm.ingest.tail import Pipe, Tail
from esmm.ingest.target import in_use

if TYPE_CHECKING:
    from esmm.ingest.job import Job
    from esmm.ingest.lock import Lock
    from esmm.ingest.records import Record
    from esmm.ingest.report import LoadReport
    from esmm.ingest.target import Target


def follow(job: "Job", *, delay: float, stop: Event) -> "LoadReport":
    """Bring each line of a growing file, or of standard input, into the index in use; end when ``stop`` is set.

    A line waits for others at most ``delay`` seconds. Of lines with one id the last one counts. Raises LoadFailed where
    there is no index in use that this recipe and these encoders made, CatalogueError, or ClusterError.
    """
    report = job.report
    report.alias, report.in_place = job.recipe.index.name, True
    with alone(job.server.client, report.alias, doing="esmm ingest --follow") as lock:
        target = patient()(in_use, job)
        if not target:
            raise LoadFailed(
                f"{report.alias} is not loaded with this recipe and these encoders, so no line can be added to it",
                "load the catalogue once without --follow",
            )
        report.index = target.name
        _go_on(job, target, lock, delay=delay, stop=stop)
        patient()(job.server.client.indices.refresh, index=target.name)
        patient()(index.close_writer, job.server.client, target.name)
    report.seconds = time.monotonic() - report.started
    return report


def _go_on(job: "Job", target: "Target", lock: "Lock", *, delay: float, stop: Event) -> None:
    with opened(job) as (ledger, photos):
        records = checked(_lines(job, stop), job.recipe, ledger)
        comparison, sender = Comparison(job, target, photos), sender_of(job, target)
        preparer = Preparer(job.encoders, photos, job.cache, ledger)
        with closing(gathered(records, size=BATCH, delay=delay)) as chunks:
            try:
                batches = preparer.prepared(comparison.compared(_distinct(chunks, job, target)))
                for documents in packed(encoded(batches, job), job, target):
                    refused = sender.send(documents)
                    note(documents, refused, job, ledger, Sample(0))
                    lock.check()
                    job.on_progress(job.report)
            finally:
                stop.set()  # else the thread that reads would wait for lines for ever


def _lines(job: "Job", stop: Event) -> Iterator[catalogue.Line | catalogue.Rejected]:
    source = job.source
    if source.stdin:
        return catalogue.follow("standard input", lambda: Pipe(source.stdin, stop))  # type: ignore[arg-type]
    return catalogue.follow(source.catalogue, lambda: Tail(Path(source.catalogue), stop))


def _distinct(chunks: "Iterable[list[Record]]", job: "Job", target: "Target") -> Iterator[Batch]:
    """Yield batches in which each id is given once; what came before each is seen by searches.

    Else a line would be compared with what the index held before the last line of the same product.
    """
    for chunk in chunks:
        rest = {number: record for number, record in enumerate(chunk)}
        while rest:
            first = {record.id: number for number, record in reversed(rest.items())}
            patient()(job.server.client.indices.refresh, index=target.name)
            yield Batch([rest.pop(number) for number in sorted(first.values())])
