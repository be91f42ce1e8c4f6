"""Options and steps that several commands share."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from esmm.errors import RecipeError

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

    from esmm.cluster import Capabilities, Connection
    from esmm.query.calibrate import Calibration
    from esmm.recipe import Recipe

RECIPE = "esmm.toml"
F = TypeVar("F", bound=Callable[..., Any])

_CONNECTION = [
    click.option("--url", help="Address of Elasticsearch [ELASTICSEARCH_URL]."),
    click.option("--api-key", help="API key [ELASTICSEARCH_API_KEY]; better set in the environment or .env."),
    click.option("--username", help="User of basic authentication [ELASTICSEARCH_USERNAME]."),
    click.option("--password", help="Its password [ELASTICSEARCH_PASSWORD]; better set in the environment or .env."),
    click.option("--cloud-id", help="Elastic Cloud id [ELASTICSEARCH_CLOUD_ID]."),
    click.option("--ca-certs", help="PEM file of the certificate authority [ELASTICSEARCH_CA_CERTS]."),
    click.option("--env-file", default=".env", show_default=True, help="File that may hold these variables."),
]


def connection_options(command: F) -> F:
    """Add the options that say where Elasticsearch is; the command gets them as keywords for :func:`open_cluster`."""
    for option in reversed(_CONNECTION):
        command = option(command)
    return command


def recipe_option(command: F) -> F:
    """Add ``--recipe``."""
    return click.option("-r", "--recipe", "recipe_path", default=RECIPE, show_default=True, help="The recipe.")(command)


device_option = click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda", "mps"]),
    default="auto",
    show_default=True,
    help="Where encoders run.",
)


class Cluster(NamedTuple):
    """A server that answered."""

    client: "Elasticsearch"
    can: "Capabilities"
    where: "Connection"


def find_server(flags: dict[str, Any]) -> "Connection":
    """Return the connection that is named by flag, environment or file; else that of the local node, if it runs."""
    from dataclasses import replace

    from esmm import node
    from esmm.cluster import connection

    where = connection(**flags)
    if where.named:
        return where
    local = node.status()
    return replace(where, url=local.url) if local else where


def open_cluster(where: "Connection") -> Cluster:
    """Connect and ask what the server can do. Raises ClusterError."""
    from esmm.cluster import capabilities, connect, named_errors

    with named_errors(where):
        client = connect(where)
        return Cluster(client, capabilities(client), where)


def load_recipe(path: str) -> "Recipe":
    """Read the recipe named on the command line. Raises RecipeError."""
    from esmm.recipe import load

    if not Path(path).is_file():
        raise RecipeError(path, ["it does not exist"], "esmm init CATALOGUE writes one; --recipe names another file")
    return load(path)


def calibration_path(recipe: "Recipe") -> Path:
    """Return where the calibration of a recipe's queries lies: beside the recipe."""
    from esmm.query.calibrate import Calibration

    return Path(recipe.source).parent / Calibration.FILE


def calibration_of(recipe: "Recipe") -> "Calibration":
    """Read the calibration beside a recipe."""
    from esmm.query.calibrate import Calibration

    return Calibration.load(calibration_path(recipe))


def say(text: str) -> None:
    """Tell the user something beside the result."""
    click.echo(text, err=True)
