"""Photos: from what a catalogue says about one (path, zip member, URL, data URI, base64) to its bytes."""

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Self, TypeVar

from esmm.content import content_key
from esmm.errors import PhotoError
from esmm.photos.fetch import Fetcher
from esmm.photos.inline import is_inline, read_inline
from esmm.photos.lanes import in_lanes
from esmm.photos.memory import UrlMemory
from esmm.photos.photo import MAX_PHOTO_BYTES, Photo, Shelf, limited, shown
from esmm.photos.pictures import MAX_PIXELS, decode
from esmm.photos.places import Places
from esmm.photos.urls import site_of

__all__ = ["MAX_PHOTO_BYTES", "MAX_PIXELS", "PER_HOST", "Photo", "Photos", "UrlMemory", "decode", "shown"]

AT_A_TIME = 16  # photos read at a time
PER_HOST = 4  # of them from one host

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+):", re.IGNORECASE)  # two letters at least: C: is a drive
R = TypeVar("R")


class Photos:
    """Finds photos in folders and zip files, searched in the order given, or wherever else a reference leads.

    May be read from several threads at once. Raises CatalogueError for a source that is neither folder nor zip.
    ``allow_private`` lets URLs lead to this machine and the local network. ``per_host`` photos are fetched from one
    host at a time. With a ``memory``, photos by URL are known again from run to run.
    """

    def __init__(
        self,
        sources: Sequence[Path],
        *,
        allow_private: bool = False,
        per_host: int = PER_HOST,
        memory: UrlMemory | None = None,
    ) -> None:
        self._places, self._per_host, self._shelf = Places(sources), per_host, Shelf()
        self._fetcher = Fetcher(limit=MAX_PHOTO_BYTES, allow_private=allow_private, memory=memory)

    def read(self, reference: str | bytes) -> bytes:
        """Return the photo's file as it is; PhotoError where it cannot be had."""
        if isinstance(reference, bytes):
            return limited(reference, "A photo")
        text = reference.strip()
        if is_inline(text):
            return read_inline(text)
        if not _is_url(text):
            return self._places.read(text)
        return self._fetcher.fetch(text, lambda _: False).data or b""

    def find(self, reference: str | bytes, known: Callable[[bytes], bool]) -> Photo:
        """Return a photo, without its data where it has a URL and ``known`` says of its key that they are not needed.

        Raises PhotoError where it cannot be had.
        """
        if isinstance(reference, bytes) or not _is_remote(reference):
            data = self.read(reference)
            return Photo(content_key(data), data)
        return self._shelf.take(reference) or self._fetcher.fetch(reference.strip(), known)

    def find_all(self, references: Iterable[str], known: Callable[[bytes], bool]) -> "dict[str, Photo | PhotoError]":
        """Return what :meth:`find` returns or raises for each reference, many fetched at a time."""

        def one(reference: str) -> Photo | PhotoError:
            try:
                return self.find(reference, known)
            except PhotoError as error:
                return error

        return self._in_lanes(one, references)

    def identity(self, reference: str | bytes) -> bytes | None:
        """Return 16 bytes that stay the same while the photo does; None where it cannot be had.

        Of a file they are taken from its name, size and time, of a zip member from its name and checksum, without
        reading it. What a URL leads to is asked for, unless it is known to be fresh: a small request where it is the
        same as before, else it is fetched, and :meth:`find` gives it once without a request.
        """
        if isinstance(reference, bytes):
            return content_key(reference)
        try:
            if not _is_remote(reference):
                text = reference.strip()
                return content_key(text) if is_inline(text) else self._places.identity(text)
            photo = self._fetcher.fetch(reference.strip(), lambda _: True)
        except PhotoError:
            return None
        if photo.data is not None:
            self._shelf.put(reference, photo)
        return photo.key

    def identities(self, references: Iterable[str]) -> dict[str, bytes | None]:
        """Return the :meth:`identity` of each reference, many asked for at a time."""
        return self._in_lanes(self.identity, references)

    def _in_lanes(self, step: Callable[[str], R], references: Iterable[str]) -> dict[str, R]:
        return in_lanes(step, references, site_of, workers=max(AT_A_TIME, self._per_host), per_lane=self._per_host)

    def close(self) -> None:
        """Close the zip files and the connections; what other threads still fetch ends soon."""
        self._fetcher.close()
        self._places.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _is_remote(reference: str) -> bool:
    text = reference.strip()
    return not is_inline(text) and _is_url(text)


def _is_url(text: str) -> bool:
    """Tell a URL from a path. Raises PhotoError for a scheme that is not fetched."""
    scheme = _SCHEME.match(text)
    if scheme and scheme[1].lower() not in {"http", "https"}:
        raise PhotoError(f"A photo cannot be fetched by {scheme[1]}:.", "Use http, https or a path.")
    return scheme is not None
