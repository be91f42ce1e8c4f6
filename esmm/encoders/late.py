"""Models that are loaded when the first item is encoded: a load that changes nothing then loads none.

What a model is, its :class:`EncoderInfo`, is remembered in the cache folder by the files that it consists of (name,
size and time of change) and by the versions of the libraries that run it.
"""

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from esmm import __version__
from esmm.content import content_key
from esmm.encoders.base import Encoder, EncoderInfo
from esmm.encoders.onnx import onnx_folder
from esmm.encoders.resolve import find_model, is_spelled_as_torchvision, tower_folder
from esmm.errors import EncoderError
from esmm.paths import cache_dir, make_folder, whole

if TYPE_CHECKING:
    from PIL.Image import Image

    from esmm.encoders.base import Matrix
    from esmm.recipe import VectorField

_LIBRARIES = ("torch", "torchvision", "transformers", "sentence-transformers", "onnxruntime")


class LateEncoder:
    """An encoder of which only the identity is there until it encodes."""

    def __init__(self, info: EncoderInfo, load: Callable[[], Encoder]) -> None:
        self.info = info
        self._load = load
        self._encoder: Encoder | None = None

    def encode(self, items: "Sequence[str] | Sequence[Image]") -> "Matrix":
        """Return one row of length 1 for each item. Raises EncoderError if the model does not load."""
        if self._encoder is None:
            loaded = self._load()
            if loaded.info != self.info:
                raise EncoderError(f"{self.info.id} was changed a moment ago: it is {loaded.info} now", "start again")
            self._encoder = loaded
        return self._encoder.encode(items)


def loaded_late(vector: "VectorField", device: str, load: Callable[[], Encoder]) -> Encoder:
    """Return the encoder of a vector field; one that this machine loaded before is loaded when it is needed.

    Raises EncoderError where a model is looked for and not found, or is loaded and does not load.
    """
    note = _note(vector, device)
    if note is None:
        return load()
    if info := _read(note):
        return LateEncoder(info, load)
    encoder = load()
    with suppress(OSError):  # no room or no right to write: the next run loads it too
        make_folder(note.parent)
        with whole(note) as beside:
            beside.write_text(json.dumps(encoder.info.as_meta()), encoding="utf-8")
    return encoder


def _note(vector: "VectorField", device: str) -> Path | None:
    """Return the file that may say what a model is; None where only the model itself can."""
    if device not in {"auto", "cpu", "onnx"} or not (place := _place(vector, device)):
        return None
    told = [vector.model, str(place.resolve()), __version__, *map(_version, _LIBRARIES), *_files(place)]
    return cache_dir() / "encoders" / f"{content_key(chr(10).join(told)).hex()}.json"


def _place(vector: "VectorField", device: str) -> Path | None:
    """Return the folder or file that holds a model; None for those that torchvision keeps, and for made-up ones."""
    if folder := onnx_folder(vector, device) or tower_folder(vector.model):
        return folder
    if is_spelled_as_torchvision(vector.model):
        return vector.weights_path
    return None if vector.model.startswith("digest-") else find_model(vector.model)


def _files(place: Path) -> list[str]:
    """Return name, size and time of change of the files of a model, or of the one file."""
    found = sorted(path for path in place.rglob("*") if path.is_file()) if place.is_dir() else [place]
    stats = [(path, path.stat()) for path in found if path.exists()]
    return [f"{path} {stat.st_size} {stat.st_mtime_ns}" for path, stat in stats]


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return "none"


def _read(note: Path) -> EncoderInfo | None:
    """Return what a note tells; None where there is none, or a damaged one."""
    try:
        return EncoderInfo.from_meta(json.loads(note.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
