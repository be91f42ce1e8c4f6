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


def new_meta(recipe: "Recipe", encoders: "Mapping[str, EncoderInfo]") -> dict[str, Any]:
    """Return the note for an index that is about to be filled."""
    clauses = {
        clause: {"field": recipe.vectors()[clause].vector, "encoder": encoder.as_meta()}
        for clause, encoder in encoders.items()
    }
    return {"version": __version__, "state": LOADING, "clauses": clauses}


def meta_of(client: "Elasticsearch", index: str) -> dict[str, Any]:
    """Return the note of an index or alias. Raises IndexFault if it does not exist or esmm did not make it."""
    answer = client.indices.get_mapping(index=index, filter_path="*.mappings._meta")
    metas = [entry["mappings"]["_meta"].get("esmm") for entry in answer.values()]
    if not metas or not metas[0]:
        raise IndexFault(f"{index} was not loaded by esmm", "load it: esmm ingest CATALOGUE")
    return dict(metas[0])


def put_meta(client: "Elasticsearch", index: str, meta: dict[str, Any]) -> None:
    """Replace the note of an index."""
    client.indices.put_mapping(index=index, meta={"esmm": meta})
