"""``esmm align``: train a photo encoder into the text encoder's space."""

import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from esmm.cli.common import RECIPE, load_recipe, say

if TYPE_CHECKING:
    from collections.abc import Callable

    from esmm.align.measures import Epoch
    from esmm.align.pairs import Catalogue
    from esmm.align.run import Job, Watch

_HELP = {
    "train": "What learns: the projection, the backbone's second half too, or all of it.",
    "loss": "What is made small.",
    "probe": "Passes of the projection alone over stored features: epoch 1, before the others; 0 leaves it out.",
    "epochs": "Passes over the pairs.",
    "batch": "Pairs compared at a time.",
    "side": "Pixels of the square that photos are fitted into.",
    "hidden": "Width of the projection; 0: that of the tower gone on from, or 384. Another one draws it anew.",
    "learning_rate": "Highest rate of the projection.",
    "backbone_rate": "The backbone's rate, as a share of it.",
    "weight_decay": "Decay of the weights (AdamW).",
    "warmup": "Share of the steps in which the rate rises.",
    "hard": "Share of a batch that BM25 finds near to the rest of it.",
    "keep": "Weight of keeping photos near each other, in the probe, that the backbone had near.",
    "colours": "How sure a photo must make of a colour, to put it before captions that name none; 1: never.",
    "scenes": "Weight of finding a product in a made-up scene; 0 leaves scenes out.",
    "validation": "Share of the pairs kept for validation.",
    "patience": "Epochs without gain that end the training.",
    "refit": "Passes of the best epoch's projection over all pairs, in the end; 0 leaves it out.",
    "seed": "Of all random numbers.",
}


_RANGES = {int: click.IntRange(min=0), float: click.FloatRange(min=0)}
_COUNTS = dict.fromkeys(("epochs", "batch", "side", "patience"), click.IntRange(min=1))


def _settings_options(command: "Callable[..., Any]") -> "Callable[..., Any]":
    """Add an option for each setting of a training."""
    from esmm.align.settings import Settings

    for field in reversed(fields(Settings)):
        choices = get_args(field.type)
        kind = click.Choice(choices) if choices else _COUNTS.get(field.name) or _RANGES[type(field.default)]
        flag = "--" + field.name.replace("_", "-")
        command = click.option(flag, type=kind, default=field.default, show_default=True, help=_HELP[field.name])(
            command
        )
    return command


@click.command()
@click.argument("catalogues", nargs=-1, required=True)
@click.option(
    "-r", "--recipe", "recipes", multiple=True, help=f"A recipe, or one for each catalogue.  [default: {RECIPE}]"
)
@click.option(
    "-o", "--out", "folder", required=True, help="Folder for the result; an unfinished training there goes on."
)
@click.option(
    "--judged",
    help="Judged photos by customers (photo, product_id, gain): further photos of the products they show.",
)
@click.option("--photos", multiple=True, help="A folder or zip file of photos; may be given several times.")
@click.option("--allow-private", is_flag=True, help="Fetch photos from private network addresses too.")
@click.option(
    "--backbone", default="mobilenet_v2", show_default=True, help="A torchvision model, or a tower to go on from."
)
@click.option("--weights", type=click.Path(path_type=Path), help="Its weights file; left out: torchvision's own.")
@click.option("--limit", type=click.IntRange(min=1), help="Take no more pairs than this of each catalogue.")
@click.option("--search", is_flag=True, help="Try a few settings on part of the pairs first, and train with the best.")
@click.option("-q", "--quiet", is_flag=True, help="Print faults only.")
@_settings_options
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda", "mps"]),
    default="auto",
    show_default=True,
    help="Where the training runs.",
)
def align(catalogues: tuple[str, ...], *, folder: str, search: bool, quiet: bool, **given: Any) -> None:
    """Train a photo encoder on the CATALOGUES' own photos and texts, into the space of their text encoder.

    The result is a folder: name it as image.model in the recipe, and words find photos.
    Killed or interrupted, the same command goes on after the last whole epoch.
    """
    from esmm.align.measures import best_of
    from esmm.align.run import align as train
    from esmm.align.search import best_settings

    job, watch = _job(catalogues, folder, given), _watch(quiet=quiet)
    if search:
        job = replace(job, settings=best_settings(job, watch, lambda line: None if quiet else click.echo(line)))
    history = train(job, watch)
    if not quiet:
        best = best_of(history)
        refit = ", its projection fitted to all pairs" if job.settings.refit else ""
        click.echo(
            f'{folder} holds the tower of epoch {best.number}{refit}; in the recipe:\n\n[image]\nmodel = "{folder}"'
        )


