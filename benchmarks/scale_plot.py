"""The plot of benchmarks/scale.py: time of a search by the number of products, for each index type."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_COLOURS = {"keyword": "#777777", "exact": "#c0392b", "boost": "#2471a3"}
_DASHES = {"int8_hnsw": "-", "bbq_hnsw": "--"}


def plot(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw the indices as loaded: p50 as lines, p95 as crosses; beside them p50 in multiples of the keyword's."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (times, ratios) = pyplot.subplots(1, 2, figsize=(10, 4.2))
    for kind, dash in _DASHES.items():
        mine = [row for row in rows if row["kind"] == kind and not row["merged"]]
        sizes = [row["size"] for row in mine]
        for form, colour in _COLOURS.items():
            middle, high = ([row["times"][form][place] for row in mine] for place in (0, 1))
            times.plot(sizes, middle, dash, color=colour, marker="o", label=f"{form}, {kind}")
            times.plot(sizes, high, "x", color=colour, alpha=0.6)
            multiples = [p50 / row["times"]["keyword"][0] for p50, row in zip(middle, mine, strict=True)]
            if form != "keyword":
                ratios.plot(sizes, multiples, dash, color=colour, marker="o", label=f"{form}, {kind}")
    times.set(yscale="log", ylabel="ms", title="p50 (lines) and p95 (crosses)")
    ratios.set(ylim=(0, None), title="p50, in multiples of the keyword search alone")
    for axes in (times, ratios):
        axes.set(xscale="log", xlabel="products on one shard, as loaded")
        axes.grid(alpha=0.3, which="both")
        axes.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=100)
    pyplot.close(figure)
