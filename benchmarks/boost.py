"""How well the strategy boost reproduces the order of exact, and whether other boosts would do better.

A factor on the boosts of the vectors is fitted on half of the queries and measured on the other half. ``within the
keyword`` adds a second knn search to each vector, over the keyword's matches alone, so that a keyword hit which is
none of the k neighbours gets its nearness too; the greater of both scores counts. No constant factor serves both
sets, so the default stays 1. The second search gains on both, at the price of one more knn a vector: not the default.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.common import ESCI, FASHION, DataSet, cell, loaded, publish, server, table
from esmm.cli.common import Cluster
from esmm.query.clauses import keyword_query
from esmm.query.search import Ask, Searcher
from esmm.query.upgrade import Options
from esmm.recipe import Recipe

FACTORS = (0.1, 0.25, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 4.0)
WEIGHTS = (0.1, 0.5, 1.0)
WITHIN_K = 200
Json = dict[str, Any]


def bodies(recipe: Recipe, searcher: Searcher, texts: Sequence[str]) -> dict[str, tuple[Json, Json]]:
    """Return the bodies of exact and of boost for each text."""
    made = {}
    for text in texts:
        plain = {"query": keyword_query(recipe, text, []), "size": 10, "_source": False}
        exact, boost = (searcher.upgrade(plain, Ask(text), Options(strategy=name)).body for name in ("exact", "boost"))
        made[text] = exact, boost
    return made


def scaled(body: Json, factor: float, *, within: bool) -> Json:
    """Return the body of boost with the vectors' boosts times a factor, perhaps with a search within the keyword."""
    body = copy.deepcopy(body)
    keyword, *knns = body["query"]["bool"]["should"]
    for clause in knns:
        clause["knn"]["boost"] *= factor
    if within:
        knns = [{"dis_max": {"queries": [clause, _within(clause, keyword)]}} for clause in knns]
    body["query"]["bool"]["should"] = [keyword, *knns]
    return body


def _within(clause: Json, keyword: Json) -> Json:
    return {"knn": {**clause["knn"], "filter": keyword["bool"]["must"], "k": WITHIN_K, "num_candidates": 2 * WITHIN_K}}


def found(cluster: Cluster, index: str, asked: Sequence[Json]) -> list[set[str]]:
    """Return the ids of the first ten hits of each body."""
    answers = cluster.client.msearch(index=index, searches=[line for body in asked for line in ({}, body)])
    return [{hit["_id"] for hit in answer["hits"]["hits"]} for answer in answers["responses"]]


def overlaps(cluster: Cluster, index: str, made: Mapping[str, tuple[Json, Json]], *, within: bool) -> np.ndarray:
    """Return overlap@10 with exact by factor and query."""
    exact = found(cluster, index, [one for one, _ in made.values()])
    rows = []
    for factor in FACTORS:
        boosted = found(cluster, index, [scaled(body, factor, within=within) for _, body in made.values()])
        rows.append([len(one & other) / max(1, len(one)) for one, other in zip(exact, boosted, strict=True)])
    return np.array(rows)


def compare(data: DataSet, cluster: Cluster) -> list[list[str]]:
    """Return a row for each weight of the text vector: boosts as they are, the fitted factor, within the keyword."""
    recipe, _ = loaded(data, cluster)
    searcher, texts = Searcher(cluster.client, recipe, cluster.can), list(data.judged("judgements.tsv"))
    untuned, rows = searcher.fusion, []
    for weight in WEIGHTS:
        searcher.fusion = replace(untuned, weights={**untuned.weights, "text": weight})
        made = bodies(recipe, searcher, texts)
        cells = [data.name, f"{weight:g}"]
        measured = [overlaps(cluster, recipe.index.name, made, within=within) for within in (False, True)]
        for values in measured:
            fitted, tested = values[:, ::2], values[:, 1::2]
            best = int(fitted.mean(axis=1).argmax())
            cells += [cell(tested[FACTORS.index(1.0)]), f"{FACTORS[best]:g}: {cell(tested[best])}"]
        gain = measured[1][FACTORS.index(1.0)] - measured[0][FACTORS.index(1.0)]
        rows.append([*cells, cell(gain, "+")])
    return rows


def main() -> None:
    """Measure and publish."""
    cluster = server()
    rows = [row for data in (ESCI, FASHION) for row in compare(data, cluster)]
    header = (
        "set", "weight of text", "boost", "with the fitted factor", "within the keyword", "and the fitted factor",
        "gain of within, all queries [paired]",
    )  # fmt: skip
    publish(
        "boost",
        "Overlap@10 of the strategy boost with exact, on the half of the queries that nothing was fitted on [95 %]",
        [table(header, rows)],
        notes=__doc__.split("\n\n", 1)[1].strip(),
    )


if __name__ == "__main__":
    main()
