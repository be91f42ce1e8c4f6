"""The middle of the load: records become batches, batches get their vectors, and become bulk lines."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from esmm.errors import PhotoError
from esmm.ingest.bulk import Outgoing
from esmm.ingest.documents import bulk_lines, weighted_mean
from esmm.ingest.fingerprints import UNUSABLE, fingerprint
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

# Photos are held decoded. Texts are small: the more are sorted by length at once, the less is padded (a tenth faster).
BATCH, TEXTS = 256, 2048


@dataclass
class Batch:
    """Some records, the keys of what each clause must encode for them, and the vectors known so far.

    ``wanted[clause]`` holds, for each record, the (weight, key) of its parts; ``missing[clause]`` the texts or
    decoded photos that the cache does not know, each once. ``photos`` holds, for each record, the (identity, key) of
    its photos, the key None where one could not be read. ``stored`` are the fingerprints that the index holds, by id;
    ``unchanged`` counts the records that need not be written again.
    """

    records: "list[Record]"
    wanted: dict[str, list[list[tuple[float, bytes]]]] = field(default_factory=dict)
    known: "dict[str, Vectors]" = field(default_factory=dict)
    missing: dict[str, dict[bytes, Any]] = field(default_factory=dict)
    photos: list[list[tuple[bytes | None, bytes | None]]] = field(default_factory=list)
    stored: dict[str, str] = field(default_factory=dict)
    unchanged: int = 0


def batch_size(clauses: "Collection[str]") -> int:
    """Return how many products are encoded together, by the clauses that they get vectors for."""
    return BATCH if "image" in clauses else TEXTS


def chunked(records: "Iterable[Record]", size: int = BATCH) -> Iterator[Batch]:
    """Yield the records in batches.

    Which records share a batch follows from catalogue and recipe alone, not from what is stored: a load that goes on
    where another one was killed encodes the very batches that the other one would have encoded, so vectors get equal
    bits.
    """
    stream = iter(records)
    while chunk := list(islice(stream, size)):
        yield Batch(chunk)


class Preparer:
    """Reads and decodes what encoders will need; runs beside the encoding."""

    def __init__(self, encoders: "Mapping[str, Encoder]", photos: Photos, cache: VectorCache, ledger: "Ledger") -> None:
        self._encoders, self._photos, self._cache, self._ledger = encoders, photos, cache, ledger

    def prepared(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """Yield the batches, each with all that encoding needs."""
        with ThreadPoolExecutor(2, thread_name_prefix="esmm-decode") as pool:
            for batch in batches:
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
        references = [reference for record in batch.records for reference in record.photos]
        identities = self._photos.identities(references)  # first: a photo may change meanwhile
        found = self._photos.find_all(references, lambda key: bool(self._cache.get(info, [key])))
        usable = [self._usable(record, found) for record in batch.records]
        unique = {
            photo.key: (record.id, reference, photo)
            for record, photos in zip(batch.records, usable, strict=True)
            for reference, photo in photos.items()
        }
        batch.known["image"] = self._cache.get(info, list(unique))
        todo = {key: what for key, what in unique.items() if key not in batch.known["image"]}
        decoded = pool.map(lambda what: self._decode(*what), todo.values())
        batch.missing["image"] = {key: image for key, image in zip(todo, decoded, strict=True) if image is not None}
        batch.wanted["image"] = [[(1.0, photo.key) for photo in photos.values()] for photos in usable]
        batch.photos = [
            [(identities[reference], photos[reference].key if reference in photos else None) for reference in each]
            for each, photos in zip((record.photos for record in batch.records), usable, strict=True)
        ]

    def _usable(self, record: "Record", found: "Mapping[str, Photo | PhotoError]") -> dict[str, Photo]:
        """Return the photos of a record that could be had, by what it calls them."""
        photos = {}
        for reference in record.photos:
            match found[reference]:
                case Photo() as photo:
                    photos[reference] = photo
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
    for clause, missing in batch.missing.items():
        info = encoders[clause].info
        batch.known[clause] |= cache.get(info, list(missing))  # what a batch before this one has made in the meantime
        items = {key: item for key, item in missing.items() if key not in batch.known[clause]}
        report.cached[clause] = report.cached.get(clause, 0) + len(batch.known[clause])
        report.encoded[clause] = report.encoded.get(clause, 0) + len(items)
        if items:
            made = dict(zip(items, encoders[clause].encode(list(items.values())), strict=True))
            cache.put(info, made)
            batch.known[clause] |= made


def outgoing(batch: Batch, fields: Mapping[str, str], *, packed: bool, shape: str) -> list[Outgoing]:
    """Turn an encoded batch into bulk lines, but for what the index turns out to hold already as it is.

    ``fields`` names the vector field of each clause.
    """
    made = []
    for number, (record, vectors) in enumerate(stored(batch, fields)):
        digest = fingerprint(record, _used(batch, number), shape=shape)
        if batch.stored.get(record.id) == digest:  # only now, because a photo of it cannot be used
            batch.unchanged += 1
        else:
            lines = bulk_lines(record, vectors, packed=packed, fingerprint=digest)
            made.append(Outgoing(record, lines, tuple(vectors), known=record.id in batch.stored))
    return made


def _used(batch: Batch, number: int) -> list[bytes]:
    """Return the identities of the photos of a record that have a vector; others are looked at again next time."""
    if not batch.photos:
        return []
    known = batch.known["image"]
    return [(identity or key or b"") if key in known else UNUSABLE for identity, key in batch.photos[number]]


def stored(batch: Batch, fields: Mapping[str, str]) -> "Iterator[tuple[Record, dict[str, NDArray[np.float32]]]]":
    """Yield each record of an encoded batch with its vectors by field, as an index holds them."""
    for number, record in enumerate(batch.records):
        vectors = {}
        for clause, wanted in batch.wanted.items():
            parts = [(weight, batch.known[clause][key]) for weight, key in wanted[number] if key in batch.known[clause]]
            if (vector := weighted_mean(parts)) is not None:
                vectors[fields[clause]] = vector
        yield record, vectors
