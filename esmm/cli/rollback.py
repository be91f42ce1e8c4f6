"""``esmm rollback``: go back to the version before."""

from typing import Any

import click

from esmm.cli.common import Cluster, connection_options, load_recipe, open_cluster, recipe_option, say
from esmm.server import find_server


@click.command()
@recipe_option
@click.option("--dry-run", is_flag=True, help="Say what would be done, and change nothing.")
@connection_options
def rollback(recipe_path: str, dry_run: bool, **flags: Any) -> None:
    """Move the alias back to the version of the index before the last load."""
    from esmm.cluster import named_errors
    from esmm.ingest import index
    from esmm.ingest.lock import alone

    recipe = load_recipe(recipe_path)
    server = open_cluster(find_server(**flags))
    alias = recipe.index.name
    with named_errors(server.where):
        if dry_run:
            left, taken = _choice(server, alias)
            click.echo(f"{alias} points to {left}; before it: {taken}")
            return
        with alone(server.client, alias, doing="esmm rollback"):
            left, taken = _choice(server, alias)
            index.rollback(server.client, alias, left=left, taken=taken)
    click.echo(f"{alias} now points to {taken}; {left} is kept")


def _choice(server: Cluster, alias: str) -> tuple[str, str]:
    """Return the version in use and the one before it, and tell how they differ."""
    from esmm.ingest import index

    left, taken = index.before(server.client, alias)
    if told := index.differences(server.client, left, taken):
        say(f"{taken} was made by another recipe than {left}: {'; '.join(told)}")
    return left, taken
