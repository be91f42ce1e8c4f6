"""Client time of hybrid requests beside keyword-only ones, encoding left out, on the fashion set (12,000 products)."""

import time
from typing import Any

from benchmarks.common import DATA, FASHION, loaded, percentiles, publish, server, table
from esmm.photos import Photos, decode
from esmm.query.search import Ask, Searcher

ROUNDS, PHOTOS = 3, 20


def main() -> None:
    """Measure and publish."""
    cluster = server()
    recipe, _ = loaded(FASHION, cluster)
    searcher = Searcher(cluster.client, recipe, cluster.can)
    with Photos([DATA / "fashion" / "query_photos.zip"]) as photos:
        pictures = [decode(photos.read(name)) for name in list(FASHION.judged("photo_judgements.tsv"))[:PHOTOS]]
    texts = list(FASHION.judged())
    forms: dict[str, list[dict[str, Any]]] = {
        "keyword alone": [searcher.request(Ask(text), keyword_only=True) for text in texts],
        "keyword + text vector": [searcher.request(Ask(text)) for text in texts],
        "keyword + text vector + photo vector": [
            searcher.request(Ask(text, pictures[number % PHOTOS])) for number, text in enumerate(texts)
        ],
    }
    times: dict[str, list[float]] = {name: [] for name in forms}
    for _ in range(ROUNDS + 1):
        for number in range(len(texts)):
            for name, bodies in forms.items():  # in turn, so that a slow moment slows all forms
                begun = time.perf_counter()
                cluster.client.search(index=recipe.index.name, body=bodies[number], include_named_queries_score=True)
                times[name].append(1000 * (time.perf_counter() - begun))
    kept = {name: percentiles(spent[len(texts) :]) for name, spent in times.items()}  # the first round warms up
    base = kept["keyword alone"][0]
    rows = [[name, f"{p50:.1f}", f"{p50 / base:.2f}", f"{p95:.1f}"] for name, (p50, p95) in kept.items()]
    title = f"Time of a request on 12,000 products, {len(texts)} queries, {ROUNDS} rounds in turn"
    publish("latency", title, [table(("request", "p50, ms", "ratio of p50 to keyword alone", "p95, ms"), rows)])


if __name__ == "__main__":
    main()
