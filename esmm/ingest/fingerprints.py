"""Which products an index holds already just as the catalogue has them: a fingerprint in each document tells.

The fingerprint of a product is a digest of its fields, its passages and the identity of its photos, keyed by the shape
of the index (mapping, pipeline, encoders). So the index itself is the state of a load: nothing beside it can be lost.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from esmm.ingest.documents import fields_of
from esmm.ingest.patience import patient

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

    from esmm.ingest.batches import Batch
    from esmm.ingest.job import Job
    from esmm.ingest.records import Record
    from esmm.ingest.target import Target
    from esmm.photos import Photos

FIELD = "esmm.fingerprint"
UNUSABLE = b""  # stands for a photo that has no vector


def fingerprint(record: "Record", photos: Sequence[bytes], *, shape: str) -> str:
    """Return the fingerprint of a product; ``photos`` are the identities of its photos, as far as they are used."""
    import orjson

    written = [fields_of(record), record.passages, [identity.hex() for identity in photos]]
    data = orjson.dumps(written, option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(data, digest_size=16, key=shape.encode()[:64]).hexdigest()


class Comparison:
    """Takes out of each batch what the target holds already as it is."""

    def __init__(self, job: "Job", target: "Target", photos: "Photos") -> None:
        self._client, self._index, self._shape = job.server.client, target.name, target.shape
        self._photos = photos if "image" in job.encoders else None

    def compared(self, batches: "Iterable[Batch]") -> "Iterator[Batch]":
        """Yield the batches without the products that are stored already; an empty batch is passed on too."""
        for batch in batches:
            batch.stored = patient()(stored, self._client, self._index, [record.id for record in batch.records])
            identities = self._identities([record for record in batch.records if batch.stored.get(record.id)])
            rest = [
                record
                for record in batch.records
                if not self._is_stored(record, batch.stored.get(record.id), identities)
            ]
            batch.unchanged = len(batch.records) - len(rest)
            batch.records = rest
            yield batch

    def _identities(self, records: "Sequence[Record]") -> dict[str, bytes | None]:
        if self._photos is None:
            return {}
        return self._photos.identities(reference for record in records for reference in record.photos)

    def _is_stored(self, record: "Record", known: str | None, identities: "dict[str, bytes | None]") -> bool:
        if not known:
            return False
        photos = [identities[reference] for reference in record.photos] if self._photos else []
        there = [identity for identity in photos if identity is not None]
        return len(there) == len(photos) and known == fingerprint(record, there, shape=self._shape)


def stored(client: "Elasticsearch", index: str, ids: Sequence[str]) -> dict[str, str]:
    """Return the fingerprints of those products that the index holds; empty for a document that has none."""
    answer = client.search(
        index=index,
        query={"ids": {"values": list(ids)}},
        size=len(ids),
        source=False,
        docvalue_fields=[{"field": FIELD}],
        track_total_hits=False,
        filter_path="hits.hits._id,hits.hits.fields",
    )
    hits = answer.get("hits", {}).get("hits", [])
    return {hit["_id"]: hit.get("fields", {}).get(FIELD, [""])[0] for hit in hits}
