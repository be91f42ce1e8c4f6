"""The tables of a recipe: what each holds, its defaults, and what is wrong within it."""

import os
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

INDEX_TYPES = Literal["flat", "int8_flat", "int4_flat", "bbq_flat", "hnsw", "int8_hnsw", "int4_hnsw", "bbq_hnsw"]
FieldType = Literal["text", "keyword", "long", "double", "boolean", "date", "photo"]
Form = Literal["combined_fields", "best_fields", "cross_fields", "most_fields"]
FORMS: tuple[Form, ...] = get_args(Form)
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Part(BaseModel):
    """One table of a recipe: it takes no key that it does not know, and never changes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class CatalogueField(Part):
    """One field of the catalogue: its Elasticsearch type and the part it plays."""

    type: FieldType
    boost: Weight = 1.0
    embed: Weight = 0.0
    facet: bool = False

    @model_validator(mode="after")
    def _plays_a_possible_part(self) -> "CatalogueField":
        if self.embed and self.type not in ("text", "keyword"):
            raise ValueError(f"embed needs type text or keyword, not {self.type}")
        if self.facet and self.type == "photo":
            raise ValueError("a photo cannot be a facet")
        return self


class Index(Part):
    """The index: ``name`` is the alias that searches use; each load makes a version of its own behind it."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,199}$")]
    id: str = "id"
    analyzer: str = "english"
    shards: Annotated[int, Field(ge=1, le=1024)] = 1
    replicas: Annotated[int, Field(ge=0, le=32)] = 0


class VectorField(Part):
    """One dense vector: the encoder that makes it and the field that holds it.

    The prefixes stand before each text of a question, or of a product. ``dims`` keeps the first numbers of a vector
    only. Two models whose vectors can be compared are given one ``space``. ``device`` says where the model runs; on
    ``onnx`` that is its compressed form (``esmm compress``).
    """

    model: str
    vector: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
    weights: str | None = None
    query_prefix: str = ""
    passage_prefix: str = ""
    dims: Annotated[int, Field(ge=1, le=4096)] | None = None
    space: Annotated[str, Field(min_length=1)] | None = None
    device: Literal["auto", "cpu", "cuda", "mps", "onnx"] = "auto"
    index_type: INDEX_TYPES = "int8_hnsw"

    @cached_property
    def weights_path(self) -> Path | None:
        """The weights file, with environment variables and ``~`` filled in; None where a variable is not set."""
        path = _filled_in(self.weights) if self.weights else None
        return None if path and "${" in str(path) else path


class TextVector(VectorField):
    """The vector of a product's text."""

    model: str = "all-MiniLM-L6-v2"
    vector: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] = "text_vector"


class ImageVector(VectorField):
    """The vector of a product's photos (their mean where there are several)."""

    model: str = "esmm-tower"
    vector: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] = "image_vector"
    photos: tuple[str, ...] = ()
    fetch_per_host: Annotated[int, Field(ge=1, le=64)] = 4

    @field_validator("passage_prefix")
    @classmethod
    def _photos_have_no_words(cls, prefix: str) -> str:
        if prefix:
            raise ValueError("a photo takes no prefix; texts that ask for photos take query_prefix")
        return prefix

    @property
    def photo_places(self) -> list[Path]:
        """Folders and zip files to look for photos in, beside the catalogue's own folder."""
        return [_filled_in(place) for place in self.photos]


class Search(Part):
    """The keyword query that esmm writes where the shop has none, and how many candidates a search gathers.

    ``feedback`` is how many hits of a first look the query's vectors move towards (``esmm/query/feedback.py``); 0 for
    none. It costs a second request.
    """

    form: Form = "combined_fields"
    operator: Literal["or", "and"] = "or"
    k: Annotated[int, Field(ge=1, le=10_000)] = 100
    num_candidates: Annotated[int, Field(ge=1, le=10_000)] = 150
    depth: Annotated[int, Field(ge=1, le=10_000)] = 200
    window: Annotated[int, Field(ge=1, le=10_000)] = 500
    feedback: Annotated[int, Field(ge=0, le=100)] = 0

    @model_validator(mode="after")
    def _candidates_fit(self) -> "Search":
        if self.k > self.num_candidates:
            raise ValueError(f"k ({self.k}) must not be above num_candidates ({self.num_candidates})")
        if self.window < 2 * self.k + self.depth:
            raise ValueError(
                f"window ({self.window}) must hold k of both vectors and the keyword depth: at least "
                f"{2 * self.k + self.depth}"
            )
        return self


class FusionWeights(Part):
    """Untuned fusion: a weight a clause, and the saturation constant of the keyword score.

    ``saturation`` left out means: the constant that the load measured on the index itself. The text weight is low
    because a strong keyword query loses more by vectors that reorder its full matches than it gains: 0.1 is enough to
    find what no word matches (``benchmarks/weights.py``). So are those of a photo: words typed beside it say what
    should be otherwise (``benchmarks/mixed.py``), and without words only their ratio counts.
    """

    keyword: Weight = 1.0
    text: Weight = 0.1
    image: Weight = 0.2
    text_to_image: Weight = 0.3
    image_to_text: Weight = 0.2
    like_text: Weight = 1.0
    like_image: Weight = 1.0
    avoid: Weight = 0.3
    saturation: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None


class DeclaredClause(Part):
    """More evidence, learned like the other clauses: exactly one of ``match``, ``phrase``, ``number`` and ``date``.

    ``match`` scores the words in some fields of their own, ``phrase`` the words in their order (``slop`` apart) in one
    field, ``number`` a value (popularity; higher is better, one below 0 is none), ``date`` how new a product is (it
    halves every ``half_life``). It scores the candidates of the other clauses and adds none. ``weight`` counts until it
    is tuned.
    """

    match: tuple[str, ...] = ()
    phrase: str | None = None
    slop: Annotated[int, Field(ge=0, le=100)] = 0
    number: str | None = None
    date: str | None = None
    half_life: Annotated[str, Field(pattern=r"^[1-9][0-9]*[dhm]$")] = "90d"
    weight: Weight = 0.0
    saturation: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 10.0

    @model_validator(mode="after")
    def _is_one_thing(self) -> "DeclaredClause":
        if sum(map(bool, (self.match, self.phrase, self.number, self.date))) != 1:
            raise ValueError("names exactly one of match, phrase, number and date")
        return self

    @property
    def reads(self) -> dict[str, tuple[FieldType, ...]]:
        """The fields it reads, each with the types that they may have."""
        words: tuple[FieldType, ...] = ("text", "keyword")
        others: dict[str | None, tuple[FieldType, ...]] = {
            self.phrase: ("text",),
            self.number: ("long", "double"),
            self.date: ("date",),
        }
        return {**dict.fromkeys(self.match, words), **{name: types for name, types in others.items() if name}}


def _filled_in(place: str) -> Path:
    return Path(os.path.expandvars(place)).expanduser()
