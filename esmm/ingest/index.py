"""Versions of an index behind one alias: create, verify, swap, roll back.

``products`` is the alias that searches use; ``products-v0001``, ``products-v0002`` … hold the loads. The alias moves
only to a version that is whole, and the version before it is kept.
"""

import json
import re
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from esmm.content import content_key
from esmm.errors import IndexFault, LoadFailed
from esmm.index_meta import READY, meta_of, new_meta, put_meta
from esmm.ingest.documents import fields_of
from esmm.templates import render_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from elasticsearch import Elasticsearch

    from esmm.cluster import Capabilities
    from esmm.encoders import EncoderInfo
    from esmm.ingest.records import Record
    from esmm.recipe import Recipe

KEPT_VERSIONS = 2  # the one in use and the one to roll back to


@dataclass(frozen=True)
class Versions:
    """The versions behind an alias: all of them in order, and the one in use."""

    alias: str
    all: tuple[str, ...]
    current: str | None

    @property
    def next(self) -> str:
        """The name of the version to make."""
        number = max((int(name[-4:]) for name in self.all), default=0) + 1
        return f"{self.alias}-v{number:04d}"


def versions(client: "Elasticsearch", alias: str) -> Versions:
    """Look up the versions behind an alias. Raises IndexFault if the name is taken by an index."""
    if client.indices.exists(index=alias) and not client.indices.exists_alias(name=alias):
        raise IndexFault(
            f"{alias} is an index, not an alias, and esmm never replaces an index",
            "choose another name as index.name in the recipe, or move the index behind an alias",
        )
    pattern = re.compile(re.escape(alias) + r"-v\d{4}")
    names = client.indices.get(index=f"{alias}-v*", expand_wildcards="all", features="aliases", allow_no_indices=True)
    mine = sorted(name for name in names if pattern.fullmatch(name))
    holders = [name for name in client.indices.get_alias(name=alias)] if client.indices.exists_alias(name=alias) else []
    if len(holders) > 1 or (holders and holders[0] not in mine):
        raise IndexFault(
            f"alias {alias} points to {', '.join(sorted(holders))}, which esmm did not make",
            "choose another name as index.name in the recipe",
        )
    return Versions(alias, tuple(mine), holders[0] if holders else None)


def create(
    client: "Elasticsearch", recipe: "Recipe", encoders: "Mapping[str, EncoderInfo]", *, name: str, can: "Capabilities"
) -> None:
    """Create one version of the index, with its ingest pipeline where the server can run one."""
    body = index_body(recipe, encoders)
    body["mappings"]["_meta"]["esmm"]["shape"] = shape_of(recipe, encoders, can=can)
    if can.pipelines and encoders:
        client.ingest.put_pipeline(id=f"esmm-{name}", **_pipeline(recipe, encoders))
        body["settings"]["default_pipeline"] = f"esmm-{name}"
    client.indices.create(index=name, **body)


def shape_of(recipe: "Recipe", encoders: "Mapping[str, EncoderInfo]", *, can: "Capabilities") -> str:
    """Return a digest of what every document of an index depends on: mapping, pipeline, encoders, the field of ids.

    Indices of one shape can take over each other's documents; a recipe of another shape needs a new version.
    """
    body = index_body(recipe, encoders)
    note = body["mappings"].pop("_meta").pop("esmm")
    pipeline = _pipeline(recipe, encoders) if can.pipelines and encoders else {}
    parts = [body, note["clauses"], pipeline, recipe.index.id]
    return content_key(json.dumps(parts, sort_keys=True)).hex()


def open_writer(client: "Elasticsearch", name: str) -> str:
    """Return a new alias by which one load alone writes into a version; those of loads before it are taken away.

    So what a killed load still had on its way cannot overwrite what the next one writes.
    """
    writer = f"{name}-{uuid.uuid4().hex[:8]}"
    close_writer(client, name)
    client.indices.put_alias(index=name, name=writer)
    return writer


def close_writer(client: "Elasticsearch", name: str) -> None:
    """Take away the alias by which a load wrote: what is late comes too late."""
    client.options(ignore_status=404).indices.delete_alias(index=name, name=f"{name}-*")


def index_body(recipe: "Recipe", encoders: "Mapping[str, EncoderInfo]") -> dict[str, Any]:
    """Return settings and mappings of an index for a recipe and the encoders that load."""
    meta = {"esmm": new_meta(recipe, encoders)}
    body: dict[str, Any] = render_json(
        "mappings/index.json.j2",
        recipe=recipe,
        encoders=encoders,
        meta=meta,
    )
    return body


def verify(client: "Elasticsearch", name: str, *, expected: "Mapping[str, int]", sample: "Sequence[Record]") -> None:
    """Check a loaded version: counts equal, a sample of documents reads back, vectors present. Raises LoadFailed.

    ``expected`` holds the count of documents under ``""`` and, under the name of each vector field, how many this load
    wrote; what it found stored already may have more.
    """
    client.indices.refresh(index=name)
    for field, count in expected.items():
        query: dict[str, Any] = {"exists": {"field": field}} if field else {"match_all": {}}
        found = client.count(index=name, query=query)["count"]
        if found < count or (found > count and not field):
            what = f"documents with {field}" if field else "documents"
            raise LoadFailed(
                f"{name} holds {found} {what}, {count} were sent; the alias stays where it was", "run the load again"
            )
    verify_sample(client, name, sample)


