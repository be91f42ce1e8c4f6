"""``esmm console``: a search as text to paste into Kibana's Dev Console."""

from typing import Any

import click

from esmm.cli.common import (
    connection_options,
    device_option,
    encoded,
    load_recipe,
    open_cluster,
    recipe_option,
    say,
    write_out,
)
from esmm.cli.search import pairs_of, recognise
from esmm.server import find_server


@click.command()
@click.argument("query", nargs=-1)
@click.option("--image", help="A photo: path, URL or data URI.")
@click.option("--filter", "filters", multiple=True, metavar="FIELD=VALUE", help="Keep only these; may be repeated.")
@click.option("--size", default=10, show_default=True, type=click.IntRange(0, 10_000), help="Products a page.")
@click.option("-o", "--out", type=click.Path(dir_okay=False, writable=True), help="Write the text to this file.")
@recipe_option
@device_option
@connection_options
def console(
    query: tuple[str, ...],
    image: str | None,
    filters: tuple[str, ...],
    size: int,
    out: str | None,
    recipe_path: str,
    device: str,
    **flags: Any,
) -> None:
    """Print the search for QUERY as text to paste into Kibana's Dev Console.

    \b
    esmm console "navy blue shirt" --filter gender=Men
    esmm console photo.jpg --out photo.console
    """  # noqa: D301  # \b keeps click from folding the lines
    from esmm.cluster import named_errors
    from esmm.query.console import console_text, entries
    from esmm.query.encode import Ask, photo_of

    recipe = load_recipe(recipe_path)
    text, photo = recognise(query, image)
    ask = Ask(text, photo_of(photo) if photo else None, pairs_of(filters), size)
    server = open_cluster(find_server(**flags))
    with named_errors(server.where):
        setting, vectors = encoded(server, recipe, ask, device)
    shown = console_text(entries(setting, ask, vectors))
    if out is None:
        click.echo(shown, nl=False)
    else:
        write_out(out, shown)
        say(f"wrote {out}: paste it into Kibana's Dev Console")
