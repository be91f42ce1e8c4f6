"""Write into documents that others write too: only where a document is still as it was read, and at a bounded rate.

An update names the sequence number at which its document was read (``if_seq_no``). One that the shop changed meanwhile
is refused, read again and tried again. Bulk updates run no ingest pipeline of the index, unlike the ``_update`` request
for a single document, so a pipeline of the shop neither sees the vectors nor runs twice over a document.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from esmm.enrich.documents import Document
from esmm.enrich.scan import Scan
from esmm.ingest import bulk
from esmm.ingest.patience import patient

if TYPE_CHECKING:
    from esmm.enrich.report import EnrichReport
    from esmm.ingest.fill import Claim

Json = dict[str, Any]
Step = Callable[[Iterable[Json]], Iterator[list[bulk.Outgoing]]]

_ROUNDS = 4  # after the first one, for documents that others changed meanwhile
_TOLD_EVERY = 1000
_CONFLICT, _GONE = "version_conflict_engine_exception", "document_missing_exception"


@dataclass
class Writer:
    """Sends updates of the documents of one scan, while its claim holds, and counts what became of them."""

    scan: Scan
    report: "EnrichReport"
    claim: "Claim"
    docs_per_second: int | None = None
    on_progress: Callable[[Any], None] = lambda _: None
    reject: Callable[[str, str], None] = lambda _id, _reason: None
    _changed: list[str] = field(default_factory=list)

    def write(self, body: Json, step: Step, *, only: Json | None = None) -> None:
        """Read the hits of ``body`` that match ``only``, let ``step`` make updates of them, and send these.

        Documents that changed between reading and writing are read again, a bounded number of times. In the end
        searches see what was written.
        """
        self._send(step(self._counted(self.scan.hits(_narrowed(body, only) if only else body))))
        for _ in range(_ROUNDS):
            if changed := list(dict.fromkeys(self._changed)):
                self._changed = []
                self._send(step(self._again(body, changed)))
        self.report.conflicts += len(set(self._changed))
        patient()(self.scan.client.indices.refresh, index=self.scan.index)

    def _counted(self, hits: Iterable[Json]) -> Iterator[Json]:
        for hit in hits:
            self.report.read += 1
            if self.report.read % _TOLD_EVERY == 0:  # where nothing is to do, nothing is sent
                self.on_progress(self.report)
            yield hit

    def _again(self, body: Json, ids: list[str]) -> Iterator[Json]:
        """Read some documents as they are now; those that are there no more are counted."""
        scan = replace(self.scan, slices=1)
        for start in range(0, len(ids), scan.page):
            part = ids[start : start + scan.page]
            found = 0
            for hit in scan.hits(_narrowed(body, {"ids": {"values": part}})):
                found += 1
                yield hit
            self.report.gone += max(0, len(part) - found)

    def _send(self, batches: Iterable[list[bulk.Outgoing]]) -> None:
        sender = bulk.Sender(self.scan.client, self.scan.index)
        for batch, refused in sender.stream(paced(batches, self.docs_per_second)):
            self.claim.check()
            for fault in refused:
                self._refused(fault)
            stopped = {fault.record.id for fault in refused}
            for out in batch:
                if out.record.id not in stopped:
                    self.report.stored += 1
                    self.report.wrote(out.vectors)
            self.on_progress(self.report)

    def _refused(self, fault: bulk.Refused) -> None:
        if fault.kind == _CONFLICT:
            self._changed.append(fault.record.id)
        elif fault.kind == _GONE:
            self.report.gone += 1
        else:
            self.reject(fault.record.id, fault.reason)


def update(document: Document, change: Json, *, vectors: tuple[str, ...] = ()) -> bulk.Outgoing:
    """Return the bulk lines that change a document if it is still as it was read."""
    import orjson

    action: Json = {"_id": document.id, "if_seq_no": document.seq_no, "if_primary_term": document.primary_term}
    if document.routing is not None:
        action["routing"] = document.routing
    lines = [orjson.dumps(part, option=orjson.OPT_SERIALIZE_NUMPY) for part in ({"update": action}, change)]
    return bulk.Outgoing(document, b"\n".join([*lines, b""]), vectors)


def paced(batches: Iterable[list[bulk.Outgoing]], docs_per_second: int | None) -> Iterator[list[bulk.Outgoing]]:
    """Yield the batches at most so fast, in parts of what one second allows; leave out empty ones."""
    if docs_per_second is None:
        yield from filter(None, batches)
        return
    free = time.monotonic()
    for batch in batches:
        for start in range(0, len(batch), docs_per_second):
            part = batch[start : start + docs_per_second]
            time.sleep(max(0.0, free - time.monotonic()))
            free = max(free, time.monotonic()) + len(part) / docs_per_second
            yield part


def _narrowed(body: Json, only: Json) -> Json:
    return {**body, "query": {"bool": {"must": [body["query"]], "filter": [only]}}}
