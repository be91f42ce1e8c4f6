"""Encoders of sentence-transformers: text models, and CLIP-like models that take photos too."""

import logging
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from esmm.encoders.base import CHARACTERS_PER_TOKEN, EncoderInfo, Modality
from esmm.encoders.batching import encoded_once
from esmm.encoders.resolve import find_model, revision_of
from esmm.errors import EncoderError

if TYPE_CHECKING:
    from PIL.Image import Image

    from esmm.encoders.base import Matrix

_TOKENS_ON_CPU, _TOKENS = 1024, 16_384  # of one padded batch
_REMEDY = "the folder must hold what SentenceTransformer.save wrote"


class SentenceEncoder:
    """A sentence-transformers model by name or folder."""

    def __init__(self, name: str, *, device: str = "cpu", batch: int = 32) -> None:
        """``batch`` counts photos; texts are batched by the tokens they have."""
        folder = find_model(name)
        self.model = _open(name, folder, device)
        self._batch, self._cpu = batch, device == "cpu"
        local = Path(name).expanduser().is_dir()
        identity = folder.resolve().name if local else name.removeprefix("sentence-transformers/")
        dims = _dims(self.model, folder)
        takes: tuple[Modality, ...] = ("text", "photo") if _takes_photos(self.model) else ("text",)
        revision = revision_of(folder)
        space = f"{identity}@{revision}" if local else identity  # another folder may have the same name
        self.info = EncoderInfo(identity, revision, dims, space, takes)

    def encode(self, items: "Sequence[str] | Sequence[Image]") -> "Matrix":
        """Return one row of length 1 for each item: float32, shape (len(items), dims)."""
        longest = self.model.max_seq_length or 512
        cut: list[Any] = [item[: longest * CHARACTERS_PER_TOKEN] if isinstance(item, str) else item for item in items]
        tokenizer = self.model.tokenizer
        # Photos have no tokens, and a model of word vectors alone has a tokenizer of another kind.
        if not cut or not callable(tokenizer) or not all(isinstance(item, str) for item in cut):
            return self._rows(cut, self._batch)
        tokens = tokenizer(cut, truncation=True, max_length=longest)["input_ids"]
        return encoded_once(
            tokens,
            lambda numbers: self._rows([cut[number] for number in numbers], len(numbers)),
            dims=self.info.dims,
            budget=_TOKENS_ON_CPU if self._cpu else _TOKENS,
            each=self._side_by_side if self._cpu else map,
        )

    def _side_by_side(self, encode: "Callable[[list[int]], Matrix]", groups: list[list[int]]) -> "Iterable[Matrix]":
        """Encode groups at the same time, each on one core, instead of one after another on all cores.

        A core that is taken away for a while (by a server beside it) then holds up its own group, not every step.
        """
        import torch

        threads = torch.get_num_threads()
        if threads == 1 or len(groups) == 1:
            return map(encode, groups)
        self.model.encode(["a"], show_progress_bar=False)  # sets the tokenizer's padding: two threads at it is an error
        with ThreadPoolExecutor(threads, "esmm-encode", partial(torch.set_num_threads, 1)) as pool:
            try:
                return list(pool.map(encode, groups))
            finally:
                torch.set_num_threads(threads)  # for threads that begin later

    def _rows(self, items: list[Any], batch: int) -> "Matrix":
        matrix: Matrix = self.model.encode(
            items, batch_size=batch, show_progress_bar=False, normalize_embeddings=True, convert_to_numpy=True
        )
        return matrix.astype("float32", copy=False).reshape(len(items), self.info.dims)  # nothing in: (0,)


def _open(name: str, folder: Path, device: str) -> Any:
    import pickle

    try:
        from safetensors import SafetensorError
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging as transformers_logging
    except ImportError:
        raise EncoderError(
            f"{name} needs sentence-transformers, which is not installed", 'pip install "esmm[models]"'
        ) from None
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call,unused-ignore]
    logging.getLogger("sentence_transformers").setLevel(logging.ERROR)
    try:
        return SentenceTransformer(str(folder), device=device)
    except (OSError, ValueError, KeyError, RuntimeError, EOFError, SafetensorError, pickle.UnpicklingError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise EncoderError(f"{folder} does not load as a sentence-transformers model: {reason}", _REMEDY) from None


def _dims(model: Any, folder: Path) -> int:
    """Return the length of the model's vectors. Raises EncoderError if it cannot tell words apart."""
    special = getattr(model.tokenizer, "all_special_ids", None)
    if special and len(model.tokenizer) <= len(special):  # transformers makes one up where the files are missing
        raise EncoderError(f"{folder} has no tokenizer that knows any word", _REMEDY)
    return int(model.encode(["dims"], show_progress_bar=False).shape[1])


def _takes_photos(model: Any) -> bool:
    if hasattr(model, "modalities"):  # sentence-transformers 5.2 and later say it themselves
        return "image" in model.modalities
    return any(hasattr(module, "processor") and "CLIP" in type(module).__name__ for module in model)
