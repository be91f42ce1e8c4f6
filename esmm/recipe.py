"""The recipe: what the index holds, how products become vectors, how a search is put together.

A recipe is a TOML file that a person edits (``esmm init`` writes the first one). It is checked as a whole:
every fault is reported at once, with its line.
"""

import os
import re
import tomllib
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, field_validator, model_validator

from esmm.errors import RecipeError
from esmm.toml_lines import line_of

INDEX_TYPES = Literal["flat", "int8_flat", "int4_flat", "bbq_flat", "hnsw", "int8_hnsw", "int4_hnsw", "bbq_hnsw"]
FieldType = Literal["text", "keyword", "long", "double", "boolean", "date", "photo"]
Form = Literal["combined_fields", "best_fields", "cross_fields", "most_fields"]
FORMS: tuple[Form, ...] = get_args(Form)
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CatalogueField(_Part):
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


class Index(_Part):
    """The index: ``name`` is the alias that searches use; each load makes a version of its own behind it."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,199}$")]
    id: str = "id"
    analyzer: str = "english"
    shards: Annotated[int, Field(ge=1, le=1024)] = 1
    replicas: Annotated[int, Field(ge=0, le=32)] = 0


class VectorField(_Part):
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


class Search(_Part):
    """The keyword query that esmm writes where the shop has none, and how many candidates a search gathers."""

    form: Form = "combined_fields"
    operator: Literal["or", "and"] = "or"
    k: Annotated[int, Field(ge=1, le=10_000)] = 100
    num_candidates: Annotated[int, Field(ge=1, le=10_000)] = 150
    depth: Annotated[int, Field(ge=1, le=10_000)] = 200
    window: Annotated[int, Field(ge=1, le=10_000)] = 500

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


class FusionWeights(_Part):
    """Untuned fusion: a weight a clause, and the saturation constant of the keyword score.

    ``saturation`` left out means: the constant that the load measured on the index itself. The text weight is low
    because a strong keyword query loses more by vectors that reorder its full matches than it gains: 0.1 is enough to
    find what no word matches (``benchmarks/weights.py``). A photo that a customer sends is meant to count.
    """

    keyword: Weight = 1.0
    text: Weight = 0.1
    image: Weight = 1.0
    text_to_image: Weight = 0.3
    like_text: Weight = 1.0
    like_image: Weight = 1.0
    avoid: Weight = 0.3
    saturation: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None


class DeclaredClause(_Part):
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


class Recipe(_Part):
    """A whole recipe. ``source`` names the file it came from."""

    index: Index
    fields: dict[str, CatalogueField]
    text: TextVector | None = None
    image: ImageVector | None = None
    search: Search = Search()
    fusion: FusionWeights = FusionWeights()
    clauses: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")], DeclaredClause] = Field(
        default_factory=dict
    )
    _source: str = PrivateAttr(default="recipe")
    _text: str = PrivateAttr(default="")

    @property
    def source(self) -> str:
        """The file this recipe was read from."""
        return self._source

    @property
    def toml(self) -> str:
        """The text this recipe was read from."""
        return self._text

    def line(self, *path: str) -> str:
        """Return ``line 7: `` for a setting of this recipe, or nothing where its text is not at hand."""
        number = line_of(self._text, path)
        return f"line {number}: " if number else ""

    def named(self, *types: FieldType) -> list[str]:
        """Return the names of the fields of these types, in the order of the recipe."""
        return [name for name, field in self.fields.items() if field.type in types]

    def vectors(self) -> dict[str, VectorField]:
        """Return the vector fields by the name of their clause."""
        return {clause: part for clause, part in (("text", self.text), ("image", self.image)) if part}

    def facets(self) -> dict[str, str]:
        """Return facet and filter fields, each with the field of the index that holds its exact values."""
        exact = {name: name for name in self.named("keyword", "long", "double", "boolean", "date")}
        return exact | {n: f"{n}.raw" for n, field in self.fields.items() if field.type == "text" and field.facet}

    def searched(self) -> dict[str, float]:
        """Return the fields of the keyword query with their boosts."""
        return {n: self.fields[n].boost for n in self.named("text") if self.fields[n].boost > 0}

    @property
    def heaviest(self) -> str:
        """The field that weighs most in the keyword query: where a product says what it is."""
        boosts = self.searched()
        return max(boosts, key=boosts.__getitem__)

    def embedded(self) -> dict[float, list[str]]:
        """Return the fields of the text vector by weight, heaviest first: one passage for each weight."""
        weights = sorted({field.embed for field in self.fields.values() if field.embed}, reverse=True)
        return {w: [n for n, field in self.fields.items() if field.embed == w] for w in weights}


def parse(text: str, *, source: str = "recipe") -> Recipe:
    """Read a recipe from TOML text. Raises RecipeError with every fault and its line."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(source, [f"not TOML: {error}"], "mend the line named") from None
    faults: list[tuple[int | None, str]] = []
    recipe: Recipe | None = None
    try:
        recipe = Recipe.model_validate(raw)
    except ValidationError as error:
        faults = [(line_of(text, fault["loc"]), _sentence(dict(fault))) for fault in error.errors()]
    faults += [(line_of(text, where), why) for where, why in _cross_faults(raw)]
    if faults or recipe is None:
        lines = [f"line {line}: {why}" if line else why for line, why in sorted(faults, key=lambda f: f[0] or 0)]
        raise RecipeError(source, lines, "the commented default shows every setting: esmm init --print")
    recipe._source, recipe._text = source, text
    return recipe


