"""The clauses that a recipe declares beside the keyword query and the vectors: fields, phrases, numbers, dates."""

from typing import TYPE_CHECKING, Any

from esmm.query.clauses import QueryClause, shortened

if TYPE_CHECKING:
    from esmm.recipe import DeclaredClause, Recipe

Json = dict[str, Any]


def declared_clauses(recipe: "Recipe", text: str | None) -> list[QueryClause]:
    """Return the declared clauses of a question; without words, those that look for words match nothing."""
    return [QueryClause(name, _query(declared, shortened(text or ""))) for name, declared in recipe.clauses.items()]


def _query(declared: "DeclaredClause", text: str) -> Json:
    if declared.match:
        return {"multi_match": {"query": text, "fields": list(declared.match), "type": "most_fields"}}
    if declared.phrase:
        return {"match_phrase": {declared.phrase: {"query": text, "slop": declared.slop}}}
    name = declared.number or declared.date
    there: Json = {"exists": {"field": name}}
    function: Json = {"exp": {name: {"origin": "now", "scale": declared.half_life, "decay": 0.5}}}
    if declared.number:
        # Elasticsearch ends the whole search at a score below 0.
        there = {"bool": {"filter": [there], "must_not": [{"range": {name: {"lt": 0}}}]}}
        function = {"field_value_factor": {"field": name, "missing": 0}}
    # Multiplied, not replaced: a boost around a function_score reaches only the query inside it.
    once = {"constant_score": {"filter": there}}
    return {"function_score": {"query": once, "functions": [function], "boost_mode": "multiply"}}
