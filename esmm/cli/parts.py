"""``esmm parts``: how far a load in parts is; and the options by which ``esmm ingest`` loads one of them."""

import re
from typing import TYPE_CHECKING, Any

import click

from esmm.cli.common import connection_options, load_recipe, open_cluster, recipe_option, together
from esmm.server import find_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from esmm.ingest.parts import Part
    from esmm.ingest.run import Entry, Run

# What :func:`part_of_flags` takes.
part_options = together(
    click.option("--part", help="Load one part of CATALOGUE, such as 3/16: the products whose ids hash to it."),
    click.option("--run", "run_name", help="With --part: the name of the run, the same for all its parts."),
)
_WIDTHS = (6, 9, 12, 10)


def part_of_flags(flags: dict[str, Any]) -> "Part | None":
    """Take the part out of the flags of a command line. Raises UsageError."""
    from esmm.ingest.parts import Part

    part, run = flags.pop("part"), flags.pop("run_name")
    if not part and not run:
        return None
    if not part or not run:
        raise click.UsageError("--part and --run go together: --part 3/16 --run 2026-11-21")
    match = re.fullmatch(r"(\d{1,4})/(\d{1,4})", part)
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        raise click.UsageError(f"--part {part} is no part; they are counted from 1: 1/16 … 16/16")
    if flags.get("sync"):
        raise click.UsageError("--part needs no --sync: a run of parts fills a version of its own")
    return Part(int(match[1]), int(match[2]), run)


@click.command()
@recipe_option
@click.option("--drop", is_flag=True, help="Give up a run that is not whole: delete what its parts have stored.")
@connection_options
def parts(recipe_path: str, drop: bool, **flags: Any) -> None:
    """Show how far the parts of a load are (esmm ingest --part); exit code 1 where some are missing."""
    from esmm.cluster import named_errors
    from esmm.ingest.load_part import give_up
    from esmm.ingest.run import find_run, missing

    recipe = load_recipe(recipe_path)
    server = open_cluster(find_server(**flags))
    with named_errors(server.where):
        run = find_run(server.client, recipe.index.name)
        if run is None or (drop and (run.is_whole or not give_up(server.client, run))):
            click.echo(f"no run of parts fills {recipe.index.name}")
            return
        if drop:
            click.echo(f"run {run.name} is given up; {run.index} is deleted")
            return
        there = run.parts(server.client)
    for line in _table(run, there):
        click.echo(line)
    click.echo(f"run {run.name}: " + (f"{run.index} is whole" if run.is_whole else missing(run, there)))
    raise click.exceptions.Exit(0 if run.is_whole else 1)


def _table(run: "Run", there: "dict[int, Entry]") -> "Iterator[str]":
    from esmm.ingest.run import at, is_alive

    yield _row("part", "state", "products", "rejected", "by")
    for number, part in there.items():
        state = "stalled" if part["state"] == "loading" and not is_alive(part) else part["state"]
        counts = [f"{part[count]:,}" if count in part else "" for count in ("stored", "rejected")]
        yield _row(f"{number}/{run.of}", state, *counts, f"{part['host']}, process {part['pid']}, {at(part['alive'])}")


def _row(*cells: str) -> str:
    padded = [cell.ljust(width) for cell, width in zip(cells, _WIDTHS, strict=False)]
    return "".join([*padded, *cells[len(_WIDTHS) :]])
