"""Find the saturation constant of the keyword clause: the score at which s / (s + k) is one half.

It belongs to the keyword query and the index: the median score at rank 10 over queries that find something. Where
there is no query log yet, parts of the products' own titles stand in for one.
"""

from statistics import median
from typing import TYPE_CHECKING

from esmm.query.clauses import keyword_query

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

    from esmm.recipe import Recipe

_QUERIES, _WORDS, _RANK = 60, 3, 10


def measure_saturation(client: "Elasticsearch", index: str, recipe: "Recipe") -> float | None:
    """Return the median score at rank 10 of queries made from the index's own titles, or None if none finds anything.

    The queries are the first words of products drawn with a fixed seed, so the same load gives the same constant.
    """
    scores = [
        score
        for query in _title_queries(client, index, recipe)
        if (score := _score_at_rank(client, index, recipe, query)) is not None
    ]
    return round(median(scores), 4) if scores else None


def _title_queries(client: "Elasticsearch", index: str, recipe: "Recipe") -> list[str]:
    heaviest = max(recipe.searched(), key=lambda name: recipe.searched()[name])
    drawn = {
        "function_score": {"query": {"exists": {"field": heaviest}}, "random_score": {"seed": 7, "field": "_seq_no"}}
    }
    hits = client.search(index=index, query=drawn, size=_QUERIES, source={"includes": [heaviest]})["hits"]["hits"]
    titles = [str(hit["_source"].get(heaviest, "")).split() for hit in hits]
    return [" ".join(words[-_WORDS:]) for words in titles if words]


def _score_at_rank(client: "Elasticsearch", index: str, recipe: "Recipe", text: str) -> float | None:
    hits = client.search(index=index, query=keyword_query(recipe, text, []), size=_RANK, source=False)["hits"]["hits"]
    return float(hits[-1]["_score"]) if hits else None
