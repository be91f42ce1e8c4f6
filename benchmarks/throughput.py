"""Documents a second from catalogue file to verified index, beside what the encoders reach alone in the same run.

"Encoders alone" are the very batches that the load encodes, with lines read and photos decoded beforehand: nothing
but the models' work is timed. Both are measured in turn, so that a machine that slows down slows both.
"""

import gzip
import sys
import tempfile
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.common import ESCI, FASHION, DataSet, publish, server, table
from esmm.cli.common import Cluster
from esmm.encoders import Encoder, load_encoders
from esmm.ingest.batches import batch_size
from esmm.ingest.catalogue import Line, read
from esmm.ingest.job import Job, Server, Source
from esmm.ingest.load import load
from esmm.ingest.records import record_of
from esmm.ingest.vectors import VectorCache
from esmm.photos import Photos, decode
from esmm.recipe import Recipe, parse

PRODUCTS, ROUNDS = 6000, 3


def encoders_alone(recipe: Recipe, encoders: Mapping[str, Encoder], catalogue: Path) -> float:
    """Return products a second of the encoders on the batches of the load."""
    records = [
        record_of(line.record, recipe, source=line.source, number=line.number)
        for line in read(catalogue)
        if isinstance(line, Line)
    ]
    spent = 0.0
    with Photos(recipe.image.photo_places if recipe.image else []) as photos:
        size = batch_size(encoders)
        for start in range(0, len(records), size):
            chunk = records[start : start + size]
            inputs: dict[str, list[Any]] = {
                "text": list(dict.fromkeys(text for record in chunk for _, text in record.passages))
            }
            if "image" in encoders:
                inputs["image"] = [decode(photos.read(ref)) for record in chunk for ref in record.photos]
            begun = time.perf_counter()
            for clause, items in inputs.items():
                encoders[clause].encode(items)
            spent += time.perf_counter() - begun
    return len(records) / spent


def end_to_end(recipe: Recipe, encoders: Mapping[str, Encoder], catalogue: Path, cluster: Cluster) -> float:
    """Return products a second of a whole load with an empty cache: read, encode, store, verify, move the alias."""
    name = f"bench-{uuid.uuid4().hex[:8]}"
    text = recipe.toml.replace(f'name = "{recipe.index.name}"', f'name = "{name}"')
    mine = parse(text)
    source = Source(str(catalogue), tuple(mine.image.photo_places if mine.image else ()))
    with tempfile.TemporaryDirectory() as folder, VectorCache(Path(folder) / "vectors.sqlite") as cache:
        report = load(Job(source, mine, Server(cluster.client, cluster.can), encoders, cache))
    cluster.client.indices.delete(index=report.index)
    cluster.client.ingest.delete_pipeline(id=f"esmm-{report.index}")
    return report.stored / report.seconds


def measure(data: DataSet, cluster: Cluster) -> list[str]:
    """Return the row of one data set: both rates as medians, and the ratio of each round."""
    recipe = data.recipe
    encoders, _ = load_encoders(recipe)
    with tempfile.TemporaryDirectory() as folder:
        catalogue = Path(folder) / "part.jsonl"
        with gzip.open(data.catalogue, "rt", encoding="utf-8") as lines:
            catalogue.write_text(
                "".join(line for _, line in zip(range(PRODUCTS), lines, strict=False)), encoding="utf-8"
            )
        encoders_alone(recipe, encoders, catalogue)  # warm
        rounds = []
        for _ in range(ROUNDS):
            alone = encoders_alone(recipe, encoders, catalogue)
            rounds.append((end_to_end(recipe, encoders, catalogue, cluster), alone))
            print(data.name, rounds[-1], file=sys.stderr)
    ratios = sorted(whole / alone for whole, alone in rounds)
    middle = sorted(rounds, key=lambda pair: pair[0] / pair[1])[ROUNDS // 2]
    made = " and ".join(encoders)
    return [
        f"{data.name}, {PRODUCTS:,} products, {made} vectors",
        f"{middle[0]:.0f}",
        f"{middle[1]:.0f}",
        f"{ratios[ROUNDS // 2]:.2f} [{ratios[0]:.2f}, {ratios[-1]:.2f}]",
    ]


def main() -> None:
    """Measure and publish."""
    cluster = server()
    rows = [measure(data, cluster) for data in (FASHION, ESCI)]
    header = ("set", "end to end, products/s", "encoders alone, products/s", f"ratio: median [least, most] of {ROUNDS}")
    publish("throughput", "Loading, from file to verified index", [table(header, rows)])


if __name__ == "__main__":
    main()
