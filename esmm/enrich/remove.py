"""Take away again what an enrichment brought: vectors, fingerprints and the note; everything else stays.

The fields stay in the mapping, for Elasticsearch removes none, and hold nothing any more.
"""

import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from esmm.enrich import target
from esmm.enrich.documents import bare, readable, vector_names
from esmm.enrich.report import EnrichReport
from esmm.enrich.update import update
from esmm.errors import Incompatible
from esmm.index_meta import put_meta
from esmm.ingest import bulk
from esmm.ingest.fingerprints import FIELD
from esmm.ingest.lock import alone
from esmm.ingest.patience import patient

if TYPE_CHECKING:
    from esmm.cluster import Capabilities
    from esmm.enrich.job import Job
    from esmm.enrich.target import Target
    from esmm.ingest.lock import Lock

# A partial document can empty a field, but only a script can take it out of _source.
_TAKE_OUT = "for (field in params.fields) { ctx._source.remove(field) }"


def remove(job: "Job", can: "Capabilities", *, dry_run: bool = False) -> EnrichReport:
    """Take vectors, fingerprints and the note out of the recipe's index; ``dry_run`` counts the documents only.

    What ends it early leaves the rest for the next run. Raises Incompatible if the server has no scripts,
    Locked where another run is at this index.
    """
    if not can.painless:
        raise Incompatible(
            "the server has no painless scripts, which take fields out of documents", "reindex without the vectors"
        )
    found = target.find(job.client, job.recipe.index.name)
    names = vector_names(job.recipe, found.note)
    report = EnrichReport(index=found.index, alias=found.name)
    if dry_run:
        report.read = job.client.count(index=found.index, query=_with_any(names))["count"]
        return report
    with alone(job.client, found.name, doing="esmm enrich --remove") as lock:
        _take_out(job, found, names, report, lock)
        if not report.conflicts:
            patient()(put_meta, job.client, found.index, None)
    report.seconds = time.monotonic() - report.started
    return report


def _take_out(job: "Job", found: "Target", names: list[str], report: EnrichReport, lock: "Lock") -> None:
    script = {"source": _TAKE_OUT, "lang": "painless", "params": {"fields": [*names, FIELD.partition(".")[0]]}}

    def updates(hits: Iterable[dict[str, Any]]) -> Iterator[list[bulk.Outgoing]]:
        waiting: list[bulk.Outgoing] = []
        for hit in hits:
            document = bare(hit)
            if not (document.held or document.fingerprint):
                report.unchanged += 1  # the shop itself wrote it anew meanwhile
                continue
            waiting.append(update(document, {"script": script}))
            if len(waiting) >= job.batch:
                yield waiting
                waiting = []
        yield waiting

    with job.ledger(report) as ledger:
        body = readable({name: name for name in names})
        job.writer(found, report, ledger, lock).write(body, updates, only=_with_any(names))


def _with_any(names: list[str]) -> dict[str, Any]:
    return {"bool": {"should": [{"exists": {"field": name}} for name in [*names, FIELD]]}}
