"""Compressed encoders: int8 graphs that onnxruntime runs on the CPU, as ``esmm compress`` writes them. No torch.

A compressed encoder is a folder: ``onnx.json`` says what it is and what it was made from, ``model.onnx`` is the graph
(token numbers or pixels in, vectors of length 1 out), ``tokenizer.json`` cuts texts into tokens.
"""

import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from esmm.encoders.base import CHARACTERS_PER_TOKEN, Encoder, EncoderInfo, Modality
from esmm.encoders.batching import encoded_once
from esmm.encoders.resolve import digest, find_model, revision_of, tower_folder
from esmm.errors import EncoderError
from esmm.paths import cache_dir

if TYPE_CHECKING:
    from PIL.Image import Image

    from esmm.encoders.base import Matrix
    from esmm.recipe import VectorField

CONFIG, GRAPH, TOKENIZER = "onnx.json", "model.onnx", "tokenizer.json"
WEIGHTS_ONLY = "weights"
# Batches as large as a core's cache: larger ones are slower on one thread and no faster on two.
_TOKENS, _PHOTOS = 512, 8
_REMEDY = "name a folder that esmm compress wrote"


@dataclass(frozen=True)
class OnnxConfig:
    """What a compressed encoder is, and how near it came to what it was made from.

    ``made_from`` is the original's name and revision, ``bytes_before`` the size of its weights. ``quantised`` says what
    is int8: the sums of the text encoder (``dynamic``) or of the photo encoder (``static``), or the weights alone.
    The cosines between old and new vectors are those of sample texts or photos. Texts have ``max_length`` tokens at
    most; photos are ``side`` pixels wide and high, ``fit`` says how they get there.
    """

    id: str
    made_from: str
    dims: int
    space: str
    takes: Modality
    bytes_before: int
    quantised: str = ""
    cosine_mean: float = 1.0
    cosine_worst: float = 1.0
    max_length: int = 0
    pad: int = 0
    side: int = 0
    fit: str = ""
    format: int = 1


def onnx_folder(vector: "VectorField", device: str) -> Path | None:
    """Return the folder of the compressed encoder that a recipe asks for, by its name or by the device ``onnx``.

    None where it asks for none. Raises EncoderError where the device is ``onnx`` and nothing was compressed yet.
    """
    named = Path(vector.model).expanduser()
    if (named / CONFIG).is_file():
        return named
    if device != "onnx":
        return None
    if not ((folder := cached_folder(vector)) / CONFIG).is_file():
        raise EncoderError(f"{vector.model} has not been compressed on this machine", "run esmm compress once")
    return folder


def cached_folder(vector: "VectorField") -> Path:
    """Return where the compressed form of a model is kept on this machine; another revision has another place."""
    name = re.sub(r"[^\w.-]+", "-", Path(vector.model).name)
    return cache_dir() / "onnx" / f"{name}-{_revision(vector)}"


def _revision(vector: "VectorField") -> str:
    """Return the revision of the files that a model is made of, without loading it."""
    from importlib.metadata import PackageNotFoundError, version

    from esmm.recipe import ImageVector

    if place := tower_folder(vector.model) or vector.weights_path:
        if not place.exists():
            raise EncoderError(f"weights file {place} does not exist", "mend image.weights in the recipe")
        return revision_of(place)
    if not isinstance(vector, ImageVector):
        return revision_of(find_model(vector.model))
    try:
        return digest([version("torchvision").encode()])  # each version has its default weights
    except PackageNotFoundError:
        raise EncoderError(f"{vector.model} needs torchvision, which is not installed", _REMEDY) from None


def load_onnx(folder: Path) -> Encoder:
    """Load a compressed encoder from its folder. Raises EncoderError."""
    config = read_config(folder)
    return OnnxTextEncoder(folder, config) if config.takes == "text" else OnnxPhotoEncoder(folder, config)


def read_config(folder: Path) -> OnnxConfig:
    """Read what a compressed encoder is. Raises EncoderError."""
    try:
        raw = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        return OnnxConfig(**{field.name: raw[field.name] for field in fields(OnnxConfig)})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EncoderError(f"{folder / CONFIG} describes no compressed encoder: {error!r}", _REMEDY) from None


