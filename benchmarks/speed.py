"""Time and exactness of ``exact`` with three clauses (keyword, text vector, photo vector).

Beside it, in turn: the keyword query alone, top-level knn with boosts, and three requests fused in the client. The
products are those of fashion with their real vectors; for 100,000 each is repeated, its vectors moved by noise of a
third of their length and its title mixed with another's, because no larger set with photos is at hand.
"""

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from PIL.Image import Image

from benchmarks.common import DATA, FASHION, loaded, percentiles, publish, server, table
from esmm.cli.common import Cluster
from esmm.ingest.catalogue import Line, read
from esmm.ingest.documents import pack
from esmm.ingest.index import index_body
from esmm.photos import Photos, decode
from esmm.query.encode import Ask
from esmm.query.search import Searcher
from esmm.recipe import Recipe, Search, parse

SIZES, QUERIES, TOP, WARM = (12_000, 100_000), 60, 10, 10
Json = dict[str, Any]


def stored(cluster: Cluster, recipe: Recipe) -> list[Json]:
    """Return the products of the fashion index with their vectors."""
    fields = [vector.vector for vector in recipe.vectors().values()]
    found, after = list[Json](), None
    while True:
        body: Json = {"query": {"match_all": {}}, "size": 2000, "sort": ["_doc"], "fields": fields}
        body |= {"_source": {"excludes": [*fields, "esmm"]}} | ({"search_after": after} if after else {})
        hits = cluster.client.search(index=recipe.index.name, body=body)["hits"]["hits"]
        if not hits:
            return found
        after = hits[-1]["sort"]
        found += [hit["_source"] | {name: np.array(hit["fields"][name], np.float32) for name in fields} for hit in hits]


def grown(products: Sequence[Json], size: int, fields: Sequence[str]) -> Iterator[Json]:
    """Yield ``size`` products: the real ones first, then moved and mixed copies."""
    rng = np.random.default_rng(7)
    for number in range(size):
        product = dict(products[number % len(products)])
        if number >= len(products):
            other = products[int(rng.integers(len(products)))]
            product["title"] = " ".join(other["title"].split()[:2] + product["title"].split()[1:])
            for name in fields:
                noise = rng.standard_normal(len(product[name])).astype(np.float32)
                moved = product[name] + noise / np.linalg.norm(noise) / 3
                product[name] = moved / np.linalg.norm(moved)
        yield product


def fill(
    cluster: Cluster, recipe: Recipe, products: Sequence[Json], *, name: str, size: int, merged: bool, kind: str
) -> None:
    """Make an index of its own with these products."""
    client, fields = cluster.client, [vector.vector for vector in recipe.vectors().values()]
    client.indices.delete(index=name, ignore_unavailable=True)
    typed = parse(
        recipe.toml.replace("[text]", f'[text]\nindex_type = "{kind}"').replace(
            "[image]", f'[image]\nindex_type = "{kind}"'
        )
    )
    infos = {clause: encoder.info for clause, encoder in loaded(FASHION, cluster)[1].items()}
    client.indices.create(index=name, **index_body(typed, infos))
    batch: list[Any] = []
    for number, product in enumerate(grown(products, size, fields)):
        packed = {key: pack(value) if key in fields else value for key, value in product.items()}
        batch += [{"index": {"_id": str(number)}}, packed]
        if len(batch) >= 1000:
            client.bulk(index=name, operations=batch)
            batch = []
    if batch:
        client.bulk(index=name, operations=batch)
    client.indices.refresh(index=name)
    if merged:
        client.options(request_timeout=1200).indices.forcemerge(index=name, max_num_segments=1)


