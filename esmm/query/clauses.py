"""Clauses: the sources of evidence of a search, each named once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from esmm.errors import QueryError

if TYPE_CHECKING:
    from esmm.recipe import Recipe

# A pasted page is cut here: Elasticsearch limits the clauses of a query, and more words never helped a search.
MAX_WORDS = 100


Json = dict[str, Any]


@dataclass(frozen=True)
class VectorClause:
    """Nearness of a vector field to a query vector.

    A ``vector`` that is a text is a placeholder, for printing. ``floor`` is the cosine below which a product is no
    neighbour. ``away`` turns nearness round: the farther the better, and it adds no candidates. ``k``,
    ``num_candidates`` and ``filters`` are those of a knn clause that the caller brought; ours come from the recipe.
    """

    name: str
    field: str
    vector: Sequence[float] | str
    floor: float | None = None
    away: bool = False
    k: int | None = None
    num_candidates: int | None = None
    filters: tuple[Json, ...] = ()


def keyword_query(recipe: "Recipe", text: str | None, filters: Sequence[Json]) -> Json | None:
    """Return the keyword query that esmm writes where the shop has none; None without a text.

    The filters sit inside it, as they do in a shop's own query.
    """
    if not text:
        return None
    fields = [f"{name}^{boost:g}" for name, boost in recipe.searched().items()]
    words = " ".join(text.split()[:MAX_WORDS])
    form, operator = recipe.search.form, recipe.search.operator
    match: Json = {"query": words, "fields": fields, "operator": operator}
    query: Json = {form: match} if form == "combined_fields" else {"multi_match": {**match, "type": form}}
    return {"bool": {"must": [query], "filter": list(filters)}} if filters else query


def filters_of(recipe: "Recipe", wanted: Mapping[str, Sequence[str]]) -> list[Json]:
    """Turn ``gender=Men`` pairs into term filters; several values of one field mean any of them.

    Raises QueryError that names the fields which can be filtered.
    """
    facets = recipe.facets()
    unknown = [name for name in wanted if name not in facets]
    if unknown:
        raise QueryError(
            f"cannot filter by {', '.join(unknown)}", f"fields that can be filtered: {', '.join(facets) or 'none'}"
        )
    return [{"terms": {facets[name]: list(values)}} for name, values in wanted.items()]
