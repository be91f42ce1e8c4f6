"""``esmm search``: one hybrid search, shown, explained or printed."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from esmm.cli.common import (
    Cluster,
    connection_options,
    device_option,
    load_recipe,
    open_cluster,
    recipe_option,
    say,
)
from esmm.errors import QueryError
from esmm.server import find_server

if TYPE_CHECKING:
    from esmm.query.search import Ask
    from esmm.recipe import Recipe


@click.command()
@click.argument("query", nargs=-1)
@click.option("--image", help="A photo: path, URL or data URI.")
@click.option("--like", multiple=True, metavar="ID", help="A product of the index to be like; may be repeated.")
@click.option("--avoid", help="A text to keep away from.")
@click.option(
    "--filter",
    "filters",
    multiple=True,
    metavar="FIELD=VALUE",
    help="Keep only these; several values of one field mean any of them.",
)
@click.option("--size", default=10, show_default=True, type=click.IntRange(0, 10_000), help="Products a page.")
@click.option("--from", "start", default=0, show_default=True, type=click.IntRange(0), help="Products to skip.")
@click.option("--keyword-only", is_flag=True, help="Leave the vectors out, to compare.")
@click.option("--explain", is_flag=True, help="Show what each clause gave to each hit.")
@click.option("--json", "as_json", is_flag=True, help="Print the hits as JSON.")
@click.option("--print", "print_", is_flag=True, help="Print the request instead of sending it; needs no server.")
@recipe_option
@device_option
@connection_options
def search(
    query: tuple[str, ...],
    image: str | None,
    filters: tuple[str, ...],
    size: int,
    start: int,
    keyword_only: bool,
    recipe_path: str,
    device: str,
    **options: Any,
) -> None:
    """Search by QUERY: words, a photo (seen by itself), both, or by products to be like.

    \b
    esmm search "navy blue shirt for men" --filter gender=Men
    esmm search photo.jpg
    esmm search "with long sleeves" --image photo.jpg --explain
    esmm search --like 8314 "in red" --avoid "with a logo"
    """  # noqa: D301  # \b keeps click from folding the lines
    from esmm.query.encode import Ask, photo_of

    show = {name: options.pop(name) for name in ("explain", "as_json", "print_")}
    recipe = load_recipe(recipe_path)
    text, photo = recognise(query, image)
    ask = Ask(
        text,
        photo_of(photo) if photo else None,
        pairs_of(filters),
        size,
        start,
        like=options.pop("like"),
        avoid=options.pop("avoid"),
    )
    if show["print_"]:
        click.echo(_printed(recipe, ask, device, keyword_only=keyword_only))
        return
    server = open_cluster(find_server(**options))
    _run(recipe, ask, server, device=device, keyword_only=keyword_only, show=show)


def _run(
    recipe: "Recipe", ask: "Ask", server: Cluster, *, device: str, keyword_only: bool, show: dict[str, bool]
) -> None:
    from esmm.cli.tables import hits_table, parts_table
    from esmm.cluster import named_errors
    from esmm.query.explain import asked_of
    from esmm.query.model import model_beside
    from esmm.query.search import Searcher

    with named_errors(server.where):
        searcher = Searcher(server.client, recipe, server.can, device=device, model=model_beside(recipe))
        answer = searcher.search(ask, keyword_only=keyword_only)
    for warning in answer.warnings:
        say(warning)
    if show["as_json"]:
        hits = [hit.as_json(asked_of(answer.request)) for hit in answer.hits]
        found = {"total": answer.total, "took": answer.took, "hits": hits}
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    hits_table(answer, recipe)
    if show["explain"]:
        parts_table(answer)


def _printed(recipe: "Recipe", ask: "Ask", device: str, *, keyword_only: bool) -> str:
    """Return the request as JSON, as a server of today would get it."""
    from esmm.cluster import Capabilities
    from esmm.query.model import model_beside
    from esmm.query.search import Searcher

    searcher = Searcher(None, recipe, Capabilities(), device=device, model=model_beside(recipe))
    body = searcher.request(ask, keyword_only=keyword_only)
    for clause, fault in searcher.faults.items():
        say(f"the {clause} vector is a placeholder: {fault.message}")
    return json.dumps(body, indent=2, ensure_ascii=False)


def recognise(query: tuple[str, ...], image: str | None) -> tuple[str | None, str | None]:
    """Tell words from photos: an address, a data URI or an existing picture file is a photo.

    Raises QueryError if there are several photos.
    """
    photos = [part for part in query if _is_photo(part)] + ([image] if image else [])
    if len(photos) > 1:
        raise QueryError(f"{len(photos)} photos are given, a search takes one", "leave one")
    words = " ".join(part for part in query if not _is_photo(part)).strip()
    return words or None, photos[0] if photos else None


def _is_photo(part: str) -> bool:
    if part.startswith(("http://", "https://", "data:image/")):
        return True
    ending = Path(part).suffix.lower() if len(part) < 255 else ""
    return ending in (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff") and " " not in ending


def pairs_of(filters: tuple[str, ...]) -> dict[str, list[str]]:
    """Turn ``FIELD=VALUE`` into pairs; several values of a field stand together. Raises QueryError."""
    pairs: dict[str, list[str]] = {}
    for given in filters:
        name, equals, value = given.partition("=")
        if not (equals and name and value):
            raise QueryError(f"filter {given!r} is not FIELD=VALUE", "write it as --filter gender=Men")
        pairs.setdefault(name, []).append(value)
    return pairs
