"""What esmm notes in the ``_meta`` of an index: which encoder made each vector field, and what the load measured."""

from typing import TYPE_CHECKING, Any

from esmm import __version__
from esmm.errors import IndexFault

if TYPE_CHECKING:
    from collections.abc import Mapping

    from elasticsearch import Elasticsearch

    from esmm.encoders import EncoderInfo
    from esmm.recipe import Recipe

LOADING, READY = "loading", "ready"
ENRICHED = "enriched"  # the shop's own index, which got vectors: no version of esmm's, never dropped or rolled back to


def new_meta(recipe: "Recipe", encoders: "Mapping[str, EncoderInfo]") -> dict[str, Any]:
    """Return the note for an index that is about to be filled."""
    clauses = {
        clause: {"field": recipe.vectors()[clause].vector, "encoder": encoder.as_meta()}
        for clause, encoder in encoders.items()
    }
    return {"version": __version__, "state": LOADING, "clauses": clauses}


def meta_of(client: "Elasticsearch", index: str) -> dict[str, Any]:
    """Return the note of an index or alias. Raises IndexFault if it does not exist or has no note."""
    note = dict(_whole_meta(client, index).get("esmm") or {})
    if not note:
        raise IndexFault(
            f"{index} was not loaded by esmm",
            "load it: esmm ingest CATALOGUE; an index of your own gets vectors by esmm enrich INDEX",
        )
    return note


def put_meta(client: "Elasticsearch", index: str, note: dict[str, Any] | None) -> None:
    """Replace the note of an index, or take it away; what others keep in its ``_meta`` stays."""
    kept = {name: value for name, value in _whole_meta(client, index).items() if name != "esmm"}
    client.indices.put_mapping(index=index, meta=kept | ({"esmm": note} if note else {}))


def _whole_meta(client: "Elasticsearch", index: str) -> dict[str, Any]:
    answer = client.indices.get_mapping(index=index, filter_path="*.mappings._meta")
    metas: list[dict[str, Any]] = [entry["mappings"]["_meta"] for entry in answer.values()]
    return metas[0] if metas else {}
