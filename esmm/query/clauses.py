"""Clauses: the sources of evidence of a search, each named once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from esmm.errors import QueryError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from esmm.recipe import Form, Recipe

# A pasted page is cut here: Elasticsearch limits the clauses of a query, and more words never helped a search. Letters
# count too, because some writing has no spaces, and every letter of it is a clause.
MAX_WORDS, MAX_LETTERS = 100, 2000
# Seven decimals keep a cosine exact to 1e-6, and a request short.
_DECIMALS = 7


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


@dataclass(frozen=True)
class QueryClause:
    """More evidence by a query of its own: it scores candidates and adds none. Its raw score is the query's."""

    name: str
    query: Json


Clause = VectorClause | QueryClause


def rounded(vector: "NDArray[Any]") -> tuple[float, ...]:
    """Return a query vector as a request holds it."""
    return tuple(round(number, _DECIMALS) for number in vector.tolist())


def keyword_query(recipe: "Recipe", text: str, filters: Sequence[Json]) -> Json:
    """Return the keyword query that esmm writes where the shop has none.

    The filters sit inside it, as they do in a shop's own query. An empty text matches nothing: so a request has the
    same form with and without words, which a stored template needs.
    """
    query = form_query(recipe, text, recipe.search.form)
    return {"bool": {"must": [query], "filter": list(filters)}} if filters else query


def form_query(recipe: "Recipe", text: str, form: "Form") -> Json:
    """Return a keyword query in one of the forms that ``search.form`` of a recipe can have."""
    operator = recipe.search.operator
    match: Json = {"query": shortened(text), "fields": searched_fields(recipe), "operator": operator}
    return {form: match} if form == "combined_fields" else {"multi_match": {**match, "type": form}}


def searched_fields(recipe: "Recipe") -> list[str]:
    """Return the fields of the keyword query with their boosts, as Elasticsearch writes them."""
    return [f"{name}^{boost:g}" for name, boost in recipe.searched().items()]


def shortened(text: str) -> str:
    """Return a text as far as a keyword query takes it; one within the limits stays as it is."""
    words = text.split()
    if len(words) <= MAX_WORDS and len(text) <= MAX_LETTERS:
        return text
    return " ".join(words[:MAX_WORDS])[:MAX_LETTERS]


def filters_of(recipe: "Recipe", wanted: Mapping[str, Sequence[str]]) -> list[Json]:
    """Turn ``gender=Men`` pairs into term filters; several values of one field mean any of them.

    Raises QueryError that names the fields which can be filtered.
    """
    facets = recipe.facets()
    unknown = [name for name in wanted if name not in facets]
    if unknown:
        raise QueryError(
            f"cannot filter by {', '.join(unknown)}{_meant(unknown, facets)}",
            f"fields that can be filtered: {', '.join(facets) or 'none'}",
        )
    return [{"terms": {facets[name]: list(values)}} for name, values in wanted.items()]


def _meant(unknown: Sequence[str], facets: Mapping[str, str]) -> str:
    from difflib import get_close_matches

    close = [match for name in unknown for match in get_close_matches(name, facets, n=1)]
    return f" (did you mean {', '.join(close)}?)" if close else ""
