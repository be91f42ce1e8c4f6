"""The options of ``esmm ingest`` that say how the load goes about it."""

from typing import TYPE_CHECKING, Any

import click

from esmm.cli.common import F

if TYPE_CHECKING:
    from esmm.ingest.job import Wishes


def share(_context: click.Context, _option: click.Parameter, text: str) -> float:
    """Read a share as a person writes it, 10% or 0.1; a number from 0 to 1."""
    try:
        found = float(text.strip().removesuffix("%")) / (100 if text.strip().endswith("%") else 1)
    except ValueError:
        found = -1.0
    if not 0 <= found <= 1:
        raise click.BadParameter(f"{text} is no share; write 10% or 0.1")
    return found


_WISHES = [
    click.option(
        "--new-version", is_flag=True, help="Fill a whole new version, though the one in use could be updated."
    ),
    click.option("--sync", is_flag=True, help="Delete the products that CATALOGUE does not have."),
    click.option(
        "--max-deletes",
        callback=share,
        default="10%",
        show_default=True,
        help="With --sync: delete nothing where more than this share of the index would go.",
    ),
]


def wish_options(command: F) -> F:
    """Add the options that :func:`wishes_of` takes."""
    for option in reversed(_WISHES):
        command = option(command)
    return command


def wishes_of(flags: dict[str, Any]) -> "Wishes":
    """Take the wishes out of the flags of a command line."""
    from dataclasses import fields

    from esmm.ingest.job import Wishes

    return Wishes(**{wish.name: flags.pop(wish.name) for wish in fields(Wishes)})
