"""Photos: from what a catalogue says about one (path, zip member, URL, data URI, base64) to its bytes."""

import base64
import binascii
import posixpath
import re
import zipfile
import zlib
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Self, TypeAlias
from urllib.parse import unquote_to_bytes

from esmm.errors import CatalogueError, PhotoError
from esmm.photos.pictures import MAX_PIXELS, decode

__all__ = ["MAX_PHOTO_BYTES", "MAX_PIXELS", "Photos", "decode"]

MAX_PHOTO_BYTES = 20 << 20

_HINT = "Correct the path, or name the folder or zip file that holds the photos."
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+):", re.IGNORECASE)  # two letters at least: C: is a drive
# How JPEG, PNG, GIF, WebP, BMP, TIFF and AVIF begin in base64; a path that long has a dot in it.
_BASE64_STARTS = ("/9j/", "_9j_", "iVBORw0KGgo", "R0lGOD", "UklGR", "Qk", "SUkq", "TU0AK", "AAAA")
_BASE64_LENGTH = 64
_ZIP_FAULTS = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError)  # RuntimeError: it has a password

_Finder: TypeAlias = Callable[[str], bytes | None]


class Photos:
    """Finds photos in folders and zip files, searched in the order given, or wherever else a reference leads.

    May be read from several threads at once. Raises CatalogueError for a source that is neither folder nor zip.
    ``allow_private`` lets URLs lead to this machine and the local network.
    """

    def __init__(self, sources: Sequence[Path], *, allow_private: bool = False) -> None:
        self._allow_private = allow_private
        with ExitStack() as stack:
            self._sources = [(path, _finder(path, stack)) for path in sources]
            self._open = stack.pop_all()

    def read(self, reference: str | bytes) -> bytes:
        """Return the photo's file as it is; PhotoError where it cannot be had."""
        if isinstance(reference, bytes):
            return _limited(reference, "A photo")
        text = reference.strip()
        if text.startswith("data:"):
            return _from_data_uri(text)
        if text.startswith(_BASE64_STARTS) and len(text) >= _BASE64_LENGTH and "." not in text:
            return _from_base64(text.encode(), shown(text))
        scheme = _SCHEME.match(text)
        if scheme is None:
            return self._from_path(text)
        if scheme[1].lower() not in {"http", "https"}:
            raise PhotoError(f"A photo cannot be fetched by {scheme[1]}:.", "Use http, https or a path.")
        from esmm.photos.fetch import fetch

        return fetch(text, limit=MAX_PHOTO_BYTES, allow_private=self._allow_private)

    def _from_path(self, reference: str) -> bytes:
        name = posixpath.normpath(reference.replace("\\", "/"))
        if name == "." or "\0" in name:
            raise PhotoError(f"{shown(reference)} is no path of a photo.", _HINT)
        if name.startswith("/"):
            data, where = _in_folder(Path("/"), name), "does not exist"
        elif name.split("/")[0] == "..":
            raise PhotoError(f"{shown(reference)} leads out of the photo folder.", "Use a path inside it.")
        else:
            data = next((data for _, find in self._sources if (data := find(name)) is not None), None)
            where = self._places()
        if data is None:
            raise PhotoError(f"{shown(reference)} {where}.", _HINT)
        return data

    def _places(self) -> str:
        if not self._sources:
            return "cannot be looked up: no folder or zip file of photos was named"
        places = ", ".join(str(path) for path, _ in self._sources[:3])
        return f"is not in {places}" + (f" and {len(self._sources) - 3} more" if len(self._sources) > 3 else "")

    def close(self) -> None:
        """Close the zip files."""
        self._open.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def shown(reference: str) -> str:
    """Quote a reference for a message, cut to 80 characters."""
    return repr(reference if len(reference) <= 80 else f"{reference[:77]}...")


def _limited(data: bytes, what: str) -> bytes:
    if len(data) > MAX_PHOTO_BYTES:
        raise PhotoError(f"{what} is larger than {MAX_PHOTO_BYTES >> 20} MiB.", "Make the photo smaller.")
    return data


def _finder(path: Path, stack: ExitStack) -> _Finder:
    if path.is_dir():
        return partial(_in_folder, path)
    try:
        archive = stack.enter_context(zipfile.ZipFile(path))
    except FileNotFoundError as error:
        raise CatalogueError(f"The photo source {path} does not exist.", "Name a folder or a zip file.") from error
    except (OSError, zipfile.BadZipFile) as error:
        hint = "Name a folder or a zip file; `unzip -t` tells whether a zip file is whole."
        raise CatalogueError(f"The photo source {path} is neither a folder nor a whole zip file.", hint) from error
    members = {posixpath.normpath(info.filename.replace("\\", "/")): info for info in archive.infolist()}
    return partial(_in_zip, archive, members, Lock())


def _in_folder(folder: Path, name: str) -> bytes | None:
    path = folder / name
    try:
        if not path.is_file():  # pipes and devices could go on for ever
            return None
        with path.open("rb") as file:
            return _limited(file.read(MAX_PHOTO_BYTES + 1), shown(name))
    except OSError as error:
        hint = "Check the name and the rights of the file."
        raise PhotoError(f"{shown(name)} cannot be read: {error.strerror}.", hint) from error


def _in_zip(archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo], lock: Lock, name: str) -> bytes | None:
    info = members.get(name)
    if info is None or info.is_dir():
        return None
    try:
        with lock, archive.open(info) as file:
            return _limited(file.read(MAX_PHOTO_BYTES + 1), shown(name))
    except _ZIP_FAULTS as error:
        hint = "Pack the zip file again, without a password."
        raise PhotoError(f"{shown(name)} in {archive.filename} is damaged or locked.", hint) from error


def _from_data_uri(uri: str) -> bytes:
    head, comma, body = uri.partition(",")
    if not comma:
        raise PhotoError(f"{shown(uri)} is no data URI: it has no comma.", "Write data:image/jpeg;base64,...")
    data = unquote_to_bytes(body)
    return _from_base64(data, shown(uri)) if head.lower().endswith(";base64") else _limited(data, shown(uri))


def _from_base64(text: bytes, name: str) -> bytes:
    packed = b"".join(text.split()).translate(bytes.maketrans(b"-_", b"+/")).rstrip(b"=")
    try:
        return _limited(base64.b64decode(packed + b"=" * (-len(packed) % 4), validate=True), name)
    except binascii.Error as error:
        raise PhotoError(f"{name} is not valid base64.", "Check that the text was not cut short.") from error
