"""The options of ``esmm ingest`` that say how the load goes about it."""

import re
from typing import TYPE_CHECKING, Any

import click

from esmm.cli.common import together

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


def seconds(_context: click.Context, _option: click.Parameter, text: str) -> float:
    """Read a duration as a person writes it, 2s or 500ms; in seconds."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s)?", text.strip())
    if not match:
        raise click.BadParameter(f"{text} is no duration; write 2s or 500ms")
    return float(match[1]) / (1000 if match[2] == "ms" else 1)


# What :func:`wishes_of` takes.
wish_options = together(
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
    click.option("--follow", is_flag=True, help="Go on with lines that are added to CATALOGUE later, until Ctrl-C."),
    click.option(
        "--delay",
        callback=seconds,
        default="2s",
        show_default=True,
        help="With --follow: how long a line may wait for others.",
    ),
)


def wishes_of(flags: dict[str, Any]) -> "Wishes":
    """Take the wishes out of the flags of a command line."""
    from esmm.ingest.job import Wishes

    delay = flags.pop("delay")
    follow = delay if flags.pop("follow") else None
    wishes = Wishes(flags.pop("new_version"), flags.pop("sync"), flags.pop("max_deletes"), follow)
    if follow is not None and (wishes.new_version or wishes.sync):
        raise click.UsageError("--follow goes with neither --new-version nor --sync: it never sees a whole catalogue")
    return wishes
