"""Encoding by Ray: what a stretch of the load lacks goes through a Ray Data job, and its vectors into the cache.

The load itself stays as it is: it finds the vectors in the cache, and encodes by itself what Ray did not make (a photo
that cannot be used). A pool of actors holds one model each; Ray starts one that died again and repeats its work.
"""

import logging
import os
import re
import socket
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice
from math import ceil
from typing import TYPE_CHECKING, Any

from esmm.content import content_key
from esmm.errors import EncoderError, EsmmError, PhotoError
from esmm.photos.photo import Photo

if TYPE_CHECKING:
    from esmm.encoders import EncoderInfo
    from esmm.ingest.batches import Batch
    from esmm.ingest.job import Job
    from esmm.ingest.vectors import VectorCache
    from esmm.photos import Photos
    from esmm.recipe import VectorField

WINDOW = 32  # batches that one Ray job encodes: each job loads the models anew, and its contents wait in memory
_BLOCK = 128  # contents that go to a worker at once
Contents = dict[bytes, str | bytes]


@dataclass(frozen=True)
class RayEngine:
    """A Ray cluster that is connected, with ``workers`` models at once (None: as many as it has CPUs or GPUs)."""

    workers: int | None
    device: str

    def encoded(self, batches: "Iterable[Batch]", job: "Job", photos: "Photos") -> "Iterator[Batch]":
        """Yield the batches, once the cache has the vectors of all that they need."""
        stream = iter(batches)
        while window := list(islice(stream, WINDOW)):
            for clause, encoder in job.encoders.items():
                known = partial(_is_known, job.cache, encoder.info)
                self._encode(clause, _texts(window) if clause == "text" else _pictures(window, photos, known), job)
            yield from window

    def _encode(self, clause: str, contents: Contents, job: "Job") -> None:
        info = job.encoders[clause].info
        known = job.cache.get(info, list(contents))
        missing = {key: content for key, content in contents.items() if key not in known}
        if not missing:
            return
        made = 0
        for vectors in self._job(missing, job.recipe.vectors()[clause], info):
            job.cache.put(info, vectors)
            made += len(vectors)
        report = job.report
        report.encoded[clause] = report.encoded.get(clause, 0) + made
        report.cached[clause] = report.cached.get(clause, 0) - made  # where the load will find and count them

    def _job(self, contents: Contents, vector: "VectorField", info: "EncoderInfo") -> "Iterator[dict[bytes, Any]]":
        """Yield the vectors of contents by key, in no order. Raises EncoderError."""
        import ray

        # As text, because numpy cuts zeros off the end of bytes.
        rows = [{"key": key.hex(), "content": content} for key, content in contents.items()]
        blocks = ceil(len(rows) / _BLOCK)
        pool = ray.data.ActorPoolStrategy(min_size=1, max_size=min(blocks, self.workers or _width(self.device)))
        needs: dict[str, Any] = {"num_gpus": 1} if self.device == "cuda" else {"num_cpus": 1}
        made = ray.data.from_items(rows, override_num_blocks=blocks).map_batches(
            Worker,
            fn_constructor_args=(vector, self.device, info),
            compute=pool,
            batch_size=_BLOCK,
            **needs,
        )
        try:
            for found in made.iter_batches(batch_size=None):
                yield dict(zip(map(bytes.fromhex, found["key"]), found["vector"], strict=True))
        except ray.exceptions.RayError as error:
            reason = str(error).strip().splitlines()[-1]
            raise EncoderError(
                f"the Ray job ended early: {reason}", "vectors made so far are kept; mend it, or leave out --engine ray"
            ) from None


class Worker:
    """One model, in a process of Ray's. Raises EncoderError where it is another than the load's."""

    def __init__(self, vector: "VectorField", device: str, info: "EncoderInfo") -> None:
        from esmm.encoders import load_encoder

        self._encoder = load_encoder(vector, device=device)
        if self._encoder.info != info:
            raise EncoderError(
                f"a Ray worker has {self._encoder.info} where the load has {info}", "give all nodes the same model"
            )

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """Return the keys and vectors of contents; a photo that cannot be decoded is left out."""
        items = {key: item for key, raw in zip(batch["key"], batch["content"], strict=True) if (item := _item(raw))}
        vectors = self._encoder.encode(list(items.values()))
        return {"key": list(items), "vector": list(vectors)}


@contextmanager
def connected(address: str | None, *, workers: int | None, device: str) -> Iterator[RayEngine]:
    """Connect to a Ray cluster, or start one on this machine. Raises EsmmError, EncoderError."""
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    try:
        import ray
        import ray.data
    except ImportError:
        raise EsmmError("--engine ray needs Ray Data, which is not installed", 'pip install "esmm[ray]"') from None
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    address = address or os.environ.get("RAY_ADDRESS")
    _check_answers(address or "")
    where: dict[str, Any] = {"address": address} if address else {"num_cpus": workers, "include_dashboard": False}
    try:
        ray.init(**where, logging_level=logging.ERROR, log_to_driver=False)
    except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise _no_cluster(address or "this machine", reason) from None
    ray.data.DataContext.get_current().enable_progress_bars = False
    with redirect_stdout(sys.stderr):  # Ray tells of workers that died, at the latest when it shuts down
        try:
            yield RayEngine(workers, device)
        finally:
            ray.shutdown()


def _check_answers(address: str) -> None:
    """Ray itself would try an address for minutes."""
    if match := re.fullmatch(r"(?:ray://)?\[?(.+?)\]?:(\d+)", address):
        try:
            socket.create_connection((match[1], int(match[2])), timeout=5).close()
        except (OSError, OverflowError) as error:
            raise _no_cluster(address, str(error)) from None


def _no_cluster(place: str, reason: str) -> EsmmError:
    return EsmmError(f"no Ray cluster at {place}: {reason}", "see ray status; --ray-address names another one")


def _texts(window: "list[Batch]") -> Contents:
    """Return the texts of some batches, by key."""
    return {content_key(text): text for batch in window for record in batch.records for _, text in record.passages}


def _pictures(window: "list[Batch]", photos: "Photos", known: Callable[[bytes], bool]) -> Contents:
    """Return the photos of some batches, by key, but for those that are known and those that cannot be had."""
    references = [reference for batch in window for record in batch.records for reference in record.photos]
    found = photos.find_all(dict.fromkeys(references), known)
    return {photo.key: photo.data for photo in found.values() if isinstance(photo, Photo) and photo.data is not None}


def _is_known(cache: "VectorCache", info: "EncoderInfo", key: bytes) -> bool:
    return bool(cache.get(info, [key]))


def _item(raw: str | bytes) -> Any:
    if isinstance(raw, str):
        return raw
    from esmm.photos import decode

    with suppress(PhotoError):
        return decode(bytes(raw))
    return None


def _width(device: str) -> int:
    import ray

    resources = ray.cluster_resources()  # type: ignore[no-untyped-call,unused-ignore]
    return max(1, int(resources.get("GPU" if device == "cuda" else "CPU", 1)))
