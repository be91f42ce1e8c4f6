"""``esmm rollback``: go back to the version before."""

from typing import Any

import click

from esmm.cli.common import connection_options, load_recipe, open_cluster, recipe_option
from esmm.server import find_server


@click.command()
@recipe_option
@click.option("--dry-run", is_flag=True, help="Say what would be done, and change nothing.")
@connection_options
def rollback(recipe_path: str, dry_run: bool, **flags: Any) -> None:
    """Move the alias back to the version of the index before the last load."""
    from esmm.cluster import named_errors
    from esmm.ingest import index

    recipe = load_recipe(recipe_path)
    server = open_cluster(find_server(**flags))
    with named_errors(server.where):
        if dry_run:
            known = index.versions(server.client, recipe.index.name)
            click.echo(
                f"{known.alias} points to {known.current or 'nothing'}; before it: {known.previous or 'nothing'}"
            )
            return
        left, taken = index.rollback(server.client, recipe.index.name)
    click.echo(f"{recipe.index.name} now points to {taken}; {left} is kept")