def verify_sample(client: "Elasticsearch", name: str, sample: "Sequence[Record]") -> None:
    """Check that some documents read back as they were sent. Raises LoadFailed."""
    answers = client.mget(index=name, ids=[record.id for record in sample])["docs"] if sample else []
    for record, answer in zip(sample, answers, strict=True):
        stored = {key: value for key, value in answer.get("_source", {}).items() if key in record.fields}
        if stored != fields_of(record):
            raise LoadFailed(
                f"product {record.id} in {name} reads back otherwise than it was sent",
                "look for an ingest pipeline or another writer on this index",
            )


def serve(client: "Elasticsearch", recipe: "Recipe", name: str, *, saturation: float | None) -> None:
    """Give a verified version its serving settings, and note what was measured on it; its load writes no more."""
    close_writer(client, name)
    client.indices.put_settings(
        index=name, settings={"number_of_replicas": recipe.index.replicas, "refresh_interval": None}
    )
    _change_meta(client, name, saturation=saturation)


def mark_ready(client: "Elasticsearch", name: str) -> None:
    """Note in ``_meta`` that a version is whole; one that the alias points to always is."""
    _change_meta(client, name, state=READY)


def _change_meta(client: "Elasticsearch", name: str, **changes: Any) -> None:
    meta = meta_of(client, name)
    if meta != meta | changes or not changes.keys() <= meta.keys():
        put_meta(client, name, meta | changes)


def swap(client: "Elasticsearch", known: Versions, name: str) -> list[str]:
    """Move the alias to ``name`` in one step; delete versions older than the one before, and return their names."""
    actions: list[dict[str, Any]] = [{"add": {"index": name, "alias": known.alias}}]
    if known.current:
        # must_exist: a second try after a lost answer finds the alias moved already.
        actions.append({"remove": {"index": known.current, "alias": known.alias, "must_exist": False}})
    client.indices.update_aliases(actions=actions)
    kept = {name, known.current} if known.current else {name}
    gone = [old for old in known.all if old not in kept and old < name]
    for old in gone:
        drop(client, old)
    return gone


def before(client: "Elasticsearch", alias: str) -> tuple[str, str]:
    """Return the version in use and the newest whole one before it. Raises IndexFault if there is none."""
    known = versions(client, alias)
    ready = [name for name in known.all if known.current and name < known.current and _is_ready(client, name)]
    if not known.current or not ready:
        raise IndexFault(f"there is no earlier version of {alias} to roll back to", "load again: esmm ingest CATALOGUE")
    return known.current, ready[-1]


def rollback(client: "Elasticsearch", alias: str, *, left: str, taken: str) -> None:
    """Move the alias from one version to another in one step."""
    actions = [{"add": {"index": taken, "alias": alias}}, {"remove": {"index": left, "alias": alias}}]
    client.indices.update_aliases(actions=actions)


def differences(client: "Elasticsearch", left: str, taken: str) -> list[str]:
    """Name the encoders and the fields, but for vectors, in which one version differs from another."""
    mappings = client.indices.get_mapping(index=[left, taken])
    (old, old_fields), (new, new_fields) = (_made_by(mappings[name]["mappings"]) for name in (left, taken))
    told = [
        f"{clause} vectors by {new.get(clause, 'none')} instead of {old.get(clause, 'none')}"
        for clause in _unequal(old, new)
    ]
    fields = _unequal(old_fields, new_fields)
    return [*told, f"fields {', '.join(fields)}"] if fields else told


def drop(client: "Elasticsearch", name: str) -> None:
    """Delete a version and its pipeline."""
    client.indices.delete(index=name, ignore_unavailable=True)
    client.options(ignore_status=404).ingest.delete_pipeline(id=f"esmm-{name}")


def _is_ready(client: "Elasticsearch", name: str) -> bool:
    return bool(meta_of(client, name).get("state") == READY)


def _made_by(mapping: "Mapping[str, Any]") -> tuple[dict[str, str], dict[str, Any]]:
    """Return the encoder of each clause, and the fields that hold no vectors."""
    from esmm.encoders import EncoderInfo

    clauses = mapping["_meta"]["esmm"]["clauses"]
    vectors = {entry["field"] for entry in clauses.values()}
    encoders = {clause: str(EncoderInfo.from_meta(entry["encoder"])) for clause, entry in clauses.items()}
    return encoders, {name: field for name, field in mapping["properties"].items() if name not in vectors}


def _unequal(one: "Mapping[str, Any]", other: "Mapping[str, Any]") -> list[str]:
    return [name for name in sorted({*one, *other}) if one.get(name) != other.get(name)]


def _pipeline(recipe: "Recipe", encoders: "Mapping[str, EncoderInfo]") -> dict[str, Any]:
    vectors = [recipe.vectors()[clause].vector for clause in encoders]
    stamp = {clause: f"{encoder.id}@{encoder.revision}" for clause, encoder in encoders.items()}
    pipeline: dict[str, Any] = render_json("ingest/pipeline.json.j2", vectors=vectors, stamp=stamp)
    return pipeline