def load(path: str | Path) -> Recipe:
    """Read the recipe in a file. Raises RecipeError."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise RecipeError(str(path), [f"cannot be read: {reason}"], "esmm init CATALOGUE writes one") from None
    return parse(text, source=str(path))


def _filled_in(place: str) -> Path:
    return Path(os.path.expandvars(place)).expanduser()


def _sentence(fault: dict[str, Any]) -> str:
    where = ".".join(str(part) for part in fault["loc"] if part != "[key]") or "recipe"
    if fault["type"] == "extra_forbidden":
        return f"{where} is no setting"
    if fault["type"] == "missing":
        return f"{where} is missing"
    if fault["type"] == "string_pattern_mismatch":
        return f"{where}: {fault['input']!r} is no such name (it must match {fault['ctx']['pattern']})"
    message = re.sub(r"^Value error, ", "", fault["msg"])
    return f"{where}: {message[0].lower()}{message[1:]}"


def _cross_faults(raw: dict[str, Any]) -> list[tuple[tuple[str, ...], str]]:
    """Find what is wrong between parts, on the raw tables, so that it is told beside the faults within parts."""
    tables = {name: raw[name] if isinstance(raw.get(name), dict) else {} for name in ("fields", "text", "image")}
    fields = {name: field for name, field in tables["fields"].items() if isinstance(field, dict)}
    types = {name: field.get("type") for name, field in fields.items()}
    found: list[tuple[tuple[str, ...], str]] = []
    if "fields" in raw and "text" not in types.values():
        found.append((("fields",), "fields: none has type text, so there is nothing to search"))
    elif fields and all(field.get("boost") == 0 for field in fields.values() if field.get("type") == "text"):
        found.append((("fields",), "fields: every text field has boost 0, so there is nothing to search"))
    if "text" in raw and not any(field.get("embed") for field in fields.values()):
        found.append((("text",), "text: no field has embed, so there is no text to make vectors of"))
    if "image" in raw and "photo" not in types.values():
        found.append((("image",), "image: no field has type photo"))
    vectors = {part: tables[part].get("vector", f"{part}_vector") for part in ("text", "image") if part in raw}
    if len(set(vectors.values())) < len(vectors):
        found.append((("image", "vector"), f"image.vector: {vectors['image']} is the text vector already"))
    found += [
        ((part, "vector"), f"{part}.vector: {name} is a catalogue field already")
        for part, name in vectors.items()
        if name in fields
    ]
    return found + list(_clause_faults(raw.get("clauses"), types))


def _clause_faults(declared: Any, types: dict[str, FieldType | None]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Find declared clauses whose name is esmm's own, and those that read what is no field or of another type."""
    for name, given in declared.items() if isinstance(declared, dict) else ():
        if name in (*FusionWeights.model_fields, "tier"):
            yield ("clauses", name), f"clauses.{name}: esmm has a clause {name} of its own"
        try:
            reads = DeclaredClause.model_validate(given).reads
        except ValidationError:
            continue  # told beside it
        for read, wanted in reads.items():
            if (found := types.get(read)) not in wanted:
                told = "is no field of the recipe" if read not in types else f"is of type {found}"
                yield ("clauses", name), f"clauses.{name}: {read} {told}; it needs {' or '.join(wanted)}"
