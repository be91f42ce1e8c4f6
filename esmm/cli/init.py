"""``esmm init``: look at a catalogue and write its recipe."""

from pathlib import Path

import click

from esmm.cli.common import RECIPE, say, write_out
from esmm.errors import RecipeError


@click.command()
@click.argument("catalogue", required=False)
@click.option("-o", "--out", default=RECIPE, show_default=True, help="The file to write.")
@click.option("--print", "print_", is_flag=True, help="Print the recipe instead; without a catalogue, the default one.")
@click.option("--force", is_flag=True, help="Replace a file that is there already.")
def init(catalogue: str | None, out: str, print_: bool, force: bool) -> None:
    """Look at CATALOGUE and write a commented recipe for it."""
    if catalogue is None and not print_:
        raise click.UsageError("Name a catalogue, or use --print to see the default recipe.")
    text = recipe_for(catalogue) if catalogue else default_recipe()
    if print_:
        click.echo(text, nl=False)
        return
    if Path(out).exists() and not force:
        raise RecipeError(out, ["it exists already"], "use --force to replace it, or --out for another file")
    write_out(out, text)
    say(f"wrote {out}: look at it, then load with: esmm ingest {catalogue}")


def recipe_for(catalogue: str) -> str:
    """Return the text of a recipe that fits a catalogue, checked to be one."""
    from esmm.ingest.catalogue import head
    from esmm.ingest.infer import infer_recipe
    from esmm.recipe import parse

    text = infer_recipe(head(catalogue), name=Path(catalogue).name.split(".")[0])
    parse(text, source=f"the recipe guessed from {catalogue}")
    return text


def default_recipe() -> str:
    """Return the text of the commented default."""
    from esmm.ingest.infer import DEFAULT_FIELDS, recipe_text

    return recipe_text(DEFAULT_FIELDS, name="products", id_field="id")
