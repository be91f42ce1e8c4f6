"""``esmm up``, ``esmm down``, ``esmm status``: the local Elasticsearch."""

import click

from esmm.cli.common import say
from esmm.cli.progress import node_progress
from esmm.node import SOURCES, Node


@click.command()
@click.option(
    "--source",
    type=click.Choice(["auto", *SOURCES]),
    default="auto",
    show_default=True,
    help="Where to take Elasticsearch from.",
)
@click.option("--version", help="The version of Elasticsearch, such as 8.19.13.")
@click.option("--archive", help="An Elasticsearch archive (.tar.gz or .zip) to use.")
@click.option("--home", help="An unpacked Elasticsearch to use.")
@click.option("--port", type=click.IntRange(1, 65535), help="The port to listen on; a free one if left out.")
def up(source: str, version: str | None, archive: str | None, home: str | None, port: int | None) -> None:
    """Start a local Elasticsearch, or find the one that runs."""
    from esmm.node import up as start

    with node_progress() as progress:
        node = start(source=source, version=version, archive=archive, home=home, port=port, on_progress=progress)
    click.echo(_line(node))
    say(f"use it from elsewhere: export ELASTICSEARCH_URL={node.url}")


@click.command()
def down() -> None:
    """Stop the local Elasticsearch that `esmm up` started; its data is kept."""
    from esmm.node import down as stop

    node = stop()
    click.echo(
        f"stopped {node.url}; data kept in {node.data}" if node else "nothing to stop: no local node of esmm runs"
    )


@click.command()
def status() -> None:
    """Show the local Elasticsearch; exit code 1 where none runs."""
    from esmm.node import status as look

    node = look()
    click.echo(_line(node) if node else "no local node of esmm runs; start one: esmm up")
    if node is None:
        raise click.exceptions.Exit(1)


def _line(node: Node) -> str:
    return (
        f"Elasticsearch {node.version} at {node.url} (from {node.source}, data in {node.data}, pid {node.pid or '-'})"
    )
