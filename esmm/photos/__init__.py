"""Photos: from what a catalogue says about one (path, zip member, URL, data URI, base64) to its bytes."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from esmm.content import content_key
from esmm.errors import PhotoError
from esmm.photos.inline import MAX_PHOTO_BYTES, is_inline, limited, read_inline, shown
from esmm.photos.pictures import MAX_PIXELS, decode
from esmm.photos.places import Places

__all__ = ["MAX_PHOTO_BYTES", "MAX_PIXELS", "Photos", "decode", "shown"]

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+):", re.IGNORECASE)  # two letters at least: C: is a drive


class Photos:
    """Finds photos in folders and zip files, searched in the order given, or wherever else a reference leads.

    May be read from several threads at once. Raises CatalogueError for a source that is neither folder nor zip.
    ``allow_private`` lets URLs lead to this machine and the local network.
    """

    def __init__(self, sources: Sequence[Path], *, allow_private: bool = False) -> None:
        self._places, self._allow_private = Places(sources), allow_private

    def read(self, reference: str | bytes) -> bytes:
        """Return the photo's file as it is; PhotoError where it cannot be had."""
        if isinstance(reference, bytes):
            return limited(reference, "A photo")
        text = reference.strip()
        if is_inline(text):
            return read_inline(text)
        if not _is_url(text):
            return self._places.read(text)
        from esmm.photos.fetch import fetch

        return fetch(text, limit=MAX_PHOTO_BYTES, allow_private=self._allow_private)

    def identity(self, reference: str | bytes) -> bytes | None:
        """Return 16 bytes that stay the same while the photo does, without reading it; None where it cannot be had.

        Of a file they are taken from its name, size and time, of a zip member from its name and checksum.
        """
        if isinstance(reference, bytes):
            return content_key(reference)
        text = reference.strip()
        try:
            return content_key(text) if is_inline(text) or _is_url(text) else self._places.identity(text)
        except PhotoError:
            return None

    def close(self) -> None:
        """Close the zip files."""
        self._places.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _is_url(text: str) -> bool:
    """Tell a URL from a path. Raises PhotoError for a scheme that is not fetched."""
    scheme = _SCHEME.match(text)
    if scheme and scheme[1].lower() not in {"http", "https"}:
        raise PhotoError(f"A photo cannot be fetched by {scheme[1]}:.", "Use http, https or a path.")
    return scheme is not None
