"""``esmm calibrate``: find the saturation constant of a query of your own."""

from pathlib import Path
from typing import Any

import click

from esmm.cli.common import (
    calibration_of,
    calibration_path,
    connection_options,
    load_recipe,
    open_cluster,
    recipe_option,
)
from esmm.cli.upgrade import read_text
from esmm.errors import QueryError
from esmm.server import find_server


@click.command()
@click.argument("body")
@click.argument("queries")
@click.option("--print", "print_", is_flag=True, help="Print the constant and store nothing.")
@recipe_option
@connection_options
def calibrate(body: str, queries: str, print_: bool, recipe_path: str, **flags: Any) -> None:
    """Find the score that counts one half for the query in BODY (a JSON search body), by a log of QUERIES.

    QUERIES is a text file, one query a line, as customers send them. The constant is stored beside the recipe, in
    calibration.json, with the shape of the query: its words and filters may change, its fields and boosts not.
    """
    from esmm.cluster import named_errors
    from esmm.query.body import read_body
    from esmm.query.calibrate import calibrate as measure

    recipe = load_recipe(recipe_path)
    query = read_body(read_text(body)).get("query")
    if not query:
        raise QueryError(f"{body} has no query", "give the search body as your shop sends it")
    texts = [line.strip() for line in read_text(queries).splitlines() if line.strip()]
    server = open_cluster(find_server(**flags))
    with named_errors(server.where):
        constant = measure(server.client, recipe.index.name, query, texts)
    click.echo(f"k = {constant:g}: the median score at rank 10 over {len(texts)} queries")
    if not print_:
        path: Path = calibration_path(recipe)
        calibration_of(recipe).with_constant(query, constant).save(path)
        click.echo(f"stored in {path}")
