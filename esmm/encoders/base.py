"""What an encoder is: a name that can be checked, and items turned into unit vectors."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    Matrix = NDArray[np.float32]

Modality = Literal["text", "photo"]


@dataclass(frozen=True, slots=True)
class EncoderInfo:
    """The identity of an encoder, as every index made with it remembers it.

    ``id`` names the model, ``revision`` its very weights and settings, ``dims`` the length of a vector.
    Vectors can be compared if they live in the same ``space``. ``takes`` says what can be encoded.
    """

    id: str
    revision: str
    dims: int
    space: str
    takes: tuple[Modality, ...]

    def as_meta(self) -> dict[str, Any]:
        """Return the form kept in an index's ``_meta``."""
        return {
            "id": self.id,
            "revision": self.revision,
            "dims": self.dims,
            "space": self.space,
            "takes": list(self.takes),
        }

    @classmethod
    def from_meta(cls, meta: dict[str, Any]) -> "EncoderInfo":
        """Read the form kept in an index's ``_meta``."""
        return cls(meta["id"], meta["revision"], meta["dims"], meta["space"], tuple(meta["takes"]))

    def same_vectors(self, other: "EncoderInfo") -> bool:
        """Say whether both make the same vectors of the same input."""
        return (self.id, self.revision, self.dims) == (other.id, other.revision, other.dims)

    def __str__(self) -> str:
        return f"{self.id} ({self.revision}, {self.dims} dims)"


class Encoder(Protocol):
    """Turns texts or photos into vectors of length 1."""

    @property
    def info(self) -> EncoderInfo:
        """Who made a vector."""

    def encode(self, items: "Sequence[str] | Sequence[Image]") -> "Matrix":
        """Return one row of length 1 for each item: float32, shape (len(items), dims)."""
