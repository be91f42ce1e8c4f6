"""What 10 million and 1 billion products would take, worked out from the figures of benchmarks.scale and .throughput.

Everything here is extrapolated: sizes grow with the number of products, hours with the number of products and cores.
"""

import json
import re
from collections.abc import Mapping
from math import ceil, log
from typing import Any

from benchmarks.common import HERE, publish, table

SIZES = {"10 million": 10_000_000, "1 billion": 1_000_000_000}
SHARD_BYTES = 50e9  # Elastic's advice: 10 to 50 GB a shard
CACHE_BYTES = 30e9  # what a node with 64 GB leaves to the page cache
GPU_RATE = 2_000  # products a second of one GPU: assumed, not measured
CORES = 2
Row = Mapping[str, Any]


def rates() -> dict[str, float]:
    """Return products a second and core, of the encoders alone, from results/throughput.md."""
    text = (HERE / "results" / "throughput.md").read_text(encoding="utf-8")
    found = re.findall(r"^\| \w+, [\d,]+ products, (.+?) vectors \| \d+ \| (\d+) \|", text, flags=re.MULTILINE)
    return {what: float(rate) / CORES for what, rate in found}


def measured() -> dict[str, tuple[Row, Row]]:
    """Return, for each index type, the largest index as loaded and merged, from results/scale.json."""
    rows = json.loads((HERE / "results" / "scale.json").read_text(encoding="utf-8"))
    kinds = dict.fromkeys(row["kind"] for row in rows)
    return {
        kind: tuple(
            max((row for row in rows if (row["kind"], row["merged"]) == (kind, merged)), key=lambda row: row["size"])
            for merged in (False, True)
        )
        for kind in kinds
    }


def encoder_rows() -> list[list[str]]:
    """Return the hours of encoding."""
    rows = [
        [
            what,
            f"{rate:.0f} a second and core, measured",
            *(f"{n / rate / 3600:,.0f} core hours" for n in SIZES.values()),
        ]
        for what, rate in rates().items()
    ]
    hours = [f"{size / GPU_RATE / 3600:,.1f} GPU hours" for size in SIZES.values()]
    return [*rows, ["text, on a GPU", f"{GPU_RATE:,} a second and GPU, **assumed**", *hours]]


def index_rows(kind: str, loaded: Row, merged: Row) -> list[list[str]]:
    """Return what an index of each size takes."""
    rows = []
    for label, size in SIZES.items():
        disk, cache = merged["disk"] * size, merged["vectors"] * size
        shards = ceil(disk / SHARD_BYTES)
        rows.append([
            label, kind, f"{size / loaded['rate'] / 3600 * CORES:,.0f}", _bytes(disk), _bytes(cache), f"{shards:,}",
            f"{_merge_hours(merged, size / shards):.1f}", f"{max(2, ceil(2 * cache / CACHE_BYTES)):,}",
        ])  # fmt: skip
    return rows


def _merge_hours(merged: Row, products: float) -> float:
    """Return the hours of merging a shard into one segment: a graph of n products takes about n log n steps."""
    return float(merged["merge"] * products * log(products) / (merged["size"] * log(merged["size"])) / 3600)


def _bytes(count: float) -> str:
    return f"{count / 1e12:,.1f} TB" if count >= 1e12 else f"{count / 1e9:,.0f} GB"


def main() -> None:
    """Work it out and publish."""
    encoding = table(("encoding", "rate", *SIZES), encoder_rows())
    rows = [row for kind, pair in measured().items() for row in index_rows(kind, *pair)]
    header = ("products", "index type", "loading, core hours", "disk, one copy", "page cache for vectors, one copy",
              "shards of 50 GB", "a shard to one segment, hours", "nodes of 64 GB, two copies")  # fmt: skip
    publish(
        "scale_plan",
        "Extrapolated from the tables of benchmarks.scale and benchmarks.throughput",
        [encoding, table(header, sorted(rows, key=lambda row: list(SIZES).index(row[0])))],
        notes="The count of nodes follows from memory alone; the number of questions a second may ask for more.",
    )


if __name__ == "__main__":
    main()
