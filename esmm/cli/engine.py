"""The options of ``esmm ingest`` that say what runs the encoders: this process, or Ray."""

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import click

from esmm.cli.common import together

if TYPE_CHECKING:
    from esmm.ingest.ray_engine import RayEngine

# What :func:`engine_of` takes.
engine_options = together(
    click.option(
        "--engine",
        type=click.Choice(["local", "ray"]),
        default="local",
        show_default=True,
        help="What encodes: this process, or a Ray Data job.",
    ),
    click.option("--ray-address", help="With --engine ray: a cluster that runs [RAY_ADDRESS]; else one starts here."),
    click.option("--ray-workers", type=click.IntRange(1), help="With --engine ray: how many models at once."),
)


def engine_of(flags: dict[str, Any], device: str) -> "AbstractContextManager[RayEngine | None]":
    """Take the engine out of the flags of a command line. Raises UsageError."""
    engine, address, workers = (flags.pop(name) for name in ("engine", "ray_address", "ray_workers"))
    if engine == "ray" and flags["follow"]:
        raise click.UsageError("--engine ray does not go with --follow: a few lines at a time are encoded here")
    if engine == "ray":
        from esmm.ingest.ray_engine import connected

        return connected(address, workers=workers, device=device)
    if address or workers:
        raise click.UsageError("--ray-address and --ray-workers go with --engine ray")
    return nullcontext()
