"""Time of building a request from a typical shop's body, encoding left out; and of ``import esmm``. Needs no server."""

import subprocess
import sys
import time
from typing import Any

import numpy as np

from benchmarks.common import percentiles, publish, table
from esmm.cluster import Capabilities
from esmm.query.clauses import VectorClause
from esmm.query.fusion import Fusion
from esmm.query.upgrade import upgrade_body
from esmm.recipe import Search

ROUNDS, STARTS = 5_000, 15
BODY: dict[str, Any] = {
    "query": {
        "function_score": {
            "query": {
                "bool": {
                    "must": [
                        {"multi_match": {"query": "navy blue shirt", "fields": ["title^3", "brand^2", "category"]}}
                    ],
                    "should": [{"match_phrase": {"title": "navy blue shirt"}}],
                    "filter": [{"term": {"gender": "Men"}}, {"range": {"price": {"lte": 50}}}],
                    "must_not": [{"term": {"hidden": True}}],
                }
            },
            "functions": [{"filter": {"term": {"new": True}}, "weight": 1.2}],
        }
    },
    "aggs": {"brands": {"terms": {"field": "brand.raw"}}, "prices": {"histogram": {"field": "price", "interval": 10}}},
    "highlight": {"fields": {"title": {}}},
    "size": 24,
}


def build_times() -> list[float]:
    """Return the microseconds of each upgrade to three clauses."""
    rng = np.random.default_rng(7)
    vectors = [
        VectorClause(name, f"{name}_vector", tuple(rng.standard_normal(dims).tolist()))
        for name, dims in (("text", 384), ("image", 1280))
    ]
    fusion, limits, can = Fusion({"text": 0.1}), Search(), Capabilities()
    spent = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        upgrade_body(BODY, vectors, fusion, limits=limits, can=can)
        spent.append(1e6 * (time.perf_counter() - begun))
    return spent


def import_time() -> float:
    """Return the milliseconds that ``import esmm`` adds to bare Python: the medians' difference, in turn."""
    spent: dict[str, list[float]] = {"pass": [], "import esmm": []}
    for _ in range(STARTS):
        for code, times in spent.items():
            begun = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True)
            times.append(1000 * (time.perf_counter() - begun))
    return float(np.median(spent["import esmm"]) - np.median(spent["pass"]))


def main() -> None:
    """Measure and publish."""
    p50, p95 = percentiles(build_times())
    rows = [
        ["upgrade of a typical body to three clauses, p50 / p95", f"{p50:.0f} / {p95:.0f} µs"],
        ["`import esmm` over bare Python", f"{import_time():.0f} ms"],
    ]
    publish("builder", "Building a request, without encoding", [table(("what", "time"), rows)])


if __name__ == "__main__":
    main()
