"""The titles of some products of an index, drawn at random."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

    from esmm.recipe import Recipe


def drawn_titles(client: "Elasticsearch", recipe: "Recipe", *, index: str, count: int) -> list[str]:
    """Return what ``count`` products have in the heaviest field of the keyword query; the same ones every time."""
    title = recipe.heaviest
    drawn = {"function_score": {"query": {"exists": {"field": title}}, "random_score": {"seed": 7, "field": "_seq_no"}}}
    answer = client.search(index=index, query=drawn, size=count, source={"includes": [title]})
    return [str(hit["_source"].get(title, "")) for hit in answer["hits"]["hits"]]
