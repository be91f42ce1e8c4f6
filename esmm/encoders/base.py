"""What an encoder is: a name that can be checked, and items turned into unit vectors."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    Matrix = NDArray[np.float32]

# No token is longer on average, so cutting a text here loses nothing and spares tokenising a megabyte.
CHARACTERS_PER_TOKEN = 16
Modality = Literal["text", "photo"]
Role = Literal["query", "passage"]


@dataclass(frozen=True, slots=True)
class EncoderInfo:
    """The identity of an encoder, as every index made with it remembers it.

    ``id`` names the model, ``revision`` its very weights and settings, ``dims`` the length of a vector.
    Vectors can be compared if they live in the same ``space``. ``takes`` says what can be encoded.
    The prefixes stand before each text of a question, or of a product.
    """

    id: str
    revision: str
    dims: int
    space: str
    takes: tuple[Modality, ...]
    query_prefix: str = ""
    passage_prefix: str = ""

    def as_meta(self) -> dict[str, Any]:
        """Return the form kept in an index's ``_meta``."""
        return asdict(self) | {"takes": list(self.takes)}

    @classmethod
    def from_meta(cls, meta: dict[str, Any]) -> "EncoderInfo":
        """Read the form kept in an index's ``_meta``."""
        prefixes = {role: meta.get(role, "") for role in ("query_prefix", "passage_prefix")}  # older notes have none
        return cls(meta["id"], meta["revision"], meta["dims"], meta["space"], tuple(meta["takes"]), **prefixes)

    @property
    def passages(self) -> str:
        """What the vectors of products depend on: model, weights, length and the prefix before their texts."""
        prefix = f" {self.passage_prefix!r}" if self.passage_prefix else ""
        return f"{self.id}@{self.revision}/{self.dims}{prefix}"

    def comparable(self, other: "EncoderInfo") -> bool:
        """Say whether a vector of the one can be compared with a vector of the other."""
        return (self.space, self.dims) == (other.space, other.dims)

    def differences(self, other: "EncoderInfo") -> dict[str, tuple[Any, Any]]:
        """Return what makes a question encoded by the other unfit for vectors of this one: both values, by name."""
        names = [field.name for field in fields(self) if field.name != "takes"]
        pairs = {name: (getattr(self, name), getattr(other, name)) for name in names}
        return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}

    def __str__(self) -> str:
        prefixes = {"query_prefix": self.query_prefix, "passage_prefix": self.passage_prefix}
        told = "".join(f", {name} {prefix!r}" for name, prefix in prefixes.items() if prefix)
        return f"{self.id} ({self.revision}, {self.dims} dims{told})"


class Encoder(Protocol):
    """Turns texts or photos into vectors of length 1."""

    @property
    def info(self) -> EncoderInfo:
        """Who made a vector."""

    def encode(self, items: "Sequence[str] | Sequence[Image]") -> "Matrix":
        """Return one row of length 1 for each item: float32, shape (len(items), dims)."""
