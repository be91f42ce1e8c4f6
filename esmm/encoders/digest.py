"""An encoder without meaning: the vector is drawn from the digest of the input. For tests of plumbing only."""

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from esmm.encoders.base import EncoderInfo

if TYPE_CHECKING:
    from PIL.Image import Image

    from esmm.encoders.base import Matrix


class DigestEncoder:
    """Equal input gives equal vectors, different input gives unrelated ones."""

    def __init__(self, dims: int) -> None:
        name = f"digest-{dims}"
        self.info = EncoderInfo(name, "1", dims, name, ("text", "photo"))

    def encode(self, items: "Sequence[str] | Sequence[Image]") -> "Matrix":
        """Return one row of length 1 for each item: float32, shape (len(items), dims)."""
        import numpy as np

        rows: Matrix = np.empty((len(items), self.info.dims), dtype=np.float32)
        for row, item in zip(rows, items, strict=True):
            data = item.encode() if isinstance(item, str) else cast("Image", item).tobytes()
            seed = int.from_bytes(hashlib.sha256(data).digest()[:8], "big")
            row[:] = np.random.default_rng(seed).standard_normal(self.info.dims)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        return rows
