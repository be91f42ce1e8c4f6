"""What a photo is here: the key of its content and its file, within a limit."""

from threading import Lock
from typing import NamedTuple

from esmm.errors import PhotoError

MAX_PHOTO_BYTES = 20 << 20
_SHELF_BYTES = 64 << 20


class Photo(NamedTuple):
    """The key of a photo's content, and its file as it is; None where it was not needed."""

    key: bytes
    data: bytes | None


class Shelf:
    """Photos that were fetched to learn whether they are the same, until they are wanted; the oldest go first."""

    def __init__(self) -> None:
        self._photos: dict[str, Photo] = {}
        self._size, self._lock = 0, Lock()

    def put(self, reference: str, photo: Photo) -> None:
        """Keep a photo, if it has its data."""
        self.take(reference)
        with self._lock:
            self._photos[reference] = photo
            self._size += len(photo.data or b"")
            while self._size > _SHELF_BYTES:
                self._drop(next(iter(self._photos)))

    def take(self, reference: str) -> Photo | None:
        """Return a photo that was put here, once."""
        with self._lock:
            return self._drop(reference)

    def _drop(self, reference: str) -> Photo | None:
        photo = self._photos.pop(reference, None)
        self._size -= len(photo.data or b"") if photo else 0
        return photo


def shown(reference: str) -> str:
    """Quote a reference for a message, cut to 80 characters."""
    return repr(reference if len(reference) <= 80 else f"{reference[:77]}...")


def limited(data: bytes, what: str) -> bytes:
    """Return the data, or raise PhotoError where it is above the limit."""
    if len(data) > MAX_PHOTO_BYTES:
        raise PhotoError(f"{what} is larger than {MAX_PHOTO_BYTES >> 20} MiB.", "Make the photo smaller.")
    return data
