"""``esmm template``: stored search templates, for clients in any language."""

import json
from typing import TYPE_CHECKING, Any

import click

from esmm.cli.common import (
    Cluster,
    connection_options,
    device_option,
    encoded,
    load_recipe,
    open_cluster,
    recipe_option,
    say,
    setting_of,
)
from esmm.cli.search import pairs_of
from esmm.server import find_server

if TYPE_CHECKING:
    from esmm.query.templates import Setting

strategy_option = click.option(
    "--strategy",
    type=click.Choice(["exact", "boost", "linear", "rrf"]),
    default="exact",
    show_default=True,
    help="How the template fuses keyword and vectors.",
)

dry_run_option = click.option("--dry-run", is_flag=True, help="Show what would be sent, and change nothing.")


@click.group()
def template() -> None:
    """Store hybrid search as a search template, for clients in any language.

    \b
    esmm template install                 store it
    esmm template render --text "shoe" --params
                                          show what a client sends to INDEX/_search/template
    """  # noqa: D301  # \b keeps click from folding the lines


@template.command("print")
@strategy_option
@recipe_option
def print_(strategy: str, recipe_path: str) -> None:
    """Print the Mustache source of the template; needs no server."""
    from esmm.cluster import Capabilities
    from esmm.query import templates
    from esmm.query.encode import sources_named
    from esmm.query.model import fusion_in_force

    recipe = load_recipe(recipe_path)
    anything = Capabilities(licence="enterprise", modules=frozenset({"lang-painless", "rank-rrf"}))
    setting = templates.Setting(recipe, sources_named(recipe), fusion_in_force(recipe, None), anything)
    click.echo(templates.search_template(setting, strategy).source, nl=False)
    if recipe.fusion.saturation is None:
        say(f"saturation is {setting.fusion.saturation:g} here; install takes what the load measured on the index")


@template.command()
@strategy_option
@dry_run_option
@recipe_option
@connection_options
def install(strategy: str, dry_run: bool, recipe_path: str, **flags: Any) -> None:
    """Store the template on the server, with the weights of the recipe and the saturation of the index."""
    from esmm.cluster import named_errors
    from esmm.query import templates

    recipe = load_recipe(recipe_path)
    server = open_cluster(find_server(**flags))
    with named_errors(server.where):
        templates.need_mustache(server.can)
        made = templates.search_template(setting_of(server, recipe)[0], strategy)
        if dry_run:
            script = {"script": {"lang": "mustache", "source": made.source}}
            click.echo(f"PUT _scripts/{made.id}\n{json.dumps(script, indent=2, ensure_ascii=False)}")
            return
        templates.install(server.client, made)
    click.echo(f"{made.id} is stored; clients send its id and their parameters to {recipe.index.name}/_search/template")


@template.command()
@click.option("--text", help="Words to search by.")
@click.option("--image", help="A photo to search by: path, URL or data URI.")
@click.option("--filter", "filters", multiple=True, metavar="FIELD=VALUE", help="Keep only these; may be repeated.")
@click.option("--size", default=10, show_default=True, type=click.IntRange(0, 10_000), help="Products a page.")
@click.option("--from", "start", default=0, show_default=True, type=click.IntRange(0), help="Products to skip.")
@click.option("--facets", is_flag=True, help="Count the values of every facet.")
@click.option("--params", "params_only", is_flag=True, help="Show what a client sends, instead of what comes of it.")
@strategy_option
@recipe_option
@device_option
@connection_options
def render(strategy: str, recipe_path: str, device: str, facets: bool, params_only: bool, **given: Any) -> None:
    """Show the request that the template becomes for a question.

    The server's own Mustache renders it; where that is missing, the builder makes the same request.
    """
    from esmm.cluster import named_errors
    from esmm.query import templates
    from esmm.query.encode import Ask, photo_of

    recipe = load_recipe(recipe_path)
    asked = {name: given.pop(name) for name in ("text", "image", "filters", "size", "start")}
    photo = photo_of(asked["image"]) if asked["image"] else None
    ask = Ask(asked["text"], photo, pairs_of(asked["filters"]), asked["size"], asked["start"])
    server = open_cluster(find_server(**given))
    with named_errors(server.where):
        setting, vectors = encoded(server, recipe, ask, device)
        params = templates.parameters(setting, ask, vectors) | ({"facets": True} if facets else {})
        if params_only:
            shown: dict[str, Any] = {"id": templates.template_id(recipe.index.name, strategy), "params": params}
        else:
            shown = _rendered(server, setting, strategy, params)
    click.echo(json.dumps(shown, indent=2, ensure_ascii=False))


@template.command()
@strategy_option
@dry_run_option
@recipe_option
@connection_options
def remove(strategy: str, dry_run: bool, recipe_path: str, **flags: Any) -> None:
    """Delete the stored template."""
    from esmm.cluster import named_errors
    from esmm.query import templates

    name = templates.template_id(load_recipe(recipe_path).index.name, strategy)
    if dry_run:
        click.echo(f"DELETE _scripts/{name}")
        return
    server = open_cluster(find_server(**flags))
    with named_errors(server.where):
        templates.remove(server.client, name)
    click.echo(f"{name} is deleted")


def _rendered(server: Cluster, setting: "Setting", strategy: Any, params: dict[str, Any]) -> dict[str, Any]:
    from esmm.query import templates

    if server.can.mustache:
        return templates.render(server.client, templates.search_template(setting, strategy), params)
    say("the server lacks Mustache; this is what it would render")
    return templates.built(setting, strategy, params)
