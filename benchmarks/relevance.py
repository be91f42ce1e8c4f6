"""nDCG@10 of keyword search, text vectors, RRF and esmm's untuned fusion, on judged queries.

Everything runs through the requests that users send; only RRF is fused here (the retriever needs a licence).
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from elasticsearch import Elasticsearch

from benchmarks.common import ESCI, FASHION, DataSet, interval, loaded, ndcg, publish, server, table
from esmm.cli.common import Cluster
from esmm.query.clauses import form_query
from esmm.query.search import Ask, Searcher
from esmm.recipe import FORMS, Form, Recipe

DEPTH = 200
System = Callable[[str], Sequence[str]]


def keyword(client: Elasticsearch, recipe: Recipe, form: Form) -> System:
    """Return keyword search in one of its forms, over the fields and boosts of the recipe."""

    def run(text: str) -> list[str]:
        query = form_query(recipe, text, form)
        return _ids(client.search(index=recipe.index.name, query=query, size=DEPTH, source=False).body)

    return run


def vectors(client: Elasticsearch, recipe: Recipe, encode: Callable[[str], list[float]]) -> System:
    """Return nearest text vectors alone."""
    assert recipe.text
    field = recipe.text.vector

    def run(text: str) -> list[str]:
        knn = {"field": field, "query_vector": encode(text), "k": DEPTH, "num_candidates": 1000}
        return _ids(client.search(index=recipe.index.name, knn=knn, size=DEPTH, source=False).body)

    return run


def rrf(systems: Sequence[System], *, constant: int = 60) -> System:
    """Return reciprocal rank fusion (Cormack et al. 2009) of systems, each DEPTH deep."""

    def run(text: str) -> list[str]:
        scores: dict[str, float] = {}
        for system in systems:
            for rank, product in enumerate(system(text), start=1):
                scores[product] = scores.get(product, 0.0) + 1 / (constant + rank)
        return sorted(scores, key=lambda product: -scores[product])

    return run


def systems_of(
    cluster: Cluster, recipe: Recipe, searcher: Searcher, encoder: Callable[[str], list[float]]
) -> dict[str, System]:
    """Return all systems to compare, by name."""
    forms = {f"keyword, {form}": keyword(cluster.client, recipe, form) for form in FORMS}
    near = vectors(cluster.client, recipe, encoder)
    return {
        **forms,
        "text vectors alone": near,
        "RRF of combined_fields and text vectors": rrf([forms["keyword, combined_fields"], near]),
        "esmm, untuned": lambda text: [hit.id for hit in searcher.search(Ask(text, size=100)).hits],
    }


def compare(data: DataSet, cluster: Cluster) -> list[list[str]]:
    """Return a table's rows: each system's nDCG@10 with its interval, and its difference to the best keyword form."""
    recipe, encoders = loaded(data, cluster)
    gains = data.judged("judgements.tsv")
    searcher = Searcher(cluster.client, recipe, cluster.can)
    memory: dict[str, list[float]] = {}

    def encode(text: str) -> list[float]:
        if text not in memory:
            memory[text] = encoders["text"].encode([text])[0].tolist()
        return memory[text]

    systems = systems_of(cluster, recipe, searcher, encode)
    values = {name: ndcg({q: system(q) for q in gains}, gains) for name, system in systems.items()}
    best = max((name for name in values if name.startswith("keyword")), key=lambda name: values[name].mean())
    return [_row(f"{data.name} ({len(gains)})", name, values, best) for name in values]


def _row(label: str, name: str, values: Mapping[str, np.ndarray], best: str) -> list[str]:
    low, high = interval(values[name])
    cells = [
        label,
        name + (" (strongest form)" if name == best else ""),
        f"{values[name].mean():.3f} [{low:.3f}, {high:.3f}]",
    ]
    if name == best:
        return [*cells, ""]
    difference = values[name] - values[best]
    low, high = interval(difference)
    return [*cells, f"{difference.mean():+.3f} [{low:+.3f}, {high:+.3f}]"]


def _ids(answer: Mapping[str, Mapping[str, Sequence[Mapping[str, str]]]]) -> list[str]:
    return [hit["_id"] for hit in answer["hits"]["hits"]]


def main() -> None:
    """Measure and publish."""
    cluster = server()
    rows = [row for data in (ESCI, FASHION) for row in compare(data, cluster)]
    header = ("set (queries)", "system", "nDCG@10 [95 %]", "difference to the strongest keyword form [paired 95 %]")
    publish(
        "relevance",
        "Relevance, nothing tuned",
        [table(header, rows)],
        notes=(
            "Products that nobody judged count 0. The judgements of esci are human; those of fashion are made from "
            "attributes (colour, type, gender) that the catalogue leaves out, so they are weak labels."
        ),
    )


if __name__ == "__main__":
    main()
