"""The most memory that the program takes, by the length of the catalogue: whole loads with the digest encoder.

Each load is a program of its own. The second load of a catalogue finds everything unchanged; the third, with --sync,
deletes what the catalogue lost. ``python -m benchmarks.memory 10000 100000`` measures other lengths.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from benchmarks.common import publish, server, table
from esmm.cli.common import Cluster

LENGTHS = (10_000, 100_000, 300_000)
_RECIPE = """
[index]
name = "{name}"
analyzer = "standard"
[fields]
title = {{ type = "text", embed = 1 }}
price = {{ type = "double" }}
[text]
model = "digest-16"
"""
_PEAK = """
import resource, sys
from esmm.cli import main
try:
    main()
finally:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
"""


def lines(count: int) -> Iterator[str]:
    """Yield a catalogue of short products, every title another one."""
    for number in range(count):
        product = {
            "id": f"product-{number * 7919 % 1_000_003:07d}",
            "title": f"thing number {number}",
            "price": number % 500,
        }
        yield json.dumps(product) + "\n"


def peak(folder: Path, *flags: str) -> tuple[float, float]:
    """Run a load; return the most memory it took in MB, and how long it took in seconds."""
    command = [sys.executable, "-c", _PEAK, "ingest", "catalog.jsonl", "--quiet", *flags]
    env = os.environ | {"ESMM_VECTORS": str(folder / "v.sqlite"), "PYTHONPATH": str(Path(__file__).parents[1])}
    begun = time.monotonic()
    done = subprocess.run(command, cwd=folder, env=env, stderr=subprocess.PIPE, text=True, check=True)
    unit = 1 if sys.platform == "darwin" else 1024
    return int(done.stderr.split()[-1]) * unit / 1e6, time.monotonic() - begun


def measure(count: int, cluster: Cluster) -> list[str]:
    """Return the row of one length."""
    name = f"bench-{uuid.uuid4().hex[:8]}"
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "esmm.toml").write_text(_RECIPE.format(name=name), encoding="utf-8")
        with (folder / "catalog.jsonl").open("w", encoding="utf-8") as file:
            file.writelines(lines(count))
        try:
            first, again = peak(folder), peak(folder)
            with (folder / "catalog.jsonl").open("w", encoding="utf-8") as file:
                file.writelines(lines(count * 19 // 20))
            found = [first, again, peak(folder, "--sync")]
        finally:
            cluster.client.indices.delete(index=f"{name}-v0001", ignore_unavailable=True)
            cluster.client.options(ignore_status=404).ingest.delete_pipeline(id=f"esmm-{name}-v0001")
    print(count, found, file=sys.stderr)
    return [f"{count:,}", *(f"{memory:.0f} ({seconds:.0f} s)" for memory, seconds in found)]


def main() -> None:
    """Measure and publish."""
    cluster = server()
    os.environ.setdefault("ELASTICSEARCH_URL", cluster.where.url or "")
    rows = [measure(count, cluster) for count in map(int, sys.argv[1:] or LENGTHS)]
    header = ("lines", "first load, MB", "unchanged, MB", "with --sync, MB")
    publish("memory", "Most memory of a load by the length of the catalogue", [table(header, rows)])


if __name__ == "__main__":
    main()
