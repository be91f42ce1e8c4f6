"""One document of the index as a product: what its vectors are made of, and whether it has them already.

A document carries a fingerprint of what its vectors were made of. So the index itself is the state of the work: what is
undone, and what the shop changed since, is seen by reading it.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from esmm.ingest.fingerprints import FIELD
from esmm.ingest.records import Record, record_of, value_of

if TYPE_CHECKING:
    from esmm.encoders import EncoderInfo
    from esmm.recipe import Recipe

_ID = "_id"  # no field of a document can have this name


@dataclass(frozen=True, slots=True)
class Document(Record):
    """A product as it was read: where an update must meet it, its fingerprint, the clauses that it has vectors for."""

    routing: str | None
    seq_no: int
    primary_term: int
    fingerprint: str
    held: frozenset[str]

    @property
    def content(self) -> set[str]:
        """The clauses that this product has something for."""
        return {clause for clause, parts in (("text", self.passages), ("image", self.photos)) if parts}


class State(StrEnum):
    """How a document stands to the vectors that it should have."""

    CURRENT = "current"
    LACKING = "lacking"  # it has none, or not all
    STALE = "stale"  # its content or the encoder changed since
    PARTIAL = "partial"  # some of its photos could not be used
    EMPTY = "empty"  # nothing to make a vector of


class Reader:
    """Turns hits into documents, as a recipe tells what vectors are made of."""

    def __init__(self, recipe: "Recipe", infos: "Mapping[str, EncoderInfo]") -> None:
        self._recipe = recipe.model_copy(update={"index": recipe.index.model_copy(update={"id": _ID})})
        self._infos = infos
        vectors = recipe.vectors()
        self.fields = {clause: vectors[clause].vector for clause in infos}
        self._read = [
            *([name for names in recipe.embedded.values() for name in names] if "text" in infos else []),
            *(recipe.named("photo") if "image" in infos else []),
        ]

    @property
    def search(self) -> dict[str, Any]:
        """The search whose hits can be read."""
        return readable(self.fields, self._read)

    def document(self, hit: Mapping[str, Any]) -> Document:
        """Return the document of a hit. Raises BadRecord if its fields do not fit the recipe."""
        source = hit.get("_source") or {}
        wanted = {name: value for name in self._read if (value := value_of(source, name)) is not None}
        record = record_of(wanted | {_ID: hit["_id"]}, self._recipe, source=hit["_index"], number=0)
        return replace(
            bare(hit),
            passages=record.passages if "text" in self._infos else (),
            photos=record.photos if "image" in self._infos else (),
        )

    def state(self, document: Document) -> State:
        """Compare a document with what it should have."""
        wanted = self.fingerprint(document)
        if not document.fingerprint:
            return State.LACKING if document.content else State.EMPTY
        content, _, partly = document.fingerprint.partition("-")
        if content != wanted:
            return State.STALE
        missing = document.content - document.held
        if partly:
            return State.LACKING if missing - {"image"} else State.PARTIAL
        return State.LACKING if missing else State.CURRENT

    def fingerprint(self, document: Document, used: int | None = None) -> str:
        """Return 32 hex digits for content and encoders, and ``-1of3`` after them if only 1 of 3 photos was ``used``.

        Photos count by their references: a photo that changes behind its address is not seen.
        """
        import orjson

        parts = {"text": document.passages, "image": document.photos}
        made_of = [[clause, info.passages, parts[clause]] for clause, info in sorted(self._infos.items())]
        digest = hashlib.blake2b(orjson.dumps(made_of), digest_size=16).hexdigest()
        wanted = len(document.photos)
        return digest if used in (None, wanted) else f"{digest}-{used}of{wanted}"


def bare(hit: Mapping[str, Any]) -> Document:
    """Return the document of a hit without what its vectors are made of."""
    return Document(
        id=hit["_id"],
        fields={},
        passages=(),
        photos=(),
        source=hit["_index"],
        number=0,
        routing=hit.get("_routing"),
        seq_no=hit["_seq_no"],
        primary_term=hit["_primary_term"],
        fingerprint=str(value_of(hit.get("_source") or {}, FIELD) or ""),
        held=frozenset(hit.get("matched_queries", ())),
    )


def readable(fields: Mapping[str, str], source: Iterable[str] = ()) -> dict[str, Any]:
    """Return the part of a search that makes its hits readable: all documents, and which vectors each has by name."""
    has = [{"exists": {"field": field, "_name": name}} for name, field in fields.items()]
    return {
        "query": {"bool": {"filter": [{"match_all": {}}], "should": has}},
        "_source": [*source, FIELD],
        "seq_no_primary_term": True,
    }


def vector_names(recipe: "Recipe", note: Mapping[str, Any]) -> list[str]:
    """Return the vector fields that esmm filled in an index: those of its note, and those of the recipe."""
    noted: Iterable[str] = (entry["field"] for entry in note.get("clauses", {}).values())
    return sorted({*noted, *(vector.vector for vector in recipe.vectors().values())})