def forms_of(body: Json) -> dict[str, Callable[[Cluster, str], list[str]]]:
    """Return each way to ask the question of an ``exact`` body."""
    keyword, *knns = body["query"]["bool"]["should"]
    plain = {"query": keyword, "size": TOP, "_source": body["_source"]}
    bare = [{**knn["knn"], "boost": 1.0} for knn in knns]
    parts = [plain | {"size": 100}, *({"knn": knn, "size": 100, "_source": body["_source"]} for knn in bare)]

    def client_fused(cluster: Cluster, name: str) -> list[str]:
        answers = [cluster.client.search(index=name, body=part) for part in parts]
        scores: dict[str, float] = {}
        for answer in answers:
            for hit in answer["hits"]["hits"]:
                scores[hit["_id"]] = scores.get(hit["_id"], 0.0) + hit["_score"]
        return sorted(scores, key=lambda product: -scores[product])[:TOP]

    def one(request: Json) -> Callable[[Cluster, str], list[str]]:
        return lambda cluster, name: _ids(cluster.client.search(index=name, body=request).body)

    return {
        "keyword alone": one(plain),
        "top-level knn with boosts": one(plain | {"knn": bare}),
        "**exact**": one(body),
        "three requests, fused in the client": client_fused,
    }


def times(cluster: Cluster, name: str, bodies: Sequence[Json]) -> dict[str, list[float]]:
    """Return the milliseconds of each form over all questions, taken in turn."""
    spent: dict[str, list[float]] = {}
    for number, body in enumerate([*bodies[:WARM], *bodies]):
        for form, ask in forms_of(body).items():
            begun = time.perf_counter()
            ask(cluster, name)
            if number >= WARM:
                spent.setdefault(form, []).append(1000 * (time.perf_counter() - begun))
    return spent


def overlap(cluster: Cluster, name: str, bodies: Sequence[Json]) -> float:
    """Return the mean share of the first ten that scoring every product gives too."""
    shares = []
    for body in bodies:
        exhaustive = {"query": body["rescore"]["query"]["rescore_query"], "size": TOP, "_source": False}
        everything = set(_ids(cluster.client.search(index=name, body=exhaustive).body))
        shares.append(len(everything & set(_ids(cluster.client.search(index=name, body=body).body))) / TOP)
    return float(np.mean(shares))


def pairs(*, related: bool) -> list[tuple[str, Image]]:
    """Return texts, each with a photo of such a product, or with one that has nothing to do with it."""
    if not related:
        with Photos([DATA / "fashion" / "query_photos.zip"]) as photos:
            pictures = [decode(photos.read(name)) for name in list(FASHION.judged("photo_judgements.tsv"))[:QUERIES]]
        return list(zip(FASHION.judged(), pictures, strict=False))
    products = [line.record for line in read(FASHION.catalogue) if isinstance(line, Line)]
    drawn = np.random.default_rng(7).choice(len(products), QUERIES, replace=False)
    with Photos([DATA / "fashion" / "photos.zip"]) as photos:
        return [
            (f"{p['category'].split(' > ')[-1]} for {p['gender']}", decode(photos.read(p["image"])))
            for p in (products[number] for number in drawn)
        ]


def questions(
    cluster: Cluster, recipe: Recipe, weights: Mapping[str, float], limits: Mapping[str, int], *, related: bool = True
) -> list[Json]:
    """Return the requests of texts with a photo each, under some limits."""
    tried = recipe.model_copy(update={"search": Search(**{**recipe.search.model_dump(), **limits})})
    searcher = _searcher(cluster, recipe)
    searcher._recipe, searcher.fusion = tried, replace(searcher.fusion, weights=weights)
    return [searcher.request(Ask(text, photo)) for text, photo in pairs(related=related)]


_SEARCHERS: dict[str, Searcher] = {}


def _searcher(cluster: Cluster, recipe: Recipe) -> Searcher:
    """Return one searcher for all questions, so that each is encoded once."""
    return _SEARCHERS.setdefault(recipe.index.name, Searcher(cluster.client, recipe, cluster.can))


def _ids(answer: Mapping[str, Any]) -> list[str]:
    return [hit["_id"] for hit in answer["hits"]["hits"]]


