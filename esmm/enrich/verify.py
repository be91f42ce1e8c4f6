"""Look at an index without writing: what its documents lack, and whether a sample of their vectors is right."""

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from esmm.enrich import target
from esmm.enrich.documents import Document, State
from esmm.enrich.report import Survey
from esmm.ingest.batches import Preparer, chunked, encode, stored
from esmm.ingest.fill import Sample
from esmm.ingest.records import BadRecord
from esmm.ingest.vectors import VectorCache

if TYPE_CHECKING:
    import numpy as np
    from elasticsearch import Elasticsearch
    from numpy.typing import NDArray

    from esmm.enrich.job import Job
    from esmm.enrich.target import Target
    from esmm.ingest.records import Record
    from esmm.ingest.report import Ledger

SAMPLE = 50


def survey(job: "Job", *, sample: int = SAMPLE) -> Survey:
    """Count the documents of the recipe's index by what they lack; encode a sample of the current ones again.

    ``sample=0`` encodes nothing. Raises IndexFault if the index cannot take the vectors at all.
    """
    found = target.find(job.client, job.recipe.index.name)
    lacking = target.additions(found, job.recipe, job.infos)
    report = Survey(index=found.index, alias=found.name, lacking=lacking)
    with job.ledger(report) as ledger:
        chosen = _count(job, found, report, ledger, sample)
        report.cosines = _compared(job, chosen, report, ledger)
    report.seconds = time.monotonic() - report.started
    return report


def _count(job: "Job", found: "Target", report: Survey, ledger: "Ledger", sample: int) -> "list[Record]":
    """Count what is in which state; return a sample of what is current."""
    reader, chosen, states = job.reader, Sample(sample), Counter[str]()

    def begin_again() -> None:
        report.read = report.rejected = 0
        states.clear()

    for hit in job.scan(found, on_lost=begin_again).hits(reader.search):
        report.read += 1
        try:
            document = reader.document(hit)
        except BadRecord as error:
            ledger.product(hit["_id"], str(error))
            continue
        states[state := reader.state(document)] += 1
        if state == State.CURRENT and sample:
            chosen.offer(document)
        job.on_progress(report)
    report.states = {state.value: states[state] for state in State}
    return chosen.records


def _compared(job: "Job", chosen: "list[Record]", report: Survey, ledger: "Ledger") -> dict[str, list[float]]:
    """Encode documents again, all anew, and compare with what the index holds."""
    made: list[tuple[Any, Mapping[str, Any]]] = []
    with job.open_photos() as photos, VectorCache(Path(":memory:")) as nothing:
        for batch in Preparer(job.encoders, photos, nothing, ledger).prepared(chunked(chosen)):
            encode(batch, job.encoders, nothing, report)
            made += stored(batch, job.reader.fields)
    return cosines(job.client, made)


def cosines(
    client: "Elasticsearch", made: "Sequence[tuple[Document, Mapping[str, NDArray[np.float32]]]]"
) -> dict[str, list[float]]:
    """Compare vectors just made with those of the index, by field; documents that changed meanwhile are left out."""
    found: dict[str, list[float]] = {}
    fields = sorted({field for _, vectors in made for field in vectors})
    there = {hit["_id"]: hit for hit in _with_vectors(client, [document for document, _ in made], fields)}
    for document, vectors in made:
        hit = there.get(document.id, {})
        if hit.get("_seq_no") == document.seq_no:
            for field, vector in vectors.items():
                found.setdefault(field, []).append(_cosine(vector, hit["fields"][field]))
    return found


def _with_vectors(client: "Elasticsearch", documents: Sequence[Document], fields: list[str]) -> Iterator[Any]:
    if documents:
        body = {
            "query": {"ids": {"values": [document.id for document in documents]}},
            "fields": fields,
            "_source": False,
            "seq_no_primary_term": True,
            "size": len(documents),
        }
        yield from client.search(index=documents[0].source, body=body)["hits"]["hits"]


def _cosine(one: Any, other: Any) -> float:
    import numpy as np

    other = np.asarray(other, dtype=np.float64)
    return float(np.dot(one, other) / (np.linalg.norm(one) * np.linalg.norm(other)))
