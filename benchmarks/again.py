"""A catalogue loaded for the first time, with an empty vector cache, and again unchanged.

Timed are the load itself, from file to verified index, and the whole program: its start, the models that it needs, the
load.
"""

import gzip
import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

from benchmarks.common import ESCI, FASHION, DataSet, publish, server, table
from esmm.cli.common import Cluster
from esmm.ingest.index import drop

ROUNDS = 5


def ingested(folder: Path, *flags: str) -> tuple[dict[str, Any], float]:
    """Run the program; return its summary, and how many seconds it took in all."""
    command = [sys.executable, "-m", "esmm", "ingest", "catalog.jsonl", "--json", "--quiet", *flags]
    here = str(Path(__file__).parents[1])
    env = os.environ | {"PYTHONPATH": here, "ESMM_VECTORS": str(folder / "vectors.sqlite")}
    begun = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=env, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout), time.perf_counter() - begun


def measure(data: DataSet, cluster: Cluster, folder: Path) -> list[list[str]]:
    """Return the rows of one data set: the load, and the program."""
    name = f"bench-{uuid.uuid4().hex[:8]}"
    toml = data.recipe.toml.replace(f'name = "{data.recipe.index.name}"', f'name = "{name}"')
    (folder / "esmm.toml").write_text(toml, encoding="utf-8")
    (folder / "catalog.jsonl").write_bytes(gzip.decompress(data.catalogue.read_bytes()))
    photos = [f"--photos={place}" for place in (data.recipe.image.photo_places if data.recipe.image else ())]
    try:
        first = ingested(folder, *photos)
        print(data.name, first[0]["seconds"], first[1], file=sys.stderr)
        again = [ingested(folder, *photos) for _ in range(ROUNDS)]
    finally:
        drop(cluster.client, f"{name}-v0001")
    assert all(report["unchanged"] == first[0]["stored"] for report, _ in again)
    what = f"{data.name}, {first[0]['stored']:,} products, {' and '.join(data.recipe.vectors())} vectors"
    loads = _row(f"{what}: the load", first[0]["seconds"], [report["seconds"] for report, _ in again])
    return [loads, _row(f"{what}: the program", first[1], [spent for _, spent in again])]


def _row(what: str, first: float, again: list[float]) -> list[str]:
    times = sorted(again)
    middle = times[len(times) // 2]
    return [
        what,
        f"{first:.1f}",
        f"{middle:.2f} [{times[0]:.2f}, {times[-1]:.2f}]",
        f"{first / middle:.0f} [{first / times[-1]:.0f}, {first / times[0]:.0f}]",
    ]


def main() -> None:
    """Measure and publish."""
    cluster = server()
    rows = list[list[str]]()
    for data in (FASHION, ESCI):
        with tempfile.TemporaryDirectory() as folder:
            rows += measure(data, cluster, Path(folder))
    header = ("set", "first load, s", f"again, s: median [least, most] of {ROUNDS}", "ratio")
    publish("again", "An unchanged catalogue loaded again", [table(header, rows)])


if __name__ == "__main__":
    main()
