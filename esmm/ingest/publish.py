"""The end of a load: a filled version is verified, and the alias moves to it."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from esmm.ingest import index
from esmm.ingest.patience import dogged, patient
from esmm.query.calibrate import measure_saturation

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

    from esmm.ingest.job import Job
    from esmm.ingest.records import Record


def verify(job: "Job", name: str, *, expected: Mapping[str, int], sample: "Sequence[Record]") -> None:
    """Check a filled version as :func:`index.verify` does, and make it ready to serve. Raises LoadFailed."""
    patient()(_verify, job, name, expected, sample)


def settle(job: "Job", name: str, sample: "Sequence[Record]") -> None:
    """Check a sample of what was written in place, and make the version ready to serve. Raises LoadFailed."""
    patient()(_settle, job, name, sample)


def publish(job: "Job", known: index.Versions, name: str) -> None:
    """Move the alias to a version, and note in it that it is whole."""
    client = job.server.client
    job.report.dropped = patient()(index.swap, client, known, name)
    patient()(index.mark_ready, client, name)


def _verify(job: "Job", name: str, expected: Mapping[str, int], sample: "Sequence[Record]") -> None:
    client = dogged(job.server.client)
    index.verify(client, name, expected=expected, sample=sample)
    _serve(job, client, name)


def _settle(job: "Job", name: str, sample: "Sequence[Record]") -> None:
    client = dogged(job.server.client)
    client.indices.refresh(index=name)
    index.verify_sample(client, name, sample)
    _serve(job, client, name)


def _serve(job: "Job", client: "Elasticsearch", name: str) -> None:
    job.report.saturation = measure_saturation(client, name, job.recipe)
    index.serve(client, job.recipe, name, saturation=job.report.saturation)