def _job(catalogues: tuple[str, ...], folder: str, given: dict[str, Any]) -> "Job":
    from esmm.align.run import Job
    from esmm.align.settings import Settings
    from esmm.encoders import pick_device

    settings = Settings(**{field.name: given[field.name] for field in fields(Settings)})
    return Job(
        catalogues=_sources(catalogues, given),
        folder=Path(folder),
        settings=settings,
        backbone=given["backbone"],
        weights=given["weights"],
        limit=given["limit"],
        device=pick_device(given["device"]),
    )


def _sources(catalogues: tuple[str, ...], given: dict[str, Any]) -> "list[Catalogue]":
    from esmm.align.pairs import Catalogue
    from esmm.ingest.job import Source

    paths = given["recipes"] or (RECIPE,)
    if len(paths) not in (1, len(catalogues)):
        raise click.UsageError(f"{len(paths)} recipes for {len(catalogues)} catalogues: give one, or one for each")
    if given["judged"] and len(catalogues) > 1:
        raise click.UsageError("--judged goes with one catalogue, whose products its photos show")
    customers = _customers(given["judged"]) if given["judged"] else {}
    recipes = [load_recipe(path) for path in paths] * (len(catalogues) if len(paths) == 1 else 1)
    extra = tuple(map(Path, given["photos"]))
    made = []
    for catalogue, recipe in zip(catalogues, recipes, strict=True):
        places = (*extra, *(recipe.image.photo_places if recipe.image else ()))
        stdin = sys.stdin.buffer if catalogue == "-" else None
        made.append(Catalogue(Source(catalogue, places, stdin, given["allow_private"]), recipe, customers))
    return made


def _customers(file: str) -> "dict[str, tuple[str, ...]]":
    from esmm.align.customers import by_product
    from esmm.learn.judgements import read_judgements

    gains = {question.photo: found for question, found in read_judgements(file).gains.items() if question.photo}
    return by_product(gains, file)


def _watch(*, quiet: bool) -> "Watch":
    from esmm.align.run import Watch

    if quiet:
        return Watch()
    return Watch(on_stage=say, on_step=_step_shown(), on_epoch=lambda epoch: click.echo(line_of(epoch)))


def line_of(epoch: "Epoch") -> str:
    """Return one epoch as a line: loss, recall and MRR both ways."""
    ways = (("text to photo", epoch.text_to_photo), ("photo to text", epoch.photo_to_text))
    shown = "; ".join(
        f"{name} R@1 {way.recall_1:.3f} R@5 {way.recall_5:.3f} R@10 {way.recall_10:.3f} "
        f"MRR {way.mrr:.3f} MAP {way.map:.3f}"
        for name, way in ways
    )
    loss = "before training" if epoch.loss is None else f"loss {epoch.loss:.3f}"
    return f"epoch {epoch.number}: {loss}; {shown}; {epoch.seconds:.0f} s"


def _step_shown() -> "Callable[[int, int], None]":
    """Show the steps of an epoch on one line of a terminal; elsewhere nothing, the epochs have lines of their own."""
    if not sys.stderr.isatty():
        return lambda _done, _all: None
    return lambda done, all_: click.echo(
        f"\r  step {done} of {all_} " + ("\r" if done == all_ else ""), err=True, nl=False
    )
