"""What the benchmarks share: data sets, a server, measures with intervals, and results as Markdown."""

import csv
import os
import platform
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from esmm import node
from esmm.cli.common import Cluster, open_cluster
from esmm.cluster import connection
from esmm.encoders import Encoder, load_encoders
from esmm.ingest.job import Job, Server, Source
from esmm.ingest.load import load
from esmm.ingest.vectors import open_cache
from esmm.recipe import Recipe
from esmm.recipe import load as load_recipe

HERE = Path(__file__).parent
DATA = Path(os.environ.setdefault("ESMM_BENCH_DATA", str(HERE.parent.parent / "shared" / "data")))
SEED, RESAMPLES = 7, 10_000
Setting = tuple[float, ...]
Judgements = dict[str, dict[str, float]]


@dataclass(frozen=True)
class DataSet:
    """A catalogue with its recipe and its judgements; a ``tower`` takes the place of the recipe's photo encoder."""

    name: str
    catalogue: Path
    judgements: str = "judgements.tsv"
    tower: Path | None = None

    @property
    def recipe(self) -> Recipe:
        """The recipe in benchmarks/recipes."""
        found = load_recipe(HERE / "recipes" / f"{self.name}.toml")
        if not (self.tower and found.image):
            return found
        index = found.index.model_copy(update={"name": f"{self.name}-{self.tower.name}"})
        image = found.image.model_copy(update={"model": str(self.tower)})
        return found.model_copy(update={"index": index, "image": image})

    def judged(self, file: str | None = None) -> Judgements:
        """Return the gains by query (or photo) and product."""
        gains: Judgements = defaultdict(dict)
        with (DATA / self.name / (file or self.judgements)).open(encoding="utf-8", newline="") as lines:
            for query, product, gain in list(csv.reader(lines, delimiter="\t"))[1:]:
                gains[query][product] = float(gain)
        return dict(gains)


ESCI = DataSet("esci", DATA / "esci" / "products.jsonl.gz")
FASHION = DataSet("fashion", DATA / "fashion" / "catalog.jsonl.gz")
GROCERY = DataSet("grocery", DATA / "grocery" / "catalog.jsonl", "photo_judgements.tsv")


def server() -> Cluster:
    """Return the server to measure on."""
    where = connection()
    return open_cluster(where if where.named else connection(url=node.up().url))


def loaded(data: DataSet, cluster: Cluster) -> tuple[Recipe, dict[str, Encoder]]:
    """Load a data set unless it is there already; return its recipe and encoders."""
    recipe = data.recipe
    encoders, faults = load_encoders(recipe)
    for fault in faults.values():
        raise fault
    if not cluster.client.indices.exists_alias(name=recipe.index.name):
        source = Source(str(data.catalogue), tuple(recipe.image.photo_places if recipe.image else ()))
        with open_cache() as cache:
            load(Job(source, recipe, Server(cluster.client, cluster.can), encoders, cache))
        cluster.client.indices.forcemerge(index=recipe.index.name, max_num_segments=1)
    return recipe, encoders


def ndcg(run: Mapping[str, Sequence[str]], gains: Judgements, *, k: int = 10) -> np.ndarray:
    """Return nDCG@k for each query, in the order of ``gains``; what is not judged counts 0."""
    import ir_measures

    measure = ir_measures.nDCG @ k
    # trec_eval knows whole gains only; nDCG does not change when all are multiplied.
    qrels = {q: {p: round(gain * 100) for p, gain in products.items()} for q, products in gains.items()}
    ranked = {q: {p: float(-rank) for rank, p in enumerate(run[q])} for q in gains}
    values = {value.query_id: value.value for value in ir_measures.iter_calc([measure], qrels, ranked)}
    return np.array([values.get(q, 0.0) for q in gains])


def interval(values: np.ndarray, statistic: Callable[..., np.ndarray] = np.mean) -> tuple[float, float]:
    """Return the 95 % bootstrap interval (percentile) of the mean over queries."""
    rng = np.random.default_rng(SEED)
    drawn = rng.integers(0, len(values), (RESAMPLES, len(values)))
    low, high = np.percentile(statistic(values[drawn], axis=1), [2.5, 97.5])
    return float(low), float(high)


def cell(values: np.ndarray, sign: str = "") -> str:
    """Return a mean with its 95 % interval as tables show it; ``sign`` "+" for differences."""
    low, high = interval(values)
    return f"{values.mean():{sign}.3f} [{low:{sign}.3f}, {high:{sign}.3f}]"


def chosen_elsewhere(values: Mapping[Setting, np.ndarray]) -> np.ndarray:
    """Return, for each question, the value under the setting that is best on the half it does not belong to."""
    best, half = best_by_half(values)
    return np.where(half, values[best[False]], values[best[True]])


def best_by_half(values: Mapping[Setting, np.ndarray]) -> tuple[dict[bool, Setting], np.ndarray]:
    """Return the best setting on each half of the questions, and which half each question belongs to."""
    half = np.random.default_rng(SEED).permutation(len(next(iter(values.values())))) % 2 == 0
    return {side: max(values, key=lambda setting: values[setting][half == side].mean()) for side in (True, False)}, half


def percentiles(times: Sequence[float]) -> tuple[float, float]:
    """Return median and 95th percentile."""
    return float(np.percentile(times, 50)), float(np.percentile(times, 95))


def publish(name: str, title: str, tables: Sequence[str], *, notes: str = "") -> None:
    """Print a result and write it to results/NAME.md."""
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}"
    text = "\n\n".join([f"{title} (`python -m benchmarks.{name}`; {machine})", *tables, *([notes] if notes else [])])
    path = HERE / "results" / f"{name}.md"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text + "\n", encoding="utf-8")
    print(text)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])
