"""One enrichment: documents in, their vectors out, into the very index that serves traffic.

A thread a slice reads pages, a thread prepares texts and photos, this thread encodes, two threads send: the stages of a
load (``esmm/ingest``) with an index at both ends.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache as once
from itertools import islice
from typing import TYPE_CHECKING, Any, cast

from esmm.enrich import target
from esmm.enrich.documents import Document, State
from esmm.enrich.report import EnrichReport
from esmm.enrich.update import update
from esmm.errors import IndexFault, LoadFailed, QueryError
from esmm.index_meta import put_meta
from esmm.ingest import bulk
from esmm.ingest.batches import Batch, Preparer, chunked, encode, stored
from esmm.ingest.fingerprints import FIELD
from esmm.ingest.lock import alone
from esmm.ingest.patience import patient
from esmm.ingest.records import BadRecord
from esmm.ingest.stages import ahead
from esmm.query.calibrate import measure_saturation

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

    from esmm.enrich.job import Job
    from esmm.ingest.report import Ledger
    from esmm.ingest.vectors import VectorCache
    from esmm.recipe import Recipe

_TOP, _, _LEAF = FIELD.partition(".")


def enrich(job: "Job", cache: "VectorCache") -> EnrichReport:
    """Give the documents of the recipe's index the vectors that they lack; change nothing else in them.

    What ends it early leaves the index sound: each document has its vectors, or is as it was. The next run goes on.
    Raises IndexFault before anything is written where that index cannot take the vectors, else ClusterError, of that
    Locked where another run is at this index.
    """
    found = target.find(job.client, job.recipe.index.name)
    lacking = target.additions(found, job.recipe, job.infos)
    saturation = _measured(job.client, found.index, job.recipe)
    report = EnrichReport(index=found.index, alias=found.name)

    @once
    def ready() -> None:
        if lacking:
            job.client.indices.put_mapping(index=found.index, properties=lacking)

    with alone(job.client, found.name, doing="esmm enrich") as lock:
        with job.ledger(report) as ledger, job.open_photos() as photos:
            work = _Work(job, Preparer(job.encoders, photos, cache, ledger), cache, ledger, report, ready)
            job.writer(found, report, ledger, lock).write(job.reader.search, work.updates)
        _check(report)
        note = target.enriched_note(job.recipe, job.infos, saturation)
        patient()(put_meta, job.client, found.index, note)
    report.saturation = saturation
    report.seconds = time.monotonic() - report.started
    return report


def _measured(client: "Elasticsearch", index: str, recipe: "Recipe") -> float | None:
    """Return the saturation constant of the recipe's keyword query. Raises IndexFault if it does not run there."""
    try:
        return measure_saturation(client, index, recipe)
    except QueryError as error:
        raise IndexFault(
            f"the recipe's keyword query does not run on {index}: {error.message}",
            'choose another form under [search] in the recipe, such as form = "cross_fields"',
        ) from None


@dataclass(frozen=True)
class _Work:
    """Turns hits into updates; ``ready`` gives the mapping its fields, before the first vectors come."""

    job: "Job"
    preparer: Preparer
    cache: "VectorCache"
    ledger: "Ledger"
    report: EnrichReport
    ready: Callable[[], None]

    def updates(self, hits: Iterable[dict[str, Any]]) -> Iterator[list[bulk.Outgoing]]:
        """Yield the updates of those documents that need one, in batches."""
        for batch in ahead(self._batches(self._needing(hits))):
            encode(batch, self.job.encoders, self.cache, self.report)
            self.ready()
            yield list(self._changes(batch))

    def _needing(self, hits: Iterable[dict[str, Any]]) -> Iterator[Document]:
        reader = self.job.reader
        for hit in hits:
            try:
                document = reader.document(hit)
            except BadRecord as error:
                self.ledger.product(hit["_id"], str(error))
                continue
            state = reader.state(document)
            if state == State.CURRENT:
                self.report.unchanged += 1
            elif state == State.EMPTY:
                self.report.empty += 1
            else:
                yield document

    def _batches(self, documents: Iterator[Document]) -> Iterator[Batch]:
        while part := list(islice(documents, self.job.batch)):
            yield from self.preparer.prepared(chunked(part))

    def _changes(self, batch: Batch) -> Iterator[bulk.Outgoing]:
        reader = self.job.reader
        for number, (record, vectors) in enumerate(stored(batch, reader.fields)):
            document = cast(Document, record)  # what went into the batch
            fingerprint = reader.fingerprint(document, _used(batch, number))
            held = [reader.fields[clause] for clause in document.held]
            if fingerprint == document.fingerprint and set(held) == set(vectors):
                self.report.unchanged += 1  # a photo that could not be used, and still cannot
                continue
            gone: dict[str, Any] = dict.fromkeys(held)  # stays empty where the text or photo is no more
            change = {**gone, **vectors, _TOP: {_LEAF: fingerprint}}
            yield update(document, {"doc": change}, vectors=tuple(vectors))


def _used(batch: Batch, number: int) -> int:
    """Return how many photos of a record have a vector."""
    wanted = batch.wanted.get("image")
    return sum(key in batch.known["image"] for _, key in wanted[number]) if wanted else 0


def _check(report: EnrichReport) -> None:
    if report.read == report.empty:
        what = "no document" if not report.read else "no document with a text or photo that the recipe names"
        raise IndexFault(
            f"{report.index} holds {what}", "look at the fields with embed, and at those of type photo, in the recipe"
        )
    if report.rejected == report.read - report.empty:
        raise LoadFailed(f"no document could be enriched: {report.reasons[0]}", "mend the recipe, then run again")
