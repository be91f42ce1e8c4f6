"""What the weight of the text vector does to nDCG@10: the table behind the untuned default."""

from dataclasses import replace

from benchmarks.common import ESCI, FASHION, DataSet, interval, loaded, ndcg, publish, server, table
from esmm.cli.common import Cluster
from esmm.query.search import Ask, Searcher
from esmm.recipe import FusionWeights

WEIGHTS = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0)


def sweep(data: DataSet, cluster: Cluster) -> dict[float, str]:
    """Return nDCG@10 and its difference to weight 0 (keyword alone), by weight."""
    recipe, _ = loaded(data, cluster)
    searcher, gains = Searcher(cluster.client, recipe, cluster.can), data.judged("judgements.tsv")
    untuned, values = searcher.fusion, {}
    for weight in WEIGHTS:
        searcher.fusion = replace(untuned, weights={**untuned.weights, "text": weight})
        found = {query: [hit.id for hit in searcher.search(Ask(query, size=50)).hits] for query in gains}
        values[weight] = ndcg(found, gains)
    cells = {}
    for weight, measured in values.items():
        difference = measured - values[0.0]
        low, high = interval(difference)
        cells[weight] = f"{measured.mean():.3f}" + (
            f" ({difference.mean():+.3f} [{low:+.3f}, {high:+.3f}])" if weight else ""
        )
    return cells


def main() -> None:
    """Measure and publish."""
    cluster = server()
    columns = {data.name: sweep(data, cluster) for data in (ESCI, FASHION)}
    default = FusionWeights().text
    rows = [
        [
            f"**{weight}** (default)" if weight == default else str(weight),
            *(cells[weight] for cells in columns.values()),
        ]
        for weight in WEIGHTS
    ]
    title = "nDCG@10 by weight of the text vector, and the difference to weight 0 [paired 95 %]"
    publish("weights", title, [table(("weight", *columns), rows)])


if __name__ == "__main__":
    main()
