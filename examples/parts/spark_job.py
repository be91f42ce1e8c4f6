"""A table that Spark reads becomes the index: each partition goes to an esmm of its own by standard input.

spark-submit spark_job.py s3://shop/products/ 2026-11-21
"""

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

from esmm.ingest.parts import part_of

PARTS, RECIPE = 16, "esmm.toml"  # the executors need esmm, the recipe and the photos


def load(index: int, products: Iterable[dict[str, Any]], *, run: str) -> Iterator[tuple[int, int]]:
    """Load the products of one part; Spark may run it again, or twice at once. Yields the part and its exit code."""
    command = ["esmm", "ingest", "-", "--recipe", RECIPE, "--part", f"{index + 1}/{PARTS}", "--run", run]
    with subprocess.Popen([*command, "--quiet"], stdin=subprocess.PIPE, text=True) as process:
        for product in products:
            process.stdin.write(json.dumps(product) + "\n")
        process.stdin.close()
    if process.returncode not in (0, 3):  # 3: some lines were rejected, and running it again would not mend them
        raise RuntimeError(f"part {index + 1} ended with exit code {process.returncode}")
    yield index + 1, process.returncode


def main(source: str, run: str) -> None:
    """Split the table as esmm does, and load every part."""
    from pyspark.sql import SparkSession

    table = SparkSession.builder.appName("esmm").getOrCreate().read.parquet(source)
    keyed = table.rdd.map(lambda row: (part_of(str(row["id"]), PARTS) - 1, row.asDict(recursive=True)))
    split = keyed.partitionBy(PARTS, int).values()
    print(split.mapPartitionsWithIndex(partial(load, run=run)).collect())


if __name__ == "__main__":
    main(*sys.argv[1:])
