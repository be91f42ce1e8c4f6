"""What a recipe asks of a model beyond its name: prefixes, fewer dims, a vector space shared with another model."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from esmm.encoders.base import Encoder, EncoderInfo, Role
from esmm.errors import EncoderError

if TYPE_CHECKING:
    from PIL.Image import Image

    from esmm.encoders.base import Matrix
    from esmm.recipe import VectorField

# Models that were trained to put their texts where another one puts its photos.
TWINS = {"clip-ViT-B-32-multilingual-v1": "clip-ViT-B-32"}


def tailored(encoder: Encoder, vector: "VectorField", *, role: Role) -> Encoder:
    """Return the encoder as the recipe wants it, for questions or for products. Raises EncoderError.

    A model that is wanted as it is comes back itself.
    """
    own = encoder.info
    if vector.dims and vector.dims > own.dims:
        raise EncoderError(
            f"dims = {vector.dims} is more than {own.id} makes: its vectors have {own.dims}",
            f"set dims in the recipe to {own.dims} or fewer, or leave it out",
        )
    wanted = replace(
        own,
        dims=vector.dims or own.dims,
        space=vector.space or TWINS.get(own.space, own.space),
        query_prefix=vector.query_prefix,
        passage_prefix=vector.passage_prefix,
    )
    if wanted == own:
        return encoder
    return TailoredEncoder(encoder, wanted, prefix=wanted.query_prefix if role == "query" else wanted.passage_prefix)


class TailoredEncoder:
    """An encoder whose texts get a prefix, and whose vectors are cut to their first numbers."""

    def __init__(self, encoder: Encoder, info: EncoderInfo, *, prefix: str) -> None:
        self._encoder, self._prefix, self.info = encoder, prefix, info

    def encode(self, items: "Sequence[str] | Sequence[Image]") -> "Matrix":
        """Return one row of length 1 for each item: float32, shape (len(items), dims)."""
        import numpy as np

        prefixed: list[Any] = [self._prefix + item if isinstance(item, str) else item for item in items]
        rows = self._encoder.encode(prefixed)
        if rows.shape[1] == self.info.dims:
            return rows
        cut: Matrix = rows[:, : self.info.dims].copy()
        cut /= np.maximum(np.linalg.norm(cut, axis=1, keepdims=True), 1e-12)
        return cut
