"""What many products cost: load rate, disk, memory, time of a search, for int8_hnsw and bbq_hnsw.

The vectors are made up (two fields of 384 dims, in 2,000 clusters), the texts are those of esci, recombined. A node of
its own with a heap of 2 GB (``ESMM_HEAP``) is started and removed again; client and node share the machine's cores.
``python -m benchmarks.scale 10000 100000`` measures these sizes only; each index grows from one to the next.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from benchmarks.common import ESCI, HERE, percentiles, publish, table
from benchmarks.scale_plot import plot
from esmm import node
from esmm.cli.common import Cluster, open_cluster
from esmm.cluster import connection
from esmm.encoders.digest import DigestEncoder
from esmm.ingest.catalogue import Line, read
from esmm.ingest.documents import pack
from esmm.ingest.index import index_body
from esmm.query.calibrate import measure_saturation
from esmm.query.clauses import VectorClause
from esmm.query.encode import Ask
from esmm.query.fusion import Fusion, untuned_fusion
from esmm.query.search import plain_request
from esmm.query.upgrade import Options, upgrade_body
from esmm.recipe import Recipe, parse

SIZES, MERGED_UP_TO = (10_000, 100_000, 1_000_000), 100_000
KINDS = ("int8_hnsw", "bbq_hnsw")
DIMS, CLUSTERS, SPREAD = 384, 2_000, 0.75  # SPREAD: the length of the noise around a centre of length 1
BULK, SENDERS, QUERIES, WARM = 500, 2, 100, 20
FORMS = ("keyword", "exact", "boost")
WEIGHTS = {"keyword": 1.0, "text": 5.0, "image": 5.0}  # a neighbour that was not found shows in the overlap
RECIPE = """
[index]
name = "bench-scale-{kind}"
[fields]
title = {{ type = "text", boost = 5, embed = 1 }}
brand = {{ type = "text", boost = 3, facet = true }}
color = {{ type = "text", boost = 2, facet = true }}
bullet_points = {{ type = "text" }}
rating = {{ type = "double" }}
image = {{ type = "photo" }}
[text]
model = "digest-{dims}"
index_type = "{kind}"
[image]
model = "digest-{dims}"
index_type = "{kind}"
"""
Json = dict[str, Any]
Matrix = np.ndarray


@dataclass(frozen=True)
class Row:
    """What was measured of one index at one size; ``times`` are p50 and p95 by form, in milliseconds.

    ``rate`` is in products a second, ``settle`` and ``merge`` in seconds, ``disk`` and ``vectors`` (what the vectors
    want of the page cache, without the floats that only scores read) in bytes a product, ``heap`` in MB after a
    garbage collection.
    """

    kind: str
    size: int
    merged: bool
    segments: int
    rate: float
    settle: float
    merge: float
    disk: float
    vectors: float
    heap: float | None
    overlap: float
    times: dict[str, tuple[float, float]]


class MadeUp:
    """Products without end: recombined texts, clustered vectors; the same for the same number."""

    def __init__(self) -> None:
        self._real = [line.record for line in read(ESCI.catalogue) if isinstance(line, Line)]
        self._centres = _unit(np.random.default_rng(7).standard_normal((2, CLUSTERS, DIMS)).astype(np.float32))

    def documents(self, start: int, stop: int) -> bytes:
        """Return the bulk lines of some products; both vectors of a product lie in clusters of one number."""
        rng = np.random.default_rng((7, start))
        picked = rng.integers(len(self._real), size=(stop - start, 3))
        vectors = self.vectors(rng, rng.integers(CLUSTERS, size=stop - start))
        return b"".join(self._lines(start + row, picked[row], vectors[:, row]) for row in range(stop - start))

    def vectors(self, rng: np.random.Generator, clusters: np.ndarray) -> Matrix:
        """Return vectors of length 1 around the centres of these clusters, shape (2, clusters, DIMS)."""
        noise = _unit(rng.standard_normal((2, len(clusters), DIMS), dtype=np.float32))
        return _unit(self._centres[:, clusters] + SPREAD * noise)

    def _lines(self, number: int, picked: Sequence[int], vectors: Matrix) -> bytes:
        one, two, three = (self._real[place] for place in picked)
        words, others = one["title"].split(), two["title"].split()
        product = {
            "title": " ".join([*words[: len(words) // 2 + 1], *others[len(others) // 2 :]]),
            "brand": two["brand"],
            "color": three["color"],
            "bullet_points": three["bullet_points"],
            "rating": one["rating"],
            "text_vector": pack(vectors[0]),
            "image_vector": pack(vectors[1]),
        }
        return orjson.dumps({"index": {"_id": str(number)}}) + b"\n" + orjson.dumps(product) + b"\n"


def _unit(vectors: Matrix) -> Matrix:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True))


@contextmanager
def own_node() -> Iterator[Cluster]:
    """Start a node with a heap of 2 GB, and remove it with its data afterwards."""
    os.environ.setdefault("ESMM_HEAP", "2g")
    folder = Path(tempfile.gettempdir()) / f"esmm-scale-{os.getpid()}"
    try:
        yield open_cluster(connection(url=node.up(data=folder).url))
    finally:
        node.down(data=folder)
        shutil.rmtree(folder, ignore_errors=True)


def grow(cluster: Cluster, name: str, made: MadeUp, sizes: tuple[int, int]) -> float:
    """Load the products from one size to the next; return products a second until a refresh shows them."""
    begun = time.perf_counter()
    with ThreadPoolExecutor(SENDERS) as pool:
        flying = []
        for start in range(sizes[0], sizes[1], BULK):
            lines = made.documents(start, min(start + BULK, sizes[1]))
            flying.append(pool.submit(_send, cluster, name, lines))
            if len(flying) > SENDERS:
                flying.pop(0).result()
        for future in flying:
            future.result()
    cluster.client.options(request_timeout=600).indices.refresh(index=name)
    return (sizes[1] - sizes[0]) / (time.perf_counter() - begun)


def _send(cluster: Cluster, name: str, lines: bytes) -> None:
    client = cluster.client.options(request_timeout=600)
    answer = client.bulk(index=name, operations=[lines], filter_path="errors")  # type: ignore[list-item]
    if answer["errors"]:
        raise SystemExit(f"{name}: the server refused a document")


def settled(cluster: Cluster, name: str) -> float:
    """Wait until no merge runs; return the seconds that this took."""
    begun = time.perf_counter()
    cluster.client.options(request_timeout=600).indices.flush(index=name)
    while cluster.client.indices.stats(index=name, metric="merge")["_all"]["primaries"]["merges"]["current"]:
        time.sleep(0.5)
    return time.perf_counter() - begun


def merge(cluster: Cluster, name: str) -> float:
    """Merge an index into one segment; return the seconds that this took."""
    begun = time.perf_counter()
    cluster.client.options(request_timeout=7200).indices.forcemerge(index=name, max_num_segments=1)
    return time.perf_counter() - begun


def sizes_of(cluster: Cluster, name: str) -> dict[str, float]:
    """Return segments, bytes on disk and bytes that quantised vectors and graphs want of the page cache."""
    metric = ["store", "segments", "dense_vector", "docs"]
    found = cluster.client.indices.stats(index=name, metric=metric)["_all"]["primaries"]
    held = found["dense_vector"].get("off_heap", {})
    parts = ("total_veq_size_bytes", "total_veb_size_bytes", "total_vex_size_bytes")
    count = found["docs"]["count"]
    disk, vectors = found["store"]["size_in_bytes"], sum(held.get(part, 0) for part in parts)
    return {"segments": found["segments"]["count"], "disk": disk / count, "vectors": vectors / count}


def heap(cluster: Cluster) -> float | None:
    """Return the megabytes of heap in use after a garbage collection; None where jcmd is missing."""
    jvm = next(iter(cluster.client.nodes.info(metric="process")["nodes"].values()))["process"]["id"]
    if not shutil.which("jcmd"):
        return None
    subprocess.run(["jcmd", str(jvm), "GC.run"], capture_output=True, check=True)
    time.sleep(2)  # the node looks at its heap once a second
    stats = next(iter(cluster.client.nodes.stats(metric="jvm")["nodes"].values()))
    return float(stats["jvm"]["mem"]["heap_used_in_bytes"]) / 1e6


def requests(cluster: Cluster, recipe: Recipe, made: MadeUp) -> list[dict[str, Json]]:
    """Return each question in every form: real words, and made-up vectors near those of products."""
    untuned = untuned_fusion(recipe, measure_saturation(cluster.client, recipe.index.name, recipe))
    fusion = replace(untuned, weights=WEIGHTS)
    rng, words = np.random.default_rng(8), list(ESCI.judged())
    vectors = made.vectors(rng, rng.integers(CLUSTERS, size=QUERIES))
    return [
        _forms(cluster, recipe, fusion, words[number % len(words)], vectors[:, number]) for number in range(QUERIES)
    ]


def _forms(cluster: Cluster, recipe: Recipe, fusion: Fusion, words: str, vectors: Matrix) -> dict[str, Json]:
    plain = plain_request(recipe, Ask(words))
    clauses = [
        VectorClause(clause, field.vector, vector.tolist())
        for (clause, field), vector in zip(recipe.vectors().items(), vectors, strict=True)
    ]
    bodies: dict[str, Json] = {"keyword": plain}
    for strategy in ("exact", "boost"):
        wish = Options.checked(strategy=strategy)
        bodies[strategy] = upgrade_body(
            plain, clauses, fusion, limits=recipe.search, can=cluster.can, options=wish
        ).body
    return bodies


def times(cluster: Cluster, name: str, asked: Sequence[dict[str, Json]]) -> dict[str, tuple[float, float]]:
    """Return p50 and p95 of each form in milliseconds, all forms in turn."""
    spent: dict[str, list[float]] = {form: [] for form in FORMS}
    for number, forms in enumerate([*asked[:WARM], *asked]):
        for form in FORMS:
            begun = time.perf_counter()
            cluster.client.search(index=name, body=forms[form])
            if number >= WARM:
                spent[form].append(1000 * (time.perf_counter() - begun))
    return {form: percentiles(values) for form, values in spent.items()}


def overlap(cluster: Cluster, name: str, asked: Sequence[dict[str, Json]]) -> float:
    """Return the mean share of the first ten of ``exact`` that scoring every product gives too."""
    shares = []
    for forms in asked[:20]:
        body = forms["exact"]
        everything = {"query": body["rescore"]["query"]["rescore_query"], "size": 10, "_source": False}
        shares.append(len(_ids(cluster, name, everything) & _ids(cluster, name, body)) / 10)
    return float(np.mean(shares))


def _ids(cluster: Cluster, name: str, body: Json) -> set[str]:
    answer = cluster.client.options(request_timeout=600).search(index=name, body=body)
    return {hit["_id"] for hit in answer["hits"]["hits"]}


def measured(cluster: Cluster, kind: str, made: MadeUp, sizes: Sequence[int]) -> Iterator[Row]:
    """Grow one index through all sizes; yield what was measured at each, as loaded and then merged."""
    recipe = parse(RECIPE.format(kind=kind, dims=DIMS))
    name, encoder = recipe.index.name, DigestEncoder(DIMS)
    cluster.client.indices.create(index=name, **index_body(recipe, {"text": encoder.info, "image": encoder.info}))
    before = 0
    for size in sizes:
        rate, settle = grow(cluster, name, made, (before, size)), settled(cluster, name)
        asked, before = requests(cluster, recipe, made), size
        for merged in (False, True) if size <= MERGED_UP_TO else (False,):
            spent = merge(cluster, name) if merged else 0.0
            took, share = times(cluster, name, asked), overlap(cluster, name, asked)
            found = sizes_of(cluster, name)
            yield Row(kind, size, merged, rate=rate, settle=settle, merge=spent, heap=heap(cluster),
                      overlap=share, times=took, **found)  # type: ignore[arg-type]  # fmt: skip
    cluster.client.indices.delete(index=name)


def load_table(rows: Sequence[Row]) -> str:
    """Return the table of loading and of size."""
    header = ("index type", "products", "segments", "load, products/s", "to one segment, s", "disk, bytes/product",
              "page cache for vectors, bytes/product", "heap after GC, MB")  # fmt: skip
    return table(header, [
        [row.kind, f"{row.size:,}", f"{row.segments}", "" if row.merged else f"{row.rate:,.0f}",
         f"{row.merge:,.0f}" if row.merged else "", f"{row.disk:,.0f}", f"{row.vectors:,.0f}",
         "" if row.heap is None else f"{row.heap:,.0f}"]
        for row in rows
    ])  # fmt: skip


def time_table(rows: Sequence[Row]) -> str:
    """Return the table of searches."""
    header = ("index type", "products", "state", *(f"{form}: p50 / p95, ms" for form in FORMS),
              "exact / keyword, p50", "overlap@10 of exact with scoring every product")  # fmt: skip
    return table(header, [
        [row.kind, f"{row.size:,}", "merged" if row.merged else "as loaded",
         *(f"{row.times[form][0]:.1f} / {row.times[form][1]:.1f}" for form in FORMS),
         f"{row.times['exact'][0] / row.times['keyword'][0]:.2f}", f"{row.overlap:.3f}"]
        for row in rows
    ])  # fmt: skip


def told(rows: Sequence[Row]) -> None:
    """Write table, figures and plot; called after every row, so that a run that is ended early leaves what it has."""
    (HERE / "results" / "scale.json").write_text(json.dumps([asdict(row) for row in rows], indent=1), encoding="utf-8")
    plot([asdict(row) for row in rows], HERE / "results" / "scale.png")
    publish(
        "scale",
        "One shard on one node with a heap of 2 GB, two vector fields of 384 dims",
        [load_table(rows), time_table(rows)],
        notes=(
            f"Vectors are made up ({CLUSTERS:,} clusters), texts are those of esci, recombined; {QUERIES} questions, "
            "the three forms in turn, both vectors five times the keyword's weight. Client and node share the machine; "
            "on the 2 cores other programs ran as well: compare within the table, and not a row with the next. Page "
            "cache for vectors: quantised vectors and graphs; the floats (3,072 bytes a product, part of the disk) are "
            "read for the few hundred products that exact scores, and when segments are merged. Disk as loaded may "
            "hold what a merge has just replaced."
        ),
    )


def main() -> None:
    """Measure and publish."""
    sizes, made, rows = [int(size) for size in sys.argv[1:]] or SIZES, MadeUp(), list[Row]()
    for kind in KINDS:
        with own_node() as cluster:
            for row in measured(cluster, kind, made, sizes):
                rows.append(row)
                told(rows)


if __name__ == "__main__":
    main()
