"""A catalogue loaded for the first time, with an empty vector cache, and again unchanged: from file to verified index.

Timed is the load, without the start of the program and without loading the models.
"""

import gzip
import sys
import tempfile
import uuid
from pathlib import Path

from benchmarks.common import ESCI, FASHION, DataSet, publish, server, table
from esmm.cli.common import Cluster
from esmm.encoders import load_encoders
from esmm.ingest.index import drop
from esmm.ingest.load import Server, Source, load
from esmm.ingest.vectors import VectorCache
from esmm.recipe import parse

PRODUCTS, ROUNDS = 2048, 5


def measure(data: DataSet, cluster: Cluster, folder: Path) -> list[str]:
    """Return the row of one data set."""
    name = f"bench-{uuid.uuid4().hex[:8]}"
    recipe = parse(data.recipe.toml.replace(f'name = "{data.recipe.index.name}"', f'name = "{name}"'))
    encoders, _ = load_encoders(recipe)
    catalogue = folder / f"{data.name}.jsonl"
    with gzip.open(data.catalogue, "rt", encoding="utf-8") as lines:
        catalogue.write_text("".join(line for _, line in zip(range(PRODUCTS), lines, strict=False)), encoding="utf-8")
    source = Source(str(catalogue), tuple(recipe.image.photo_places if recipe.image else ()))
    server_ = Server(cluster.client, cluster.can)
    try:
        with VectorCache(folder / f"{data.name}.sqlite") as cache:
            first = load(source, recipe, server_, encoders=encoders, cache=cache)
            print(data.name, first.seconds, file=sys.stderr)
            again = [load(source, recipe, server_, encoders=encoders, cache=cache) for _ in range(ROUNDS)]
    finally:
        drop(cluster.client, f"{name}-v0001")
    assert all(report.unchanged == first.stored for report in again)
    times = sorted(report.seconds for report in again)
    middle = times[ROUNDS // 2]
    return [
        f"{data.name}, {first.stored:,} products, {' and '.join(encoders)} vectors",
        f"{first.seconds:.1f}",
        f"{middle:.2f} [{times[0]:.2f}, {times[-1]:.2f}]",
        f"{first.seconds / middle:.0f} [{first.seconds / times[-1]:.0f}, {first.seconds / times[0]:.0f}]",
    ]


def main() -> None:
    """Measure and publish."""
    cluster = server()
    with tempfile.TemporaryDirectory() as folder:
        rows = [measure(data, cluster, Path(folder)) for data in (FASHION, ESCI)]
    header = ("set", "first load, s", f"again, s: median [least, most] of {ROUNDS}", "ratio")
    publish("again", "An unchanged catalogue loaded again", [table(header, rows)])


if __name__ == "__main__":
    main()
