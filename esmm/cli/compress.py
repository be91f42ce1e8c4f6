"""``esmm compress``: the encoders of a recipe, smaller and faster."""

from collections.abc import Iterable
from pathlib import Path

import click

from esmm.cli.common import load_recipe, recipe_option, say


@click.command()
@recipe_option
@click.option("-o", "--out", help="A folder for text/ and photo/.  [default: this machine's cache]")
@click.option("--text-only", "only", flag_value="text", help="Leave the photo encoder as it is.")
@click.option("--photo-only", "only", flag_value="image", help="Leave the text encoder as it is.")
@click.option("--pca", metavar="CATALOGUE", help="Turn vectors so that dims in the recipe keeps the best; needs --out.")
def compress(recipe_path: str, out: str | None, only: str | None, pca: str | None) -> None:
    """Make int8 encoders for ONNX Runtime of those that the recipe names: a quarter of the size, and no torch needed.

    \b
    esmm compress                  then set device = "onnx" in the recipe, and load again
    esmm compress --out small      then set model = "small/text" and model = "small/photo"
    esmm compress --out turned --pca catalog.jsonl
    """  # noqa: D301  # \b keeps click from folding the lines
    from esmm.compress import compress as run
    from esmm.compress import folders_of

    if pca and not out:
        raise click.UsageError("Turned vectors have a space of their own: name a folder for them by --out.")
    recipe = load_recipe(recipe_path)
    folders = folders_of(recipe, Path(out) if out else None, only=only)
    say("exporting, quantising and comparing; this takes a minute")
    run(recipe, folders, pca=pca)
    _table(folders.values())
    named = (f'{clause}.model = "{folder}"' for clause, folder in folders.items())
    told = " and ".join(named) if out else " and ".join(f'{clause}.device = "onnx"' for clause in folders)
    say(f"to use them: set {told} in {recipe_path}, and load the catalogue again")


def _table(folders: Iterable[Path]) -> None:
    from rich.table import Table

    from esmm.cli.tables import console
    from esmm.encoders.onnx import read_config

    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("encoder", "made from", "int8"):
        table.add_column(name)
    for name in ("MB before", "after", "cosine to before: mean", "worst"):
        table.add_column(name, justify="right")
    for folder in folders:
        config = read_config(folder)
        after = sum(file.stat().st_size for file in folder.iterdir())
        sizes = (f"{size / 1e6:.1f}" for size in (config.bytes_before, after))
        cosines = (f"{cosine:.4f}" for cosine in (config.cosine_mean, config.cosine_worst))
        table.add_row(config.id, config.made_from, config.quantised, *sizes, *cosines)
    console().print(table)
