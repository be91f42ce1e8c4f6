"""``esmm ingest``: load a catalogue with its vectors."""

import signal
import sys
import time
from contextlib import contextmanager, nullcontext
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

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
    write_out,
)
from esmm.cli.engine import engine_of, engine_options
from esmm.cli.parts import part_of_flags, part_options
from esmm.cli.summary import summary
from esmm.cli.wishes import wish_options, wishes_of
from esmm.server import find_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from esmm.cluster import Connection
    from esmm.encoders import Encoder
    from esmm.ingest.job import Source, Wishes
    from esmm.ingest.ray_engine import RayEngine
    from esmm.ingest.report import LoadReport
    from esmm.recipe import Recipe


@click.command()
@click.argument("catalogue")
@recipe_option
@click.option("--photos", multiple=True, help="A folder or zip file of photos; may be given several times.")
@click.option("--allow-private", is_flag=True, help="Fetch photos from private network addresses too.")
@wish_options
@part_options
@engine_options
@click.option("--dry-run", is_flag=True, help="Check every line; encode and store nothing.")
@click.option("-q", "--quiet", is_flag=True, help="Print faults only.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@device_option
@connection_options
def ingest(
    catalogue: str,
    recipe_path: str,
    photos: tuple[str, ...],
    allow_private: bool,
    dry_run: bool,
    quiet: bool,
    as_json: bool,
    device: str,
    **flags: Any,
) -> None:
    """Load CATALOGUE (JSONL, JSON, CSV, TSV, Parquet, any of them gzipped; - is standard input).

    Only what changed is encoded and written, in the index in use. At first, or where recipe or encoders changed its
    shape, a new version is filled beside it; the alias moves once that is whole and verified. A load that was
    interrupted or killed is gone on with by the same command.

    Exit codes: 0 all stored, 3 some lines rejected (written to *.rejected.jsonl), 1 ended early.
    """
    from dataclasses import replace

    from esmm.ingest.catalogue import head
    from esmm.ingest.fit import LOOKED_AT, check_fit
    from esmm.ingest.load import check

    part, engine = part_of_flags(flags), engine_of(flags, device)
    wishes = wishes_of(flags)
    recipe = _recipe(recipe_path, catalogue, quiet=quiet)
    if catalogue != "-" and wishes.follow is None:
        check_fit(recipe, head(catalogue, LOOKED_AT))
    source = replace(_source(catalogue, recipe, photos, allow_private=allow_private), part=part)
    if dry_run:
        report = check(source, recipe)
    else:
        server = ensure_server(find_server(**flags), quiet=quiet)
        report = run(source, recipe, server, device=device, quiet=quiet, wishes=wishes, engine=engine)
    if as_json:
        click.echo(_as_json(report))
    elif not quiet:
        click.echo(summary(report, dry_run=dry_run))
    elif report.rejected:
        say(f"{report.rejected:,} of {report.read:,} lines rejected: {report.rejected_file}")
    raise click.exceptions.Exit(report.exit_code)


def run(
    source: "Source",
    recipe: "Recipe",
    server: Cluster,
    *,
    device: str,
    quiet: bool,
    wishes: "Wishes | None" = None,
    engine: "AbstractContextManager[RayEngine | None] | None" = None,
) -> "LoadReport":
    """Load with progress shown; used by ``esmm demo`` too."""
    from esmm.cli.progress import load_progress
    from esmm.cluster import named_errors
    from esmm.ingest.fit import estimate
    from esmm.ingest.follow import follow
    from esmm.ingest.job import Job, Server, Wishes
    from esmm.ingest.load import load
    from esmm.ingest.vectors import open_cache

    wishes = wishes or Wishes()
    encoders, missing = _encoders(recipe, device, quiet=quiet)
    with (
        _told_on_interrupt(recipe.index.name),
        named_errors(server.where),
        open_cache(say) as cache,
        engine or nullcontext() as encoding,
        load_progress(None if source.part else estimate(source.catalogue), quiet=quiet) as progress,
    ):
        job = Job(source, recipe, Server(server.client, server.can), encoders, cache, progress, encoding)
        if wishes.follow is None:
            report = load(job, wishes)
        else:
            with _stopping(quiet=quiet) as stop:
                report = follow(job, delay=wishes.follow, stop=stop)
    report.without_encoder = missing
    return report


def ensure_server(where: "Connection", *, quiet: bool) -> Cluster:
    """Return a server; where none is named and nothing answers, start a local one."""
    from dataclasses import replace

    from esmm import node
    from esmm.cli.progress import node_progress
    from esmm.errors import Unreachable

    try:
        return open_cluster(where)
    except Unreachable:
        if where.named:
            raise
    if not quiet:
        say("no Elasticsearch is named and none answers: starting a local one (esmm down stops it)")
    begun = time.monotonic()
    with node_progress() as progress:
        started = node.up(on_progress=(lambda *_: None) if quiet else progress)
    if not quiet:
        say(f"Elasticsearch {started.version} ready at {started.url} after {time.monotonic() - begun:.0f} s")
    return open_cluster(replace(where, url=started.url))


@contextmanager
def _stopping(*, quiet: bool) -> "Iterator[Event]":
    """Give an event that the first Ctrl-C, or SIGTERM, sets; a second one ends the program at once."""
    stop = Event()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def end(*_: object) -> None:
        stop.set()
        for number, handler in before.items():
            signal.signal(number, handler)

    for number in before:
        signal.signal(number, end)
    if not quiet:
        say("waiting for lines; Ctrl-C ends it")
    try:
        yield stop
    finally:
        end()


@contextmanager
def _told_on_interrupt(alias: str) -> "Iterator[None]":
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"interrupted; searches of {alias} go on, and the same command finishes the load"
        ) from None


def _recipe(path: str, catalogue: str, *, quiet: bool) -> "Recipe":
    """Take the recipe named, the one beside the catalogue, or write one from what the catalogue looks like."""
    from esmm.cli.init import recipe_for

    beside = Path(catalogue).parent / RECIPE
    if path == RECIPE and not Path(path).is_file() and beside.is_file():
        return load_recipe(str(beside))
    if path == RECIPE and not Path(path).is_file() and catalogue != "-":
        write_out(path, recipe_for(catalogue))
        if not quiet:
            say(f"no recipe here: wrote {path} from what {catalogue} looks like; edit it and load again to change it")
    return load_recipe(path)


def _source(catalogue: str, recipe: "Recipe", photos: tuple[str, ...], *, allow_private: bool) -> "Source":
    from esmm.ingest.job import Source

    places = [*map(Path, photos), *(recipe.image.photo_places if recipe.image else [])]
    stdin = sys.stdin.buffer if catalogue == "-" else None
    return Source(catalogue, tuple(places), stdin, allow_private)


def _encoders(recipe: "Recipe", device: str, *, quiet: bool) -> "tuple[dict[str, Encoder], dict[str, str]]":
    """Load what loads. A text encoder that does not load ends the run; without a photo encoder it goes on."""
    from esmm.encoders import load_encoders

    encoders, faults = load_encoders(recipe, device=device, late=True)
    if "text" in faults:
        raise faults["text"]
    if "image" in faults and not quiet:
        say(f"no photo vectors in this load: {faults['image']}")
    return encoders, {clause: fault.message for clause, fault in faults.items()}


def _as_json(report: "LoadReport") -> str:
    import json

    return json.dumps(report.as_json(), indent=2)
