"""Photo queries against photo vectors of mobilenet_v2, as its ImageNet weights come: nothing is trained."""

import numpy as np

from benchmarks.common import DATA, FASHION, GROCERY, DataSet, interval, loaded, ndcg, publish, server, table
from esmm.cli.common import Cluster
from esmm.photos import Photos, decode
from esmm.query.search import Ask, Searcher


def runs(data: DataSet, cluster: Cluster) -> dict[str, list[str]]:
    """Return the products found for each query photo."""
    recipe, _ = loaded(data, cluster)
    searcher = Searcher(cluster.client, recipe, cluster.can)
    with Photos([DATA / data.name / "query_photos.zip"]) as photos:
        names = list(data.judged("photo_judgements.tsv"))
        found = {name: searcher.search(Ask(photo=decode(photos.read(name)), size=50)).hits for name in names}
    return {name: [hit.id for hit in hits] for name, hits in found.items()}


def recall(found: dict[str, list[str]], data: DataSet, k: int) -> np.ndarray:
    """Return for each photo whether its product is among the first k."""
    gains = data.judged("photo_judgements.tsv")
    return np.array([float(bool(set(found[name][:k]) & set(gains[name]))) for name in gains])


def main() -> None:
    """Measure and publish."""
    cluster = server()
    fashion, grocery = runs(FASHION, cluster), runs(GROCERY, cluster)
    measures = {
        "fashion, 150 photos: nDCG@10 of products that look alike": ndcg(
            fashion, FASHION.judged("photo_judgements.tsv")
        ),
        "grocery, 700 photos from shops: Recall@1 of the product": recall(grocery, GROCERY, 1),
        "grocery, 700 photos from shops: Recall@5 of the product": recall(grocery, GROCERY, 5),
    }
    rows = []
    for name, values in measures.items():
        low, high = interval(values)
        rows.append([name, f"{values.mean():.3f} [{low:.3f}, {high:.3f}]"])
    publish(
        "photos",
        "Photo finds photo, mobilenet_v2 as it comes",
        [table(("measure", "value [95 %]"), rows)],
        notes=("The judgements of fashion are made from attributes (weak labels); those of grocery are human."),
    )


if __name__ == "__main__":
    main()
