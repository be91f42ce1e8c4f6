"""One load: catalogue lines in, a verified version of the index behind the alias out.

Three stages run at the same time: a thread reads lines and photos, this thread encodes, two threads send. Each hands
at most a few batches to the next, so memory stays bounded.
"""

import os
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from esmm.errors import LoadFailed
from esmm.index_meta import LOADING, meta_of
from esmm.ingest import bulk, index
from esmm.ingest.batches import Preparer, encode, outgoing
from esmm.ingest.catalogue import Line, Rejected, read
from esmm.ingest.patience import patient
from esmm.ingest.records import BadRecord, Record, record_of
from esmm.ingest.report import Ledger, LoadReport
from esmm.ingest.stages import ahead
from esmm.ingest.vectors import VectorCache
from esmm.photos import Photos
from esmm.query.calibrate import measure_saturation

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

    from esmm.cluster import Capabilities
    from esmm.encoders import Encoder
    from esmm.recipe import Recipe

_SAMPLE = 20


@dataclass(frozen=True)
class Server:
    """Where a load goes, and what can be done there."""

    client: "Elasticsearch"
    can: "Capabilities"


@dataclass(frozen=True)
class Source:
    """The catalogue, and where its photos and its lists of faults lie."""

    catalogue: str
    photos: tuple[Path, ...] = ()
    stdin: BinaryIO | None = None
    allow_private: bool = False

    @property
    def folder(self) -> Path:
        """The folder of the catalogue; the working folder for standard input."""
        return Path() if self.catalogue == "-" else Path(self.catalogue).parent

    @property
    def fault_folder(self) -> Path:
        """Where lists of faults are written: beside the catalogue, or here if that folder cannot be written."""
        return self.folder if os.access(self.folder, os.W_OK) else Path()

    @property
    def stem(self) -> str:
        """The catalogue's name without its endings."""
        return "stdin" if self.catalogue == "-" else Path(self.catalogue).name.split(".")[0]


def load(
    source: Source,
    recipe: "Recipe",
    server: Server,
    *,
    encoders: "Mapping[str, Encoder]",
    cache: VectorCache,
    on_progress: Callable[[LoadReport], None] = lambda _: None,
) -> LoadReport:
    """Load a catalogue into a new version of the recipe's index and move the alias to it once it is whole.

    Whatever ends the load early leaves the alias where it was and drops the unfinished version; the vectors made so
    far stay in the cache. Raises CatalogueError, ClusterError or LoadFailed.
    """
    known = patient()(_without_unfinished, server.client, recipe.index.name)
    writer = index.writer(known.next)
    report = LoadReport(index=known.next, alias=known.alias, previous=known.current)
    infos = {clause: encoder.info for clause, encoder in encoders.items()}
    patient()(index.create, server.client, recipe, infos, name=known.next, alias=writer, can=server.can)
    sender = bulk.Sender(server.client, writer, packed=server.can.packed_vectors)
    try:
        sample = _fill(source, recipe, sender, encoders=encoders, cache=cache, report=report, on_progress=on_progress)
        patient()(_check, server.client, recipe, report, sample)
    except BaseException:
        index.drop_unfinished(server.client, known.next, writer)
        raise
    report.deleted = patient()(index.swap, server.client, known, known.next, writer)
    report.seconds = time.monotonic() - report.started
    return report


def check(source: Source, recipe: "Recipe") -> LoadReport:
    """Read and check every line as :func:`load` would, and store nothing. Raises CatalogueError."""
    report = LoadReport(alias=recipe.index.name)
    with Ledger(report, source.fault_folder, source.stem) as ledger:
        for _ in _records(read(source.catalogue, stdin=source.stdin), recipe, report, ledger):
            report.stored += 1
    return report


def _fill(
    source: Source,
    recipe: "Recipe",
    sender: bulk.Sender,
    *,
    encoders: "Mapping[str, Encoder]",
    cache: VectorCache,
    report: LoadReport,
    on_progress: Callable[[LoadReport], None],
) -> list[Record]:
    """Read, encode and send everything; return a sample of the records stored."""
    fields = {clause: vector.vector for clause, vector in recipe.vectors().items()}
    folders = [source.folder, *source.photos]
    sample = Sample(_SAMPLE)
    with (
        Ledger(report, source.fault_folder, source.stem) as ledger,
        Photos(folders, allow_private=source.allow_private) as photos,
    ):
        records = _records(read(source.catalogue, stdin=source.stdin), recipe, report, ledger)
        batches = ahead(Preparer(encoders, photos, cache, ledger).batches(records))

        def documents() -> Iterator[list[bulk.Outgoing]]:
            for batch in batches:
                encode(batch, encoders, cache, report)
                yield outgoing(batch, fields, packed=sender.packed)

        for batch, refused in sender.stream(documents()):
            gone = {fault.record.id for fault in refused}
            for fault in refused:
                ledger.reject(Rejected(fault.record.source, fault.record.number, fault.reason, fault.record.id))
            _count([out for out in batch if out.record.id not in gone], report, sample)
            on_progress(report)
    return sample.records


def _records(
    lines: Iterable[Line | Rejected], recipe: "Recipe", report: LoadReport, ledger: Ledger
) -> Iterator[Record]:
    """Yield the lines that fit the recipe, each id once; the others go into the ledger."""
    first_seen: dict[str, int] = {}
    for line in lines:
        report.read += 1
        fault = line if isinstance(line, Rejected) else None
        if isinstance(line, Line):
            try:
                record = record_of(line.record, recipe, source=line.source, number=line.number)
                earlier = first_seen.setdefault(record.id, line.number)
                if earlier == line.number:
                    yield record
                    continue
                reason = f"id {record.id} was given on line {earlier} already"
            except BadRecord as error:
                reason = str(error)
            fault = Rejected(line.source, line.number, reason, _text(line.record))
        if fault:
            ledger.reject(fault)


def _check(client: "Elasticsearch", recipe: "Recipe", report: LoadReport, sample: list[Record]) -> None:
    """Verify the filled version, and make it ready to serve."""
    if not report.stored:
        first = report.reasons[0] if report.reasons else "it holds none"
        raise LoadFailed(f"no product could be stored: {first}", "mend the catalogue or the recipe, then load again")
    index.verify(client, report.index, expected={"": report.stored, **report.vectors}, sample=sample)
    report.saturation = measure_saturation(client, report.index, recipe)
    index.finish(client, recipe, report.index, saturation=report.saturation)


def _count(stored: list[bulk.Outgoing], report: LoadReport, sample: "Sample") -> None:
    report.stored += len(stored)
    for out in stored:
        sample.offer(out.record)
        for name in out.vectors:
            report.vectors[name] = report.vectors.get(name, 0) + 1


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


def _without_unfinished(client: "Elasticsearch", alias: str) -> index.Versions:
    """Delete what a killed load left behind, so that its number is free again; return the versions that are left."""
    known = index.versions(client, alias)
    left = [n for n in known.all if n == known.current or meta_of(client, n).get("state") != LOADING]
    for name in set(known.all) - set(left):
        index.drop(client, name)
    return replace(known, all=tuple(left))


def _text(record: dict[str, object]) -> str:
    import orjson

    return orjson.dumps(record).decode()[:2000]
