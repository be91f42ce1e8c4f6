"""What tuning is worth: the models' nested cross-validation by question on each data set, and which of them is kept.

`python -m benchmarks.tune [esci] [esci-offline] [esci-feedback] [fashion] ...` (see ``SETS``); figures of the sets left
out stay. ``-offline``: from the catalogue alone, without a server. ``-feedback``: with ``feedback = 10`` in the recipe.
``-centres``: with a gate that sees how near a question is to four kinds of questions. ``--seed 2``: by other folds;
their verdicts are printed only.
"""

import argparse
import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.common import DATA, ESCI, FASHION, GROCERY, HERE, DataSet, loaded, ndcg, publish, server, table
from benchmarks.tower import TOWERS
from esmm.cli.common import Cluster
from esmm.encoders import load_encoders
from esmm.evaluate.systems import Ground
from esmm.evaluate.yardstick import optimised
from esmm.learn.contest import Verdict
from esmm.learn.features import Collected, Collector
from esmm.learn.judgements import Judgements, Question
from esmm.learn.offline import OfflineCollector
from esmm.learn.tune import tuned
from esmm.photos import Photos, decode
from esmm.query.fusion import Fusion, untuned_fusion
from esmm.query.search import Searcher
from esmm.recipe import Recipe

SEED, FEEDBACK, CENTRES = 1, 10, 4
KEPT = HERE / "results" / "tune.json"
SETS: dict[str, tuple[DataSet, str]] = {
    "esci": (ESCI, "judgements.tsv"),
    "esci-feedback": (ESCI, "judgements.tsv"),
    "esci-centres": (ESCI, "judgements.tsv"),
    "esci-offline": (ESCI, "judgements.tsv"),
    "fashion": (FASHION, "judgements.tsv"),
    "fashion-feedback": (FASHION, "judgements.tsv"),
    "fashion-offline": (FASHION, "judgements.tsv"),
    "fashion-photos": (FASHION, "photo_judgements.tsv"),
    # The tower that travels with esmm was trained on these questions.
    "grocery-photos": (replace(GROCERY, tower=TOWERS / "projection"), "photo_judgements.tsv"),
}


def judgements(data: DataSet, file: str) -> Judgements:
    """Return the judgements of a file; those of photos are questions by photo."""
    by_photo = file.startswith("photo")
    gains = {Question(photo=q) if by_photo else Question(q): found for q, found in data.judged(file).items()}
    return Judgements(gains, f"{data.name}/{file}")


def contest(name: str, cluster: Cluster, seed: int) -> tuple[Verdict, np.ndarray]:
    """Let the models compete on one data set; also return nDCG@10 of ranx's own fusion on the same folds."""
    data, file = SETS[name]
    judged = judgements(data, file)
    if name.endswith("-offline"):
        collected, current = _offline(data, judged)
    else:
        feedback, centres = FEEDBACK * name.endswith("-feedback"), CENTRES * name.endswith("-centres")
        collected, current = _asked(data, judged, cluster, feedback=feedback, centres=centres)
    k = data.recipe.search.k
    found = tuned(collected, current, loss="lambda", seed=seed, k=k, on_step=lambda _done, _all: None)
    ground = Ground(collected.table, current, k)
    ranked = {query: sorted(run, key=lambda p: -run[p]) for query, run in optimised(ground, seed=seed).items()}
    gains = {query: held for query, held in ground.qrels.items() if query in ranked}
    return found.verdict, ndcg(ranked, gains)


def with_feedback(recipe: Recipe, hits: int) -> Recipe:
    """Return a recipe whose searches move their vectors towards so many hits; 0 for none."""
    return recipe.model_copy(update={"search": recipe.search.model_copy(update={"feedback": hits})})


def _asked(
    data: DataSet, judged: Judgements, cluster: Cluster, *, feedback: int, centres: int
) -> tuple[Collected, Fusion]:
    recipe, _ = loaded(data, cluster)
    recipe = with_feedback(recipe, feedback)
    searcher = Searcher(cluster.client, recipe, cluster.can)
    places = [Path(DATA / data.name / "query_photos.zip")]
    with Photos(places if places[0].exists() else []) as photos:
        collector = Collector(cluster.client, recipe, searcher, photo_of=lambda photo: decode(photos.read(photo)))
        return collector.collect(judged, centres=centres), searcher.fusion


def _offline(data: DataSet, judged: Judgements) -> tuple[Collected, Fusion]:
    encoders, _ = load_encoders(data.recipe)
    collector = OfflineCollector(data.recipe, data.catalogue, encoders=encoders)
    return collector.collect(judged), untuned_fusion(data.recipe, None)


def rows_of(verdict: Verdict) -> Iterable[list[str]]:
    """Return a row a model: nDCG@10, and the difference to the strongest form of the keyword."""
    for row in verdict.table:
        name, gain = str(row["model"]), f"{row['gain']:+.3f} [{row['low']:+.3f}, {row['high']:+.3f}]"
        shown = f"**{name}** (kept, {verdict.label})" if name == verdict.kept else name
        p = f"{row['p']:.3f}" if "p" in row else ""
        yield [shown, f"{row['ndcg']:.3f}", "-" if name == verdict.baseline else gain, p]


def main() -> None:
    """Measure what is named, and publish all."""
    asked = argparse.ArgumentParser()
    asked.add_argument("sets", nargs="*", default=list(SETS))
    asked.add_argument("--seed", type=int, default=SEED)
    args = asked.parse_args()
    cluster, sections = server(), json.loads(KEPT.read_text()) if KEPT.exists() else {}
    for name in args.sets:
        verdict, ranx = contest(name, cluster, args.seed)
        header = (name, "nDCG@10", f"over {verdict.baseline} [paired 90 %]", "p, corrected")
        rows = [*rows_of(verdict), ["ranx optimize_fusion", f"{ranx.mean():.3f}", "", ""]]
        sections[name] = f"{table(header, rows)}\n\nVerdict: {verdict.why}."
        if args.seed == SEED:
            KEPT.write_text(json.dumps(sections, indent=2) + "\n", encoding="utf-8")
        else:
            print(sections[name])
    if args.seed == SEED:
        told(sections)


def told(sections: Mapping[str, str]) -> None:
    """Publish what is known of the data sets."""
    title = f"What tuning is worth: five-fold nested cross-validation by question, seed {SEED}"
    notes = (
        "Models in the order of their simplicity; fitted and chosen without the questions that they are measured on. "
        "The judgements of fashion are made from attributes, not by people. Forms of the keyword query, RRF, trees and "
        "ranx (on the same folds) are yardsticks: no request on the basic licence holds them, or they are no fusion. "
        "``-offline`` learns from the catalogue with rank-bm25, without a server; "
        "grocery-photos asks the tower ``projection`` of benchmarks.tower: the shipped one learned from its questions. "
        f"``-feedback`` moves the vectors towards the first {FEEDBACK} hits; ``-centres`` lets the gate see how near a "
        f"question is to {CENTRES} kinds of questions. p is corrected for the models tried by "
        "maxT over shared random signs."
    )
    publish("tune", title, [sections[name] for name in SETS if name in sections], notes=notes)


if __name__ == "__main__":
    main()
