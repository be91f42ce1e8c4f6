"""Where photos lie on this machine: folders and zip files, and the order in which they are looked through."""

import posixpath
import zipfile
import zlib
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from threading import Lock
from typing import Protocol

from esmm.content import content_key
from esmm.errors import CatalogueError, PhotoError
from esmm.photos.photo import MAX_PHOTO_BYTES, limited, shown

_HINT = "Correct the path, or name the folder or zip file that holds the photos."
_ZIP_FAULTS = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError)  # RuntimeError: it has a password


class _Place(Protocol):
    """A folder or a zip file; each answer is None where it has no such photo."""

    def read(self, name: str) -> bytes | None: ...

    def identity(self, name: str) -> bytes | None: ...


class Places:
    """Folders and zip files, searched in the order given. Raises CatalogueError for a source that is neither."""

    def __init__(self, sources: Sequence[Path]) -> None:
        self._sources = sources
        with ExitStack() as stack:
            self._places = [_place(path, stack) for path in sources]
            self._open = stack.pop_all()

    def read(self, reference: str) -> bytes:
        """Return the file that a path leads to. Raises PhotoError."""
        name, places = self._sought(reference)
        for place in places:
            if (data := place.read(name)) is not None:
                return data
        raise PhotoError(f"{shown(reference)} {self._where(name)}.", _HINT)

    def identity(self, reference: str) -> bytes | None:
        """Return 16 bytes that stay the same while the file does: of name, size and time or checksum."""
        name, places = self._sought(reference)
        return next((found for place in places if (found := place.identity(name)) is not None), None)

    def close(self) -> None:
        """Close the zip files."""
        self._open.close()

    def _sought(self, reference: str) -> "tuple[str, Sequence[_Place]]":
        name = posixpath.normpath(reference.replace("\\", "/"))
        if name == "." or "\0" in name:
            raise PhotoError(f"{shown(reference)} is no path of a photo.", _HINT)
        if name.split("/")[0] == "..":
            raise PhotoError(f"{shown(reference)} leads out of the photo folder.", "Use a path inside it.")
        return name, [_Folder(Path("/"))] if name.startswith("/") else self._places

    def _where(self, name: str) -> str:
        if name.startswith("/"):
            return "does not exist"
        if not self._sources:
            return "cannot be looked up: no folder or zip file of photos was named"
        places = ", ".join(str(path) for path in self._sources[:3])
        return f"is not in {places}" + (f" and {len(self._sources) - 3} more" if len(self._sources) > 3 else "")


def _place(path: Path, stack: ExitStack) -> _Place:
    if path.is_dir():
        return _Folder(path)
    try:
        return _Archive(stack.enter_context(zipfile.ZipFile(path)))
    except FileNotFoundError as error:
        raise CatalogueError(f"The photo source {path} does not exist.", "Name a folder or a zip file.") from error
    except (OSError, zipfile.BadZipFile) as error:
        hint = "Name a folder or a zip file; `unzip -t` tells whether a zip file is whole."
        raise CatalogueError(f"The photo source {path} is neither a folder nor a whole zip file.", hint) from error


class _Folder:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, name: str) -> bytes | None:
        path = self._folder / name
        try:
            if not path.is_file():  # pipes and devices could go on for ever
                return None
            with path.open("rb") as file:
                return limited(file.read(MAX_PHOTO_BYTES + 1), shown(name))
        except OSError as error:
            hint = "Check the name and the rights of the file."
            raise PhotoError(f"{shown(name)} cannot be read: {error.strerror}.", hint) from error

    def identity(self, name: str) -> bytes | None:
        path = self._folder / name
        try:
            found = path.stat() if path.is_file() else None
        except OSError:
            return None
        return None if found is None else content_key(f"file {name} {found.st_size} {found.st_mtime_ns}")


class _Archive:
    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive, self._lock = archive, Lock()
        members = {posixpath.normpath(info.filename.replace("\\", "/")): info for info in archive.infolist()}
        self._members = {name: info for name, info in members.items() if not info.is_dir()}

    def read(self, name: str) -> bytes | None:
        info = self._members.get(name)
        if info is None:
            return None
        try:
            with self._lock, self._archive.open(info) as file:
                return limited(file.read(MAX_PHOTO_BYTES + 1), shown(name))
        except _ZIP_FAULTS as error:
            hint = "Pack the zip file again, without a password."
            raise PhotoError(f"{shown(name)} in {self._archive.filename} is damaged or locked.", hint) from error

    def identity(self, name: str) -> bytes | None:
        info = self._members.get(name)
        return None if info is None else content_key(f"member {name} {info.file_size} {info.CRC}")
