"""Smaller and faster encoders: the models of a recipe as int8 graphs that onnxruntime runs without torch."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from esmm.encoders.onnx import CONFIG, cached_folder
from esmm.errors import EncoderError, EsmmError
from esmm.paths import make_folder

if TYPE_CHECKING:
    from esmm.compress.samples import Samples
    from esmm.recipe import Recipe, VectorField

__all__ = ["compress", "folders_of"]

_NEEDED = ("torch", "torchvision", "sentence_transformers", "onnx", "onnxruntime", "tokenizers")
_NAMES = {"text": "text", "image": "photo"}


def folders_of(recipe: "Recipe", out: Path | None, *, only: str | None = None) -> dict[str, Path]:
    """Return where the compressed encoder of each clause goes: into ``out``, or into this machine's cache.

    Raises EsmmError if the recipe has nothing to compress, or if a folder of ``out`` is there already.
    """
    vectors = {clause: vector for clause, vector in recipe.vectors().items() if only in (None, clause)}
    if not vectors:
        raise EsmmError(f"{recipe.source} names no encoder to compress", "add [text] or [image] to the recipe")
    if out is None:
        return {clause: cached_folder(vector) for clause, vector in vectors.items()}
    folders = {clause: out / _NAMES[clause] for clause in vectors}
    if there := [folder for folder in folders.values() if folder.exists()]:
        raise EsmmError(f"{there[0]} exists already", "name another folder, or delete this one")
    return folders


def compress(recipe: "Recipe", folders: Mapping[str, Path], *, pca: str | None = None) -> None:
    """Write the compressed encoder of each clause into its folder; what is there already stays.

    ``pca`` names a catalogue: its texts and photos, not those of the sample catalogue, say how near the result is,
    calibrate it, and its vectors are turned so that their first numbers tell most. Raises EncoderError for a model that
    cannot be compressed, CatalogueError, and EsmmError if a folder cannot be written.
    """
    _check_packages()
    from esmm.compress.originals import original
    from esmm.compress.quantise import quantised
    from esmm.compress.rotation import rotated
    from esmm.compress.samples import gather, shipped_samples

    vectors: dict[str, VectorField] = recipe.vectors()
    missing = [clause for clause, folder in folders.items() if not (folder / CONFIG).is_file()]
    originals = {clause: original(vectors[clause]) for clause in missing}
    samples: Samples = gather(pca, recipe) if pca else shipped_samples()
    if pca:
        originals = rotated(originals, samples)
    for clause, made_of in originals.items():
        with _beside(folders[clause]) as work:
            shutil.move(quantised(made_of, samples.of(clause), work), folders[clause])


def _check_packages() -> None:
    if missing := [name for name in _NEEDED if find_spec(name) is None]:
        raise EncoderError(
            f"compressing needs {' and '.join(missing)}, not installed here", 'pip install "esmm[models,onnx]"'
        )


@contextmanager
def _beside(folder: Path) -> Iterator[Path]:
    """Give a folder on the same disk to work in, so that the result is there as a whole or not at all."""
    try:
        with TemporaryDirectory(dir=make_folder(folder.parent), prefix=".compress-") as work:
            yield Path(work)
    except OSError as error:
        raise EsmmError(f"{folder} cannot be written: {error.strerror}", "name a folder on a disk with room") from None
