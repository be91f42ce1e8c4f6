"""The index of a shop: which one it is, and the fields that vectors need in its mapping."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from esmm.errors import IndexFault
from esmm.index_meta import ENRICHED, new_meta
from esmm.ingest.fingerprints import FIELD
from esmm.ingest.index import index_body

if TYPE_CHECKING:
    from collections.abc import Mapping

    from elasticsearch import Elasticsearch

    from esmm.encoders import EncoderInfo
    from esmm.recipe import Recipe

# What must agree for a field that is there already to hold our vectors.
_VECTOR = ("type", "dims", "index", "similarity")
_LEAVES = {"index": True, "similarity": "cosine"}  # what a mapping does not tell is this default


@dataclass(frozen=True)
class Target:
    """The one index behind a name, its mapping and its settings."""

    client: "Elasticsearch"
    name: str
    index: str
    mapping: "Mapping[str, Any]"

    @property
    def note(self) -> dict[str, Any]:
        """What esmm noted in the index; empty before it was enriched to the end."""
        return dict((self.mapping.get("_meta") or {}).get("esmm") or {})

    @property
    def fields(self) -> "Mapping[str, Any]":
        """The mapping of each field at the top."""
        fields: Mapping[str, Any] = self.mapping.get("properties", {})
        return fields


def find(client: "Elasticsearch", name: str) -> Target:
    """Return the index that a name means. Raises IndexFault unless it is one that documents can be updated in."""
    if not client.indices.exists(index=name):
        raise IndexFault(
            f"there is no index or alias {name}", "name the one that your shop searches as index.name in the recipe"
        )
    found = client.indices.get_mapping(index=name)
    if len(found) != 1:
        raise IndexFault(
            f"{name} means {len(found)} indices: {', '.join(sorted(found))}",
            "enrich each by a recipe with its own name as index.name",
        )
    index, entry = next(iter(found.items()))
    target = Target(client, name, index, entry["mappings"])
    if target.note.get("state", ENRICHED) != ENRICHED:
        raise IndexFault(
            f"{index} was made by esmm ingest, which gave it its vectors", "load it again: esmm ingest CATALOGUE"
        )
    if source := {key: value for key, value in entry["mappings"].get("_source", {}).items() if key != "mode"}:
        raise IndexFault(
            f"{index} keeps only a part of its documents ({_shown(source)} under _source), so an update would lose the "
            "rest",
            "reindex into an index that keeps _source whole, or load with esmm ingest",
        )
    return target


def additions(target: Target, recipe: "Recipe", infos: "Mapping[str, EncoderInfo]") -> dict[str, Any]:
    """Return the fields that the mapping lacks. Raises IndexFault that names every field and encoder in the way."""
    rendered = index_body(recipe, infos)["mappings"]["properties"]
    fields = {recipe.vectors()[clause].vector: rendered[recipe.vectors()[clause].vector] for clause in infos}
    faults = [*_other_fields(target, fields), *_other_encoders(target, recipe, infos)]
    if faults:
        raise IndexFault(
            f"{target.index} cannot be enriched: {'; '.join(faults)}",
            "give the vectors a field of another name in the recipe (vector = ...)",
        )
    lacking = {name: field for name, field in fields.items() if name not in target.fields}
    top, _, leaf = FIELD.partition(".")
    if leaf not in target.fields.get(top, {}).get("properties", {}):
        lacking[top] = {"properties": {leaf: {"type": "keyword", "index": False}}}
    return lacking


def enriched_note(recipe: "Recipe", infos: "Mapping[str, EncoderInfo]", saturation: float | None) -> dict[str, Any]:
    """Return the note for an index whose documents have their vectors."""
    return {**new_meta(recipe, infos), "state": ENRICHED, "saturation": saturation}


def _other_fields(target: Target, wanted: dict[str, Any]) -> Iterator[str]:
    for name, field in wanted.items():
        there = target.fields.get(name)
        found = {key: (there or field).get(key, _LEAVES.get(key)) for key in _VECTOR}
        if different := [key for key in _VECTOR if found[key] != field[key]]:
            told = ", ".join(f"{key} {_shown(found[key])} instead of {_shown(field[key])}" for key in different)
            yield f"field {name} is there with {told}"
    top, _, leaf = FIELD.partition(".")
    there = target.fields.get(top, {})
    if there.get("type", "object") != "object" or there.get("properties", {}).get(leaf, {}).get("type") not in (
        None,
        "keyword",
    ):
        yield f"field {top} is there already, and esmm keeps its fingerprint in {FIELD}"


def _other_encoders(target: Target, recipe: "Recipe", infos: "Mapping[str, EncoderInfo]") -> Iterator[str]:
    """Find fields full of another encoder's vectors: replaced one by one, they would spoil the searches meanwhile."""
    from esmm.encoders import EncoderInfo

    for clause, entry in target.note.get("clauses", {}).items():
        made_by = EncoderInfo.from_meta(entry["encoder"])
        now = infos.get(clause)
        same_field = now and recipe.vectors()[clause].vector == entry["field"]
        if now and same_field and made_by.passages != now.passages:
            yield f"{entry['field']} holds vectors by {made_by}, the recipe names {now}"


def _shown(value: Any) -> str:
    import json

    return json.dumps(value)
