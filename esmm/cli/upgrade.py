"""``esmm upgrade``: a search body of your own in, its hybrid form out."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from esmm.cli.common import (
    calibration_of,
    connection_options,
    device_option,
    load_recipe,
    open_cluster,
    recipe_option,
    say,
)
from esmm.errors import QueryError, Unreachable
from esmm.server import find_server

if TYPE_CHECKING:
    from esmm.query.search import Searcher
    from esmm.query.upgrade import Upgraded
    from esmm.recipe import Recipe


@click.command()
@click.argument("body")
@click.option("--text", help="What the text vector looks for; left out, the one text that the body asks for.")
@click.option("--image", help="A photo that the photo vector looks for: path, URL or data URI.")
@click.option("--like", multiple=True, metavar="ID", help="A product of the index to be like; may be repeated.")
@click.option("--avoid", help="A text to keep away from.")
@click.option(
    "--strategy",
    type=click.Choice(["auto", "exact", "boost", "linear", "rrf"]),
    default="auto",
    show_default=True,
    help="How the fusion becomes one request; auto takes exact, or boost for what exact cannot keep.",
)
@click.option(
    "--recall",
    type=click.Choice(["union", "rescue", "rerank"]),
    default="union",
    show_default=True,
    help="Vectors add products; only below all keyword hits; not at all.",
)
@click.option(
    "--facets",
    type=click.Choice(["union", "keyword"]),
    default="union",
    show_default=True,
    help="Aggregations count all hits, or the keyword's.",
)
@click.option("--placeholders", is_flag=True, help='Leave "<query_text>", "<text_vector>" … for a client to fill in.')
@click.option("--explain", is_flag=True, help="Say on standard error what changed and why.")
@recipe_option
@device_option
@connection_options
def upgrade(body: str, recipe_path: str, device: str, placeholders: bool, explain: bool, **options: Any) -> None:
    """Print the hybrid form of the search request in BODY, a JSON file (- is standard input).

    The query in it stays as it is, word for word; the vectors stand beside it under one fused score.
    """
    from esmm.query.encode import Ask, photo_of
    from esmm.query.upgrade import Options

    how = Options(**{name: options.pop(name) for name in ("strategy", "recall", "facets")})
    text, image = options.pop("text"), options.pop("image")
    ask = Ask(text, photo_of(image) if image else None, like=options.pop("like"), avoid=options.pop("avoid"))
    recipe = load_recipe(recipe_path)
    searcher = searcher_for(recipe, options, device)
    given = read_text(body)
    made = searcher.template(given, how) if placeholders else searcher.upgrade(given, ask, how)
    click.echo(json.dumps(made.body, indent=2, ensure_ascii=False))
    _tell(made, searcher, explain=explain)


def searcher_for(recipe: "Recipe", flags: dict[str, Any], device: str) -> "Searcher":
    """Ask the server what it can do; where none is named and none answers, build for a server of today."""
    from esmm.cluster import Capabilities, named_errors
    from esmm.query.model import model_beside
    from esmm.query.search import Searcher

    where = find_server(**flags)
    known, model = calibration_of(recipe), model_beside(recipe)
    try:
        server = open_cluster(where)
    except Unreachable:
        if where.named:
            raise
        say("no server is named and none answers: the request is built for Elasticsearch 9.4 and the recipe's defaults")
        return Searcher(None, recipe, Capabilities(), device=device, calibration=known, model=model)
    with named_errors(where):
        return Searcher(server.client, recipe, server.can, device=device, calibration=known, model=model)


def read_text(body: str) -> str:
    """Return the text of a file, or of standard input for ``-``. Raises QueryError."""
    try:
        return sys.stdin.read() if body == "-" else Path(body).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise QueryError(f"{body} cannot be read: {reason}", "name a JSON file with a search body") from None


def _tell(made: "Upgraded", searcher: "Searcher", *, explain: bool) -> None:
    for clause, fault in searcher.faults.items():
        say(f"the {clause} vector is a placeholder: {fault.message}")
    for warning in made.warnings:
        say(warning)
    if explain:
        say(f"strategy {made.strategy}")
        for note in made.notes:
            say(f"  {note}")