def speed_rows(cluster: Cluster, recipe: Recipe, products: Sequence[Json]) -> list[list[str]]:
    """Return the times at each size, merged and not."""
    rows = []
    bodies = questions(cluster, recipe, recipe.fusion.model_dump(exclude={"saturation"}), {})
    for size in SIZES:
        for merged in (False, True):
            name = f"bench-speed-{size}"
            if not merged:
                fill(cluster, recipe, products, name=name, size=size, merged=False, kind="int8_hnsw")
            else:
                cluster.client.options(request_timeout=1200).indices.forcemerge(index=name, max_num_segments=1)
            spent = {form: percentiles(values) for form, values in times(cluster, name, bodies).items()}
            base = spent["keyword alone"][0]
            label = f"{size:,}, {'merged' if merged else 'as loaded'}"
            rows += [[label, f, f"{p50:.1f}", f"{p50 / base:.2f}", f"{p95:.1f}"] for f, (p50, p95) in spent.items()]
            print(label, spent, file=sys.stderr)
    return rows


def setting_rows(cluster: Cluster, recipe: Recipe, products: Sequence[Json]) -> list[list[str]]:
    """Return overlap and time at 12,000 products for several limits and quantisations; vectors weigh five times."""
    weights = {"keyword": 1.0, "text": 5.0, "image": 5.0}
    tried = [
        ("int8_hnsw", {"k": 20, "num_candidates": 40, "depth": 100, "window": 140}),
        ("int8_hnsw", {"k": 50, "num_candidates": 100, "depth": 200, "window": 300}),
        ("int8_hnsw", {}),
        ("int8_hnsw", {"k": 200, "num_candidates": 400, "depth": 400, "window": 1000}),
        ("hnsw", {}), ("int4_hnsw", {}), ("bbq_hnsw", {}),
    ]  # fmt: skip
    rows, made = list[list[str]](), ""
    for kind, limits in tried:
        if kind != made:
            fill(cluster, recipe, products, name="bench-kind", size=len(products), merged=True, kind=kind)
            made = kind
        bodies = questions(cluster, recipe, weights, limits)
        p50, p95 = percentiles(times(cluster, "bench-kind", bodies)["**exact**"])
        s = Search(**{**recipe.search.model_dump(), **limits})
        strangers = questions(cluster, recipe, weights, limits, related=False)
        shares = [overlap(cluster, "bench-kind", asked) for asked in (bodies, strangers)]
        cells = [f"{s.k}, {s.num_candidates}, {s.window}", *(f"{share:.3f}" for share in shares)]
        mark = "**" if kind == "int8_hnsw" and not limits else ""
        rows.append([f"{mark}{kind}{mark}", *cells, f"{p50:.1f}", f"{p95:.1f}"])
        print(rows[-1], file=sys.stderr)
    return rows


def main() -> None:
    """Measure and publish."""
    cluster = server()
    recipe, _ = loaded(FASHION, cluster)
    products = stored(cluster, recipe)
    header = ("products", "request", "p50, ms", "ratio of p50 to keyword alone", "p95, ms")
    speed = table(header, speed_rows(cluster, recipe, products))
    settings = table(
        (
            "index type",
            "k, num_candidates, window",
            "overlap@10 with scoring every product",
            "the same, text and photo unrelated",
            "p50, ms",
            "p95, ms",
        ),
        setting_rows(cluster, recipe, products),
    )
    publish(
        "speed",
        f"Three clauses, {QUERIES} questions of a text and a photo, in turn",
        [speed, settings],
        notes=(
            "In the second table both vectors weigh five times the keyword, on 12,000 merged products; the defaults "
            "are bold. A question is the kind of a product with its photo, or, in the last overlap, a text with the "
            "photo of something else. The larger set repeats the real products with moved vectors."
        ),
    )
    for name in ("bench-kind", *(f"bench-speed-{size}" for size in SIZES)):
        cluster.client.indices.delete(index=name, ignore_unavailable=True)


if __name__ == "__main__":
    main()
