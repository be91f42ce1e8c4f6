"""From a question to vector clauses: what is encoded, by which encoder, for which field."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from esmm.encoders import EncoderInfo, Modality
from esmm.encoders.named import named_infos
from esmm.errors import EncoderError, QueryError
from esmm.index_meta import new_meta
from esmm.query.clauses import VectorClause, rounded

if TYPE_CHECKING:
    from PIL.Image import Image

    from esmm.encoders import Encoder, ModelKey
    from esmm.recipe import Recipe

AVOID = "avoid"
# Where both lie in one space, words against photos and a photo against words are evidence of their own.
TEXT_TO_IMAGE, IMAGE_TO_TEXT = "text_to_image", "image_to_text"
# Each clause, whose vectors it looks at, and what of a question it compares with them.
WAYS: tuple[tuple[str, str, Modality], ...] = (
    ("text", "text", "text"),
    ("image", "image", "photo"),
    (TEXT_TO_IMAGE, "image", "text"),
    (IMAGE_TO_TEXT, "text", "photo"),
)
_OWN: Mapping[Modality, str] = {"text": "text", "photo": "image"}
_REMEMBERED = 1024


@dataclass(frozen=True)
class Ask:
    """What a customer asks for: a text, a photo or both; products to be like; what to keep away from; the page."""

    text: str | None = None
    photo: "Image | None" = None
    filters: Mapping[str, Sequence[str]] = field(default_factory=dict)
    size: int = 10
    start: int = 0
    like: tuple[str, ...] = ()
    avoid: str | None = None

    def modalities(self) -> "set[Modality]":
        """Return what was given."""
        given: dict[Modality, object] = {"text": self.text, "photo": self.photo}
        return {modality for modality, value in given.items() if value}


@dataclass(frozen=True)
class Source:
    """Where the vector of one clause comes from: the field, what is encoded, and whose encoder does it."""

    clause: str
    field: str
    modality: Modality
    encoder: str

    @property
    def parameter(self) -> str:
        """The name of the vector in templates and bodies to fill in: what one encoder makes of one thing has one."""
        return f"{self.encoder if _OWN[self.modality] == self.encoder else self.clause}_vector"


def photo_of(given: "str | bytes | Image") -> "Image":
    """Read and decode a photo: path, URL, data URI, bytes, or an image already. Raises PhotoError."""
    from esmm.photos import Photos, decode

    if not isinstance(given, (str, bytes)):
        return given
    # In a catalogue a path may not lead out of the photo folder; a person may name any file.
    place = given if isinstance(given, bytes) or ":" in given else str(Path(given).absolute())
    with Photos([]) as photos:
        photo: Image = decode(photos.read(place))
    return photo


def sources_of(clauses: Mapping[str, Any], asked: "set[Modality]") -> list[Source]:
    """Choose, for each vector field of an index, what of the question can be compared with it.

    ``clauses`` is the part of the index's ``_meta`` that names field and encoder of each clause. A text reaches a photo
    field, and a photo a text field, through an encoder of the same space whose vectors are as long; each is a clause of
    its own.
    """
    infos = {name: EncoderInfo.from_meta(entry["encoder"]) for name, entry in clauses.items()}
    return [
        Source(clause, clauses[name]["field"], modality, encoder)
        for clause, name, modality in WAYS
        if modality in asked and name in infos and (encoder := _encoder_for(modality, name, infos))
    ]


def sources_named(recipe: "Recipe") -> list[Source]:
    """Choose as :func:`sources_of` does for words and a photo, by the names in a recipe alone: no model is loaded.

    Raises EncoderError if the description in a model's folder cannot be read.
    """
    return sources_of(new_meta(recipe, named_infos(recipe))["clauses"], {"text", "photo"})


def _encoder_for(modality: Modality, clause: str, infos: Mapping[str, EncoderInfo]) -> str | None:
    """Choose whose encoder makes vectors of a modality for a clause.

    For photos it is the photo field's, where it can be: one vector serves both fields. For words, one that takes
    nothing else comes first: beside a CLIP model, its multilingual twin is there to read them. Of two that make the
    same of words it is the text field's, for the same reason.
    """
    takers = [name for name, info in infos.items() if info.comparable(infos[clause]) and modality in info.takes]
    if modality == "photo" and "image" in takers:
        return "image"
    if modality == "text" and len(takers) == len(infos) == 2 and not infos["text"].differences(infos["image"]):
        return "text"
    return min(takers, key=lambda name: (len(infos[name].takes), name != clause), default=None)


def check_encoder(clause: str, made_with: EncoderInfo, now: EncoderInfo) -> None:
    """Raise EncoderError unless the query is encoded by what made the index."""
    if different := made_with.differences(now):
        told = ", ".join(f"{name} ({theirs!r}, {ours!r})" for name, (theirs, ours) in different.items())
        raise EncoderError(
            f"the {clause} vectors of the index were made by {made_with}, the recipe names {now}; "
            f"they differ in {told}",
            "use the recipe of the index, or load the catalogue again with this one",
        )


class QuestionEncoder:
    """Turns questions into vector clauses for one index; loads each encoder when first needed, and remembers vectors.

    ``clauses`` is the part of the index's ``_meta`` that names field and encoder of each clause; left out, it is what
    the recipe's encoders would make. ``vectors_of(ids, field)`` reads stored vectors, for ``like``.
    Raises EncoderError if the recipe's encoders did not make the index's vectors.
    """

    def __init__(
        self,
        recipe: "Recipe",
        clauses: Mapping[str, Any] | None,
        *,
        device: str = "auto",
        vectors_of: "Callable[[Sequence[str], str], list[list[float]]] | None" = None,
    ) -> None:
        self._recipe, self._device, self._vectors_of = recipe, device, vectors_of
        self._encoders: dict[str, Encoder] = {}
        self._models: dict[ModelKey, Encoder] = {}
        self._recent: dict[tuple[str, bytes], tuple[float, ...]] = {}
        self._made_with = clauses
        self.faults: dict[str, EncoderError] = {}

    def clauses(self, ask: Ask) -> list[VectorClause]:
        """Return the vector clauses of a question."""
        sources = self.sources(ask.modalities())
        if ask.photo and all(source.modality != "photo" for source in sources):
            raise QueryError(
                f"{self._recipe.index.name} has no photo vectors, nor texts that a photo can be compared with",
                "load the catalogue with a photo encoder: [image] in the recipe",
            )
        made = [VectorClause(s.clause, s.field, self._vector(s, ask)) for s in sources]
        return made + self._liked(ask) + self._avoided(ask)

    def vector_of(self, text: str | None) -> tuple[float, ...] | None:
        """Return the vector of words beside products' words; None without words, or where there is none to be had."""
        source = next((source for source in self.sources({"text"}) if source.clause == "text"), None)
        vector = self._encoded(source.encoder, text) if source and text else None
        return vector if isinstance(vector, tuple) else None

    def sources(self, asked: "set[Modality]") -> list[Source]:
        """Return where the vectors of a question come from: by names alone where an encoder does not load."""
        known = sources_of(self._clauses, asked)
        return [source for source in sources_named(self._recipe) if source.modality in asked] if self.faults else known

    def _vector(self, source: Source, ask: Ask) -> tuple[float, ...] | str:
        item: Any = ask.text if source.modality == "text" else ask.photo
        return self._encoded(source.encoder, item)

    def _encoded(self, name: str, item: "str | Image") -> tuple[float, ...] | str:
        """Return a vector; where the encoder does not load, a text that shows where it goes, for printing."""
        if name in self.faults:
            return f"<vector of {self._recipe.vectors()[name].model}>"
        content = item.encode() if isinstance(item, str) else item.tobytes()
        key = (name, hashlib.sha256(content).digest())
        if key not in self._recent:
            items: Any = [item]
            vector = self._encoder(name).encode(items)[0]
            if len(self._recent) >= _REMEMBERED:
                self._recent.pop(next(iter(self._recent)))
            self._recent[key] = rounded(vector)
        return self._recent[key]

    def _encoder(self, name: str) -> "Encoder":
        from esmm.encoders import load_encoder

        if name not in self._encoders:
            if name not in self._recipe.vectors():
                raise EncoderError(
                    f"the index has {name} vectors, the recipe names no encoder for them", f"add [{name}] to the recipe"
                )
            vector = self._recipe.vectors()[name]
            encoder = load_encoder(vector, device=self._device, role="query", models=self._models)
            check_encoder(name, EncoderInfo.from_meta(self._clauses[name]["encoder"]), encoder.info)
            self._encoders[name] = encoder
        return self._encoders[name]

    def _liked(self, ask: Ask) -> list[VectorClause]:
        """Return a clause for each vector field: near the mean of the vectors of the products to be like."""
        if not ask.like:
            return []
        if self._vectors_of is None:
            raise QueryError(
                "products to be like are looked up in the index, and no server is connected", "connect one"
            )
        found = {entry["field"]: self._vectors_of(ask.like, entry["field"]) for entry in self._clauses.values()}
        if not any(found.values()):
            raise QueryError(f"none of {', '.join(ask.like)} is in the index with a vector", "name ids of the index")
        return [
            VectorClause(f"like_{name}", entry["field"], _mean(found[entry["field"]]))
            for name, entry in self._clauses.items()
            if found[entry["field"]]
        ]

    def _avoided(self, ask: Ask) -> list[VectorClause]:
        if not ask.avoid:
            return []
        if not (sources := self.sources({"text"})):
            raise QueryError("no vector of the index can be compared with a text to avoid", "load it with a text model")
        return [VectorClause(AVOID, sources[0].field, self._encoded(sources[0].encoder, ask.avoid), away=True)]

    @property
    def _clauses(self) -> Mapping[str, Any]:
        """Field and encoder of each clause, as the index tells; without an index, as the recipe's encoders tell."""
        if self._made_with is None:
            from esmm.encoders import load_encoders

            self._encoders, self.faults = load_encoders(self._recipe, device=self._device, role="query")
            infos = {name: encoder.info for name, encoder in self._encoders.items()}
            self._made_with = new_meta(self._recipe, infos)["clauses"]
        return self._made_with


def _mean(vectors: Sequence[Sequence[float]]) -> tuple[float, ...]:
    import numpy as np

    mean = np.mean(np.asarray(vectors, dtype=np.float64), axis=0)
    return rounded(mean / np.linalg.norm(mean))