class OnnxTextEncoder:
    """A compressed text encoder."""

    def __init__(self, folder: Path, config: OnnxConfig) -> None:
        self._session = _session(folder, config)
        self._tokenizer = _tokenizer(folder, config.max_length)
        self._config, self.info = config, _info(folder, config)

    def encode(self, items: "Sequence[str] | Sequence[Image]") -> "Matrix":
        """Return one row of length 1 for each item: float32, shape (len(items), dims)."""
        longest = self._config.max_length * CHARACTERS_PER_TOKEN
        tokens = [found.ids for found in self._tokenizer.encode_batch([str(item)[:longest] for item in items])]
        return encoded_once(
            tokens,
            lambda numbers: self._rows([tokens[number] for number in numbers]),
            dims=self.info.dims,
            budget=_TOKENS,
        )

    def _rows(self, tokens: Sequence[Sequence[int]]) -> Any:
        import numpy as np

        shape = (len(tokens), max(1, *map(len, tokens)))
        numbers, mask = np.full(shape, self._config.pad, dtype=np.int64), np.zeros(shape, dtype=np.int64)
        for row, ids in enumerate(tokens):
            numbers[row, : len(ids)], mask[row, : len(ids)] = ids, 1
        return self._session.run(None, {"input_ids": numbers, "attention_mask": mask})[0]


class OnnxPhotoEncoder:
    """A compressed photo encoder."""

    def __init__(self, folder: Path, config: OnnxConfig) -> None:
        from esmm.encoders.pixels import FITS

        self._session = _session(folder, config)
        self._fit, self._side = FITS[config.fit], config.side
        self.info = _info(folder, config)

    def encode(self, items: "Sequence[str] | Sequence[Image]") -> "Matrix":
        """Return one row of length 1 for each item: float32, shape (len(items), dims)."""
        import numpy as np

        rows: list[Matrix] = [np.zeros((0, self.info.dims), dtype=np.float32)]
        for start in range(0, len(items), _PHOTOS):
            photos: Any = items[start : start + _PHOTOS]
            pixels = np.stack([self._fit(photo, self._side) for photo in photos])
            rows.append(self._session.run(None, {"pixels": pixels})[0])
        return np.concatenate(rows)


def _info(folder: Path, config: OnnxConfig) -> EncoderInfo:
    return EncoderInfo(config.id, revision_of(folder), config.dims, config.space, (config.takes,))


def _session(folder: Path, config: OnnxConfig) -> Any:
    try:
        import onnxruntime
    except ImportError:
        raise _missing(folder, "onnxruntime") from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = _threads()
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # a thread that waits leaves its core
    if config.quantised == WEIGHTS_ONLY:  # weights become floats once, not at each run
        options.add_session_config_entry("session.disable_quant_qdq", "1")
    faults = onnxruntime.capi.onnxruntime_pybind11_state
    unreadable = (faults.Fail, faults.NoSuchFile, faults.InvalidProtobuf, faults.InvalidGraph, faults.InvalidArgument)
    try:
        return onnxruntime.InferenceSession(folder / GRAPH, options, providers=["CPUExecutionProvider"])
    except unreadable as error:
        reason = " ".join(str(error).split())[:200]
        raise EncoderError(f"{folder / GRAPH} does not load: {reason}", _REMEDY) from None


def _threads() -> int:
    """Return how many threads a graph may use, as torch would: OMP_NUM_THREADS, else 0 for one a core."""
    first = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    return int(first) if first.isdigit() else 0


def _tokenizer(folder: Path, max_length: int) -> Any:
    try:
        from tokenizers import Tokenizer
    except ImportError:
        raise _missing(folder, "tokenizers") from None
    try:
        tokenizer = Tokenizer.from_str((folder / TOKENIZER).read_text(encoding="utf-8"))
    except Exception as error:  # tokenizers raises nothing narrower
        raise EncoderError(f"{folder / TOKENIZER} cannot be read: {error}", _REMEDY) from None
    tokenizer.enable_truncation(max_length)
    tokenizer.no_padding()
    return tokenizer


def _missing(folder: Path, package: str) -> EncoderError:
    return EncoderError(f"{folder} needs {package}, which is not installed", 'pip install "esmm[onnx]"')
