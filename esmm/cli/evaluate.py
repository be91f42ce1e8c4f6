"""``esmm evaluate``: how well the fusions of an index do against its keyword search."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from esmm.cli.common import (
    calibration_of,
    connection_options,
    device_option,
    load_recipe,
    open_cluster,
    recipe_option,
    say,
    write_out,
)
from esmm.cli.judged import judged_options, own_body, question_photos
from esmm.server import find_server

if TYPE_CHECKING:
    from esmm.evaluate.interleave import Outcome
    from esmm.evaluate.report import Report
    from esmm.evaluate.run import Shop
    from esmm.learn.judgements import Judgements
    from esmm.recipe import Recipe

FELL = 4
_WIDE = 170


@click.command()
@click.argument("judgements", required=False)
@judged_options
@click.option(
    "--fusion",
    "fusions",
    multiple=True,
    metavar="FILE",
    help="A tuned fusion; may be repeated [fusion.json beside the recipe].",
)
@click.option(
    "--strategy",
    "strategies",
    multiple=True,
    type=click.Choice(["exact", "boost", "linear", "rrf"]),
    help="Also search by this strategy with the first fusion; may be repeated.",
)
@click.option("--measure", default="nDCG@10", show_default=True, help="What systems are compared by.")
@click.option("--json", "json_out", metavar="FILE", help="Write the report as JSON.")
@click.option("--html", "html_out", metavar="FILE", help="Write the report as one page with drawings.")
@click.option("--against", metavar="FILE", help="An older report (--json): exit code 4 where quality fell.")
@click.option("--interleaving", metavar="LOG", help="A log of interleaved pages, instead of judgements.")
@recipe_option
@device_option
@connection_options
def evaluate(judgements: str | None, recipe_path: str, device: str, interleaving: str | None, **options: Any) -> None:
    """Measure the fusions of an index by JUDGEMENTS, beside its keyword search and other yardsticks.

    \b
    esmm evaluate judgements.tsv --html report.html
    esmm evaluate judgements.tsv --json new.json --against old.json    for the continuous integration of a shop
    esmm evaluate --interleaving log.jsonl                             which of two fusions do people click?

    Exit codes: 0 all well, 4 a measure of the keyword search or of a fusion fell against the older report.
    """  # noqa: D301  # \b keeps click from folding the lines
    from esmm.evaluate.run import older
    from esmm.learn.judgements import read_judgements

    if (judgements is None) == (interleaving is None):
        raise click.UsageError("give judgements, or a log with --interleaving")
    if interleaving is not None:
        _tell_clicks(interleaving)
        return
    names = ("body", "fusions", "strategies", "photos", "form", "topics", "measure", "json_out", "html_out", "against")
    given = {name: options.pop(name) for name in names}
    recipe = load_recipe(recipe_path)
    judged = read_judgements(str(judgements), format=given["form"], topics=given["topics"])
    old = older(Path(given["against"]), judged.digest) if given["against"] else None
    report = _report(judged, recipe, device, given, options)
    _tell(report)
    _write(report, given)
    if old:
        _compare(report, old)


def _report(
    judged: "Judgements", recipe: "Recipe", device: str, given: dict[str, Any], options: dict[str, Any]
) -> "Report":
    from esmm.cli.progress import steps
    from esmm.evaluate.measures import check_names
    from esmm.evaluate.run import beside, evaluate

    check_names([given["measure"]])
    fusions = [Path(name) for name in given["fusions"]] or beside(recipe)
    with _shop(recipe, device, given, options) as shop, steps("asking for scores") as on_step:
        return evaluate(
            shop, judged, fusions, measure=given["measure"], strategies=given["strategies"], on_step=on_step
        )


@contextmanager
def _shop(recipe: "Recipe", device: str, given: dict[str, Any], options: dict[str, Any]) -> "Iterator[Shop]":
    from esmm.cluster import named_errors
    from esmm.evaluate.run import Shop
    from esmm.query.search import Searcher

    body = own_body(given["body"])
    with question_photos(given["photos"]) as photo_of:
        server = open_cluster(find_server(**options))
        with named_errors(server.where):
            searcher = Searcher(server.client, recipe, server.can, device=device)
            yield Shop(server.client, server.can, recipe, searcher, body, calibration_of(recipe), photo_of)


def _tell(report: "Report") -> None:
    from rich.console import Console

    from esmm.evaluate.terminal import tables

    console = Console()
    console = console if console.is_terminal else Console(width=_WIDE)
    for table in tables(report):
        console.print(table, "")
    console.print(report.verdict, markup=False, highlight=False)
    for caution in report.cautions:
        say(f"beware: {caution}")
    for key in ("not in the index", "left out"):
        if key in report.provenance:
            say(f"{key}: {report.provenance[key]}")


def _write(report: "Report", given: dict[str, Any]) -> None:
    from esmm.evaluate.report import write_page

    if given["json_out"]:
        write_out(given["json_out"], json.dumps(report.as_json(), indent=1, ensure_ascii=False) + "\n")
        say(f"written to {given['json_out']}")
    if given["html_out"]:
        write_page(report, Path(given["html_out"]))
        say(f"written to {given['html_out']}")


def _compare(report: "Report", old: dict[str, Any]) -> None:
    from esmm.evaluate.run import fallen

    found = fallen(report, old)
    for fall in found:
        click.echo(str(fall))
    if found:
        raise click.exceptions.Exit(FELL)
    click.echo("nothing fell")


def _tell_clicks(log: str) -> None:
    from esmm.evaluate.interleave import credited, read_impressions

    click.echo(line_of(credited(read_impressions(Path(log)))))


def line_of(outcome: "Outcome") -> str:
    """Say who won how many pages, and how sure that is."""
    (first, second), (mine, theirs) = outcome.teams, outcome.wins
    sure = "significant" if outcome.p < 0.05 else "not significant"
    share = f"{outcome.share:.1%} [{outcome.low:.1%}, {outcome.high:.1%}]" if mine + theirs else "unknown"
    return (
        f"{first} won {mine} pages, {second} {theirs}; {outcome.drawn} drawn, {outcome.without} without a click that "
        f"counts\nshare of {first}: {share}, p = {outcome.p:.3f}: {sure}"
    )
