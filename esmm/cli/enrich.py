"""``esmm enrich``: vectors for an index that exists already and serves traffic."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from esmm.cli.common import (
    RECIPE,
    Cluster,
    connection_options,
    device_option,
    load_recipe,
    open_cluster,
    recipe_option,
    say,
)
from esmm.errors import RecipeError
from esmm.server import find_server

if TYPE_CHECKING:
    from esmm.encoders import Encoder
    from esmm.enrich.job import Job
    from esmm.enrich.report import EnrichReport, Survey
    from esmm.ingest.report import Counts
    from esmm.recipe import Recipe

_STATES = {
    "current": "have their vectors",
    "lacking": "lack vectors",
    "stale": "changed since they got theirs, or the encoder did",
    "partial": "have photos that could not be used",
    "empty": "have neither text nor photo",
}


@click.command()
@click.argument("index")
@recipe_option
@click.option("--photos", multiple=True, help="A folder or zip file of photos; may be given several times.")
@click.option("--allow-private", is_flag=True, help="Fetch photos from private network addresses too.")
@click.option("--docs-per-second", type=click.IntRange(1), help="Write at most so many documents a second.")
@click.option("--slices", type=click.IntRange(1, 64), default=2, show_default=True, help="Parts read side by side.")
@click.option("--dry-run", is_flag=True, help="Show the new fields and count what is to do; write nothing.")
@click.option("--verify", is_flag=True, help="Count what lacks vectors, encode a sample again; exit code 1 if wrong.")
@click.option("--remove", is_flag=True, help="Take the vectors out of the documents again.")
@click.option("-q", "--quiet", is_flag=True, help="Print faults only.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@device_option
@connection_options
def enrich(index: str, recipe_path: str, quiet: bool, as_json: bool, **options: Any) -> None:
    """Add vectors to the documents of INDEX, an index or alias that your shop fills and searches.

    No other field is touched, and what others write meanwhile is neither lost nor overwritten. Run it again whenever
    you like: it goes on with what is undone and what changed since. Exit codes: 0 all done, 3 some documents left
    (those rejected are in INDEX.rejected.jsonl), 1 nothing done, or --verify found something wrong.
    """
    verify, remove, dry_run = (options.pop(name) for name in ("verify", "remove", "dry_run"))
    if verify and (remove or dry_run):
        raise click.UsageError("--verify only looks: give it without --remove and --dry-run.")
    manner = {name: options.pop(name) for name in ("photos", "allow_private", "docs_per_second", "slices", "device")}
    recipe = _recipe(recipe_path, index)
    server = open_cluster(find_server(**options))
    with _watched(_job(server, recipe, encodes=not remove, **manner), server, quiet=quiet) as job:
        if remove:
            ended = _removed(job, server, dry_run=dry_run)
        elif verify:
            ended = _verified(job)
        else:
            ended = _planned(job) if dry_run else _enriched(job)
    if as_json:
        click.echo(json.dumps(ended.report.as_json(), indent=2))
    elif ended.code or not quiet:
        click.echo("\n".join(ended.told))
    raise click.exceptions.Exit(ended.code)


class _Ended(NamedTuple):
    """What a run leaves: its counts, the lines that tell them, the exit code."""

    report: "Counts"
    told: list[str]
    code: int


@contextmanager
def _watched(job: "Job", server: Cluster, *, quiet: bool) -> "Iterator[Job]":
    """Show how far the job is, name its errors, and say what an interruption left."""
    from esmm.cli.progress import load_progress
    from esmm.cluster import named_errors

    count = server.client.options(ignore_status=[404, 400]).count(index=job.recipe.index.name).get("count")
    try:
        with named_errors(server.where), load_progress(count, quiet=quiet) as progress:
            yield replace(job, on_progress=progress)
    except KeyboardInterrupt:
        say("what was written stays; the next run goes on with the rest")
        raise


def _enriched(job: "Job") -> _Ended:
    from esmm.enrich.run import enrich
    from esmm.ingest.vectors import open_cache

    with open_cache(say) as cache:
        report = enrich(job, cache)
    lines = [
        f"{report.read:,} documents read: {report.stored:,} got vectors, {report.unchanged:,} had them already, "
        f"{report.empty:,} have neither text nor photo, {report.rejected:,} rejected"
    ]
    for clause, count in report.encoded.items():
        lines.append(f"  {clause} vectors: {count:,} encoded, {report.cached[clause]:,} known from before")
    lines += [f"  {field}: into {count:,} documents" for field, count in report.vectors.items()]
    return _Ended(report, [*lines, *_faults(report), *_met(report), _rate(report, "enriched")], report.exit_code)


def _removed(job: "Job", server: Cluster, *, dry_run: bool) -> _Ended:
    from esmm.enrich.remove import remove

    report = remove(job, server.can, dry_run=dry_run)
    if dry_run:
        return _Ended(report, [f"{report.read:,} documents of {report.index} would lose their vectors"], 0)
    first = f"{report.read:,} documents read: {report.stored:,} lost their vectors and fingerprint"
    kept = "the fields stay in the mapping, empty: Elasticsearch removes none"
    return _Ended(report, [first, *_faults(report), *_met(report), kept, _rate(report, "as before")], report.exit_code)


def _planned(job: "Job") -> _Ended:
    from esmm.enrich.verify import survey

    report = survey(job, sample=0)
    fields = json.dumps({"properties": report.lacking}, indent=2) if report.lacking else "{}"
    lines = [f"PUT /{report.index}/_mapping", fields, *_states(report), *_faults(report)]
    return _Ended(report, lines, report.exit_code)


def _verified(job: "Job") -> _Ended:
    from esmm.enrich.verify import survey

    report = survey(job)
    lines = [*_states(report), *_faults(report)]
    for field, cosines in report.cosines.items():
        lines.append(f"  {field}: {len(cosines)} encoded again, least cosine with the index {min(cosines):.4f}")
    wrong = report.to_do or report.wrong or report.rejected
    return _Ended(
        report, [*lines, *([f"esmm enrich {report.alias} mends it"] if report.to_do else [])], int(bool(wrong))
    )


def _states(report: "Survey") -> list[str]:
    counts = [f"  {count:,} {_STATES[state]}" for state, count in report.states.items() if count]
    return [f"{report.read:,} documents in {report.index}", *counts]


def _faults(report: "Counts") -> list[str]:
    lines = [f"  {reason}" for reason in report.reasons]
    if report.rejected:
        lines.append(f"  {report.rejected:,} rejected: {report.rejected_file}")
    if report.photo_faults:
        lines.append(f"  {report.photo_faults:,} photos could not be used: {report.photo_faults_file}")
    return lines


def _met(report: "EnrichReport") -> list[str]:
    """Say what other writers and the server did meanwhile."""
    told = {
        "were deleted meanwhile": report.gone,
        "changed at every try: the next run takes them": report.conflicts,
        "times the server forgot the point in time: what was undone was read again": report.pits_lost,
    }
    return [f"  {count:,} {what}" for what, count in told.items() if count]


def _rate(report: "EnrichReport", what: str) -> str:
    rate = report.stored / max(report.seconds, 1e-9)
    return f"{report.alias} ({report.index}) is {what} after {report.seconds:.1f} s ({rate:,.0f} documents/s)"


def _recipe(path: str, index: str) -> "Recipe":
    """Read the recipe. Raises RecipeError if there is none, or one of another index."""
    if path == RECIPE and not Path(path).exists():
        hint = "export some documents as JSON lines, then: esmm init EXPORT; look at it and set index.name"
        raise RecipeError(path, ["it does not exist, and an index tells too little to guess one"], hint)
    recipe = load_recipe(path)
    if recipe.index.name != index:
        fault = f"{recipe.line('index', 'name')}index.name is {recipe.index.name}, not {index}"
        raise RecipeError(path, [fault], "searches look there: name the index or alias that is to be searched")
    return recipe


def _encoders(recipe: "Recipe", device: str) -> "dict[str, Encoder]":
    """Load all encoders: without one, the vectors that it made before would be taken for stale."""
    from esmm.encoders import load_encoders

    encoders, faults = load_encoders(recipe, device=device, late=True)
    for fault in faults.values():
        raise fault
    if not encoders:
        raise RecipeError(recipe.source, ["it names no encoder"], "add [text] or [image]: esmm init --print shows both")
    return encoders


def _job(
    server: Cluster, recipe: "Recipe", *, encodes: bool, device: str, photos: tuple[str, ...], **manner: Any
) -> "Job":
    from esmm.enrich.job import Job

    beside = Path(recipe.source).parent
    return Job(
        server.client,
        recipe,
        encoders=_encoders(recipe, device) if encodes else {},
        photos=(beside, *map(Path, photos), *(recipe.image.photo_places if recipe.image else ())),
        faults=Path() if os.access(Path(), os.W_OK) else beside,
        **manner,
    )
