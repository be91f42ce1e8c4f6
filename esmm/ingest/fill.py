"""The pipeline of a load: lines become records, records documents, documents are sent.

Four stages run at the same time: a thread reads lines and photos, this thread encodes, a thread packs, two more send.
Each hands at most a few batches to the next, so memory stays bounded.
"""

import random
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from esmm.ingest import bulk
from esmm.ingest.batches import Batch, Preparer, batch_size, chunked, encode, outgoing
from esmm.ingest.fingerprints import Comparison
from esmm.ingest.lines import Line, Rejected
from esmm.ingest.records import BadRecord, Record, record_of
from esmm.ingest.report import Ledger
from esmm.ingest.stages import ahead, behind
from esmm.paths import photo_memory_path
from esmm.photos import PER_HOST, Photos, UrlMemory

if TYPE_CHECKING:
    from esmm.ingest.job import Job
    from esmm.ingest.seen import SeenIds
    from esmm.ingest.target import Target
    from esmm.recipe import Recipe

_SAMPLE = 20


class Claim(Protocol):
    """The right to write, which may be lost on the way."""

    def check(self) -> None:
        """Raise Locked once it is lost."""


def fill(job: "Job", target: "Target", claim: "Claim", seen: "SeenIds") -> list[Record]:
    """Read, encode and send everything that the target does not hold yet; return a sample of what was stored.

    ``seen`` takes in every id of the catalogue. Raises Locked once the claim is lost.
    """
    sample, sender = Sample(_SAMPLE), sender_of(job, target)
    with opened(job) as (ledger, photos):
        records = checked(job.source.lines(job.recipe.index.id), job.recipe, ledger, seen)
        batches = chunked(records, batch_size(job.encoders))
        if target.begun:
            batches = Comparison(job, target, photos).compared(batches)
        if job.engine:
            batches = job.engine.encoded(batches, job, photos)
        batches = ahead(Preparer(job.encoders, photos, job.cache, ledger).prepared(batches), halt=photos.close)

        def store(batches: Iterator[Batch]) -> None:
            for sent, refused in sender.stream(packed(batches, job, target)):
                claim.check()
                note(sent, refused, job, ledger, sample)
                if not target.in_place:  # what an earlier load stored of them must not stay
                    seen.forget([fault.record.id for fault in refused])
                job.on_progress(job.report)

        behind(encoded(batches, job), store, halt=sender.end)
    return sample.records


@contextmanager
def opened(job: "Job") -> Iterator[tuple[Ledger, Photos]]:
    """Open the lists of faults of a load, and the places of its photos."""
    source = job.source
    with (
        Ledger(job.report, source.fault_folder, source.stem) as ledger,
        open_photos(job.recipe, [source.folder, *source.photos], allow_private=source.allow_private) as photos,
    ):
        yield ledger, photos


@contextmanager
def open_photos(recipe: "Recipe", places: Sequence[Path], *, allow_private: bool) -> Iterator[Photos]:
    """Open places of photos, fetched as the recipe says; those by URL are known again from run to run."""
    per_host = recipe.image.fetch_per_host if recipe.image else PER_HOST
    with (
        closing(UrlMemory(photo_memory_path())) as memory,
        Photos(places, allow_private=allow_private, per_host=per_host, memory=memory) as photos,
    ):
        yield photos


def checked(
    lines: Iterable[Line | Rejected], recipe: "Recipe", ledger: Ledger, seen: "SeenIds | None" = None
) -> Iterator[Record]:
    """Yield the lines that fit the recipe, each id once if ``seen`` is given; the others go into the ledger."""
    for line in lines:
        ledger.report.read += 1
        fault = line if isinstance(line, Rejected) else None
        if isinstance(line, Line):
            try:
                record = record_of(line.record, recipe, source=line.source, number=line.number)
                earlier = seen.first_line(record.id, line.number) if seen else line.number
                if earlier == line.number:
                    yield record
                    continue
                reason = f"id {record.id} was given on line {earlier} already"
            except BadRecord as error:
                reason = str(error)
            fault = Rejected(line.source, line.number, reason, _text(line.record))
        if fault:
            ledger.reject(fault)


def sender_of(job: "Job", target: "Target") -> bulk.Sender:
    """Return what sends documents to a target, by the alias of this load alone where it has one."""
    return bulk.Sender(job.server.client, target.writer or target.name, require_alias=bool(target.writer))


def encoded(batches: Iterable[Batch], job: "Job") -> Iterator[Batch]:
    """Yield batches with the vectors they missed."""
    for batch in batches:
        encode(batch, job.encoders, job.cache, job.report)
        batch.missing.clear()  # decoded photos are large, and a batch may wait
        yield batch


def packed(batches: Iterable[Batch], job: "Job", target: "Target") -> Iterator[list[bulk.Outgoing]]:
    """Turn encoded batches into documents."""
    report = job.report
    for batch in batches:
        lines = outgoing(batch, job.vector_fields, packed=job.server.can.packed_vectors, shape=target.shape)
        report.unchanged += batch.unchanged
        report.found += len(batch.stored)
        yield lines


def note(sent: list[bulk.Outgoing], refused: list[bulk.Refused], job: "Job", ledger: Ledger, sample: "Sample") -> None:
    """Count what became of documents that were sent."""
    report = job.report
    gone = {fault.record.id for fault in refused}
    for fault in refused:
        ledger.reject(Rejected(fault.record.source, fault.record.number, fault.reason, fault.record.id))
    for out in sent:
        if out.record.id in gone:
            continue
        if out.known:
            report.changed += 1
        else:
            report.new += 1
        sample.offer(out.record)
        report.wrote(out.vectors)


class Sample:
    """A uniform sample of a stream (Vitter's algorithm R), the same for the same stream."""

    def __init__(self, size: int) -> None:
        self.records: list[Record] = []
        self._size, self._seen = size, 0
        self._random = random.Random(0)  # noqa: S311  # no secret hangs on it

    def offer(self, record: Record) -> None:
        """Take the record in with the right probability."""
        self._seen += 1
        if len(self.records) < self._size:
            self.records.append(record)
        elif (place := self._random.randrange(self._seen)) < self._size:
            self.records[place] = record


def _text(record: dict[str, object]) -> str:
    import orjson

    return orjson.dumps(record).decode()[:2000]
