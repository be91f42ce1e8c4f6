"""The recipe: what the index holds, how products become vectors, how a search is put together.

A recipe is a TOML file that a person edits (``esmm init`` writes the first one). It is checked as a whole:
every fault is reported at once, with its line.
"""

import re
import tomllib
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, PrivateAttr, ValidationError

from esmm.errors import RecipeError
from esmm.recipe_parts import (
    FORMS,
    CatalogueField,
    DeclaredClause,
    FieldType,
    Form,
    FusionWeights,
    ImageVector,
    Index,
    Part,
    Search,
    TextVector,
    VectorField,
)
from esmm.toml_lines import line_of

__all__ = [
    "FORMS",
    "DeclaredClause",
    "Form",
    "FusionWeights",
    "ImageVector",
    "Recipe",
    "Search",
    "VectorField",
    "load",
    "parse",
]


class Recipe(Part):
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

    @cached_property
    def embedded(self) -> dict[float, list[str]]:
        """The fields of the text vector by weight, heaviest first: one passage for each weight."""
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
