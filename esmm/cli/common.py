"""Options and steps that several commands share."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from esmm.errors import EsmmError, RecipeError

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

    from esmm.cluster import Capabilities, Connection
    from esmm.query.calibrate import Calibration
    from esmm.query.clauses import VectorClause
    from esmm.query.encode import Ask
    from esmm.query.templates import Setting
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


def together(*options: Callable[[Any], Any]) -> Callable[[F], F]:
    """Return one decorator that adds all of these options, which stand in the help in this order."""

    def add(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return add


# Where Elasticsearch is, as :func:`esmm.server.find_server` takes it.
connection_options = together(*_CONNECTION)


def recipe_option(command: F) -> F:
    """Add ``--recipe``."""
    return click.option("-r", "--recipe", "recipe_path", default=RECIPE, show_default=True, help="The recipe.")(command)


device_option = click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda", "mps", "onnx"]),
    default="auto",
    show_default=True,
    help="Where encoders run; onnx: those that esmm compress made.",
)


class Cluster(NamedTuple):
    """A server that answered."""

    client: "Elasticsearch"
    can: "Capabilities"
    where: "Connection"


def write_out(path: str, text: str) -> None:
    """Write a file that a person named. Raises EsmmError if that cannot be."""
    try:
        Path(path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise EsmmError(f"{path} cannot be written: {error.strerror}", "name a file in a folder that exists") from None


def open_cluster(where: "Connection") -> Cluster:
    """Connect and ask what the server can do, more than once if it is busy or hangs up. Raises ClusterError."""
    from esmm.cluster import capabilities, connect, named_errors
    from esmm.ingest.patience import BUSY

    with named_errors(where):
        client = connect(where)
        return Cluster(client, capabilities(client.options(max_retries=3, retry_on_status=BUSY)), where)


def load_recipe(path: str) -> "Recipe":
    """Read the recipe named on the command line. Raises RecipeError."""
    from esmm.recipe import load

    if not Path(path).is_file():
        fault = "it is a folder" if Path(path).is_dir() else "it does not exist"
        raise RecipeError(path, [fault], "esmm init CATALOGUE writes one; --recipe names another file")
    return load(path)


def setting_of(server: Cluster, recipe: "Recipe") -> "tuple[Setting, dict[str, Any]]":
    """Return what the index's note tells: the setting of its searches, and the encoder of each clause."""
    from esmm.index_meta import meta_of
    from esmm.query.encode import sources_of
    from esmm.query.model import fusion_in_force
    from esmm.query.templates import Setting

    meta = meta_of(server.client, recipe.index.name)
    sources = sources_of(meta["clauses"], {"text", "photo"})
    return Setting(recipe, sources, fusion_in_force(recipe, meta.get("saturation")), server.can), meta["clauses"]


def encoded(server: Cluster, recipe: "Recipe", ask: "Ask", device: str) -> "tuple[Setting, list[VectorClause]]":
    """Return the setting of a question, and the vectors that it looks for. Raises EncoderError."""
    from esmm.query.encode import QuestionEncoder

    setting, clauses = setting_of(server, recipe)
    return setting, QuestionEncoder(recipe, clauses, device=device).clauses(ask)


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
