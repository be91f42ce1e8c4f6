"""The middle of the load: records become batches, batches get their vectors, and become bulk lines."""

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from esmm.errors import PhotoError
from esmm.ingest.bulk import Outgoing
from esmm.ingest.documents import bulk_lines, weighted_mean
from esmm.ingest.vectors import VectorCache, content_key
from esmm.photos import Photo, Photos, decode

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    from esmm.encoders import Encoder
    from esmm.ingest.records import Record
    from esmm.ingest.report import Counts, Ledger

    Vectors = dict[bytes, NDArray[np.float32]]

BATCH = 256


@dataclass
class Batch:
    """Some records, the keys of what each clause must encode for them, and the vectors known so far.

    ``wanted[clause]`` holds, for each record, the (weight, key) of its parts; ``missing[clause]`` the texts or
    decoded photos that the cache does not know, each once.
    """

    records: "list[Record]"
    wanted: dict[str, list[list[tuple[float, bytes]]]] = field(default_factory=dict)
    known: "dict[str, Vectors]" = field(default_factory=dict)
    missing: dict[str, dict[bytes, Any]] = field(default_factory=dict)


class Preparer:
    """Reads and decodes what encoders will need; runs beside the encoding."""

    def __init__(self, encoders: "Mapping[str, Encoder]", photos: Photos, cache: VectorCache, ledger: "Ledger") -> None:
        self._encoders, self._photos, self._cache, self._ledger = encoders, photos, cache, ledger

    def batches(self, records: "Iterable[Record]") -> Iterator[Batch]:
        """Yield the records in batches, each with all that encoding needs."""
        stream = iter(records)
        with ThreadPoolExecutor(2, thread_name_prefix="esmm-decode") as pool:
            while chunk := list(islice(stream, BATCH)):
                batch = Batch(chunk)
                if "text" in self._encoders:
                    self._texts(batch)
                if "image" in self._encoders:
                    self._images(batch, pool)
                yield batch

    def _texts(self, batch: Batch) -> None:
        texts = {content_key(text): text for record in batch.records for _, text in record.passages}
        batch.wanted["text"] = [[(w, content_key(text)) for w, text in record.passages] for record in batch.records]
        batch.known["text"] = self._cache.get(self._encoders["text"].info, list(texts))
        batch.missing["text"] = {key: text for key, text in texts.items() if key not in batch.known["text"]}

    def _images(self, batch: Batch, pool: ThreadPoolExecutor) -> None:
        info = self._encoders["image"].info
        references = (reference for record in batch.records for reference in record.photos)
        found = self._photos.find_all(references, lambda key: bool(self._cache.get(info, [key])))
        usable = [self._usable(record, found) for record in batch.records]
        unique = {
            photo.key: (record.id, reference, photo)
            for record, photos in zip(batch.records, usable, strict=True)
            for reference, photo in photos
        }
        batch.known["image"] = self._cache.get(info, list(unique))
        todo = {key: what for key, what in unique.items() if key not in batch.known["image"]}
        decoded = pool.map(lambda what: self._decode(*what), todo.values())
        batch.missing["image"] = {key: image for key, image in zip(todo, decoded, strict=True) if image is not None}
        batch.wanted["image"] = [[(1.0, photo.key) for _, photo in photos] for photos in usable]

    def _usable(self, record: "Record", found: "Mapping[str, Photo | PhotoError]") -> list[tuple[str, Photo]]:
        """Return the photos of a record that could be had, with what it calls them."""
        photos = []
        for reference in record.photos:
            match found[reference]:
                case Photo() as photo:
                    photos.append((reference, photo))
                case PhotoError() as error:
                    self._ledger.photo(record.id, reference, error.message)
        return photos

    def _decode(self, record_id: str, reference: str, photo: Photo) -> "Image | None":
        """Decode a photo; one that cannot be used costs its product only the photo."""
        try:
            # Without data its vector was known a moment ago.
            return decode(self._photos.read(reference) if photo.data is None else photo.data)
        except PhotoError as error:
            self._ledger.photo(record_id, reference, error.message)
            return None


def encode(batch: Batch, encoders: "Mapping[str, Encoder]", cache: VectorCache, report: "Counts") -> None:
    """Encode what a batch misses, and keep it in the cache."""
    for clause, items in batch.missing.items():
        report.cached[clause] = report.cached.get(clause, 0) + len(batch.known[clause])
        report.encoded[clause] = report.encoded.get(clause, 0) + len(items)
        if items:
            made = dict(zip(items, encoders[clause].encode(list(items.values())), strict=True))
            cache.put(encoders[clause].info, made)
            batch.known[clause] |= made


def outgoing(batch: Batch, fields: Mapping[str, str], *, packed: bool) -> list[Outgoing]:
    """Turn an encoded batch into bulk lines; ``fields`` names the vector field of each clause."""
    return [
        Outgoing(record, bulk_lines(record, vectors, packed=packed), tuple(vectors))
        for record, vectors in stored(batch, fields)
    ]


def stored(batch: Batch, fields: Mapping[str, str]) -> "Iterator[tuple[Record, dict[str, NDArray[np.float32]]]]":
    """Yield each record of an encoded batch with its vectors by field, as an index holds them."""
    for number, record in enumerate(batch.records):
        vectors = {}
        for clause, wanted in batch.wanted.items():
            parts = [(weight, batch.known[clause][key]) for weight, key in wanted[number] if key in batch.known[clause]]
            if (vector := weighted_mean(parts)) is not None:
                vectors[fields[clause]] = vector
        yield record, vectors
