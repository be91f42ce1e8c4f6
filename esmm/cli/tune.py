"""``esmm tune``: learn the fusion from judgements, and keep it only where it beats the keyword search."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from esmm.cli.common import (
    Cluster,
    calibration_of,
    calibration_path,
    connection_options,
    device_option,
    load_recipe,
    open_cluster,
    recipe_option,
    say,
)
from esmm.cli.judged import judged_options, own_body, question_photos
from esmm.server import find_server

if TYPE_CHECKING:
    from esmm.learn.features import Collected
    from esmm.learn.floors import Floor
    from esmm.learn.judgements import Judgements
    from esmm.learn.tune import Tuned
    from esmm.query.fusion import Fusion
    from esmm.query.model import FusionModel
    from esmm.query.search import Searcher
    from esmm.recipe import Recipe


@click.command()
@click.argument("judgements")
@judged_options
@click.option(
    "--loss",
    type=click.Choice(["lambda", "listnet", "pairwise"]),
    default="lambda",
    show_default=True,
    help="What is made small: LambdaLoss, ListNet or RankNet.",
)
@click.option("--seed", default=1, show_default=True, help="Of the folds.")
@click.option("-o", "--out", help="Where the fusion goes [fusion.json beside the recipe].")
@click.option("--print", "print_", is_flag=True, help="Print the verdict and store nothing.")
@click.option("--offline", metavar="CATALOGUE", help="A first look without a server, by rank-bm25.")
@click.option(
    "--centres",
    type=click.IntRange(0, 64),
    default=0,
    help="Kinds of queries that the gate tells apart [0].",
)
@click.option("--floors/--no-floors", default=True, show_default=True, help="Learn similarity floors too.")
@recipe_option
@device_option
@connection_options
def tune(judgements: str, recipe_path: str, device: str, **options: Any) -> None:
    """Learn weights, normalisers and gate of the fusion from JUDGEMENTS, and store them in fusion.json.

    Models from simple to rich compete on questions that they were not fitted to. Kept is the simplest one near the
    best, if it does not lose to the strongest form of the keyword search; else everything stays as it is. The
    searches of this recipe use fusion.json from then on; delete it to go back.
    """
    from esmm.cluster import named_errors
    from esmm.learn.judgements import read_judgements
    from esmm.query.fusion import untuned_fusion
    from esmm.query.model import FILE, check_writable

    names = ("body", "photos", "form", "topics", "loss", "seed", "out", "print_", "centres")
    given = {name: options.pop(name) for name in names}
    with_floors, catalogue = options.pop("floors"), options.pop("offline")
    _need_torch()
    recipe = load_recipe(recipe_path)
    given["body"] = own_body(given["body"])
    judged = read_judgements(judgements, format=given["form"], topics=given["topics"])
    given["out"] = Path(given["out"] or Path(recipe.source).parent / FILE)
    if not (catalogue or given["print_"]):
        check_writable(given["out"])
    if catalogue:
        collected = _collected_offline(recipe, catalogue, judged, device, given)
        found = _tuned(collected, untuned_fusion(recipe, None), recipe, given)
        # Scores of rank-bm25 are not those of an index: their constants would mislead its searches.
        _store(found, collected, {}, recipe, judged, {**given, "print_": True})
        say("a first look: nothing is stored; tune against the server for a fusion that it can use")
        return
    server = open_cluster(find_server(**options))
    with named_errors(server.where):
        searcher = _searcher(server, recipe, device)
        collected = _collected(server, recipe, searcher, judged, given)
        found = _tuned(collected, searcher.fusion, recipe, given)
        floors = _floors(server, recipe, searcher, found, given["seed"]) if found.winner and with_floors else {}
    _store(found, collected, floors, recipe, judged, given)


def _need_torch() -> None:
    """Raise LearnError where torch is missing: searches do without it, learning does not."""
    from importlib.util import find_spec

    from esmm.errors import LearnError

    if find_spec("torch") is None:
        raise LearnError("torch is not installed, so nothing can be learned", 'pip install "esmm[models,learn]"')


def _collected_offline(
    recipe: "Recipe", catalogue: str, judged: "Judgements", device: str, given: dict[str, Any]
) -> "Collected":
    from esmm.cli.progress import steps
    from esmm.encoders import load_encoders
    from esmm.errors import LearnError
    from esmm.learn.offline import OfflineCollector

    if given["body"]:
        raise LearnError("a query of your own needs the server that it was written for", "leave out --offline")
    encoders, faults = load_encoders(recipe, device=device)
    for fault in faults.values():
        raise fault
    with steps("scoring the catalogue") as on_step:
        photos = [Path(place) for place in given["photos"]]
        collector = OfflineCollector(recipe, catalogue, encoders=encoders, photos=photos)
        collected = collector.collect(judged, on_step, centres=given["centres"])
    if collected.absence:
        say(collected.absence)
    return collected


def _searcher(server: Cluster, recipe: "Recipe", device: str) -> "Searcher":
    from esmm.errors import LearnError
    from esmm.query.model import model_beside
    from esmm.query.search import Searcher

    model = None
    try:
        model = model_beside(recipe)
    except LearnError as error:
        say(f"{error.message}; it is not compared with")
    return Searcher(server.client, recipe, server.can, device=device, model=model)


def _collected(
    server: Cluster, recipe: "Recipe", searcher: "Searcher", judged: "Judgements", given: dict[str, Any]
) -> "Collected":
    from esmm.cli.progress import steps
    from esmm.learn.features import Collector

    with question_photos(given["photos"]) as photo_of, steps("asking for scores") as on_step:
        collector = Collector(server.client, recipe, searcher, body=given["body"], photo_of=photo_of)
        collected = collector.collect(judged, on_step, centres=given["centres"])
    if collected.absence:
        say(collected.absence)
    return collected


def _tuned(collected: "Collected", current: "Fusion", recipe: "Recipe", given: dict[str, Any]) -> "Tuned":
    from esmm.cli.progress import steps
    from esmm.cli.tables import contest_table
    from esmm.learn.tune import tuned

    with steps("letting models compete") as on_step:
        found = tuned(collected, current, loss=given["loss"], seed=given["seed"], k=recipe.search.k, on_step=on_step)
    if found.left_out:
        say(f"{len(found.left_out)} questions have no product with a gain above 0 and were left out")
    contest_table(found.verdict)
    return found


def _floors(server: Cluster, recipe: "Recipe", searcher: "Searcher", found: "Tuned", seed: int) -> "dict[str, Floor]":
    from esmm.learn.floors import answered, floors

    learned = floors(server.client, recipe.index.name, searcher, found.stack, seed=seed)
    for name, floor in learned.items():
        click.echo(
            f"floor of {name}: cosine {floor.cosine:.3f}; {floor.answered:.1%} of nonsense lies above it, "
            f"{floor.lost:.1%} of the good products are lost: below it, and without a word of the question"
        )
    if learned:
        share = answered(server.client, recipe.index.name, searcher, learned, seed=seed)
        click.echo(f"nonsense that finds any neighbour, by all clauses together: {share:.1%}")
    return learned


def _store(
    found: "Tuned",
    collected: "Collected",
    floors: "dict[str, Floor]",
    recipe: "Recipe",
    judged: "Judgements",
    given: dict[str, Any],
) -> None:
    from esmm.learn.tune import Origin, model_of

    verdict, query = found.verdict, (given["body"] or {}).get("query")
    if found.winner is None:
        click.echo(f"nothing is changed: {verdict.why}")
        return
    model = model_of(found, found.winner, Origin(recipe, judged, collected.rarity, floors, query, collected.centres))
    click.echo(
        f"{model.label}: {verdict.contender}, nDCG@10 {verdict.gain:+.3f} [{verdict.low:+.3f}, {verdict.high:+.3f}] "
        f"over {verdict.baseline} on {len(found.stack)} questions, p = {verdict.p:.3f} corrected; {verdict.why}"
    )
    if found.winner.boosts:
        click.echo(f"boost finds {found.winner.overlap:.0%} of exact's first ten")
    if not given["print_"]:
        if given["body"]:
            model = _with_constant_apart(model, recipe, given["body"])
        model.save(given["out"])
        click.echo(f"stored in {given['out']}")


def _with_constant_apart(model: "FusionModel", recipe: "Recipe", body: dict[str, Any]) -> "FusionModel":
    """Store the saturation constant of a query of one's own where `esmm calibrate` does: it is not esmm's query's."""
    from esmm.query.fusion import KEYWORD

    keyword = model.clauses[KEYWORD]
    if keyword.saturation is not None:
        path = calibration_path(recipe)
        calibration_of(recipe).with_constant(body["query"], keyword.saturation).save(path)
        click.echo(f"the constant of your query is stored in {path}")
    apart = keyword.model_copy(update={"saturation": None})
    return model.model_copy(update={"clauses": {**model.clauses, KEYWORD: apart}})
