"""Before a load: whether the recipe fits the catalogue, and how long that is."""

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from esmm.errors import RecipeError
from esmm.ingest.records import value_of

if TYPE_CHECKING:
    from esmm.recipe import Recipe

LOOKED_AT = 1000
_COUNTED = (".jsonl", ".ndjson", ".csv", ".tsv")
_CHUNK = 1 << 20


def check_fit(recipe: "Recipe", products: Sequence[dict[str, Any]]) -> None:
    """Raise RecipeError if the recipe names fields that none of the first products has, all of them at once."""
    there = sorted({name for product in products for name in product})
    named = [(("index", "id"), recipe.index.id), *((("fields", name), name) for name in recipe.fields)]
    faults = [
        f"{recipe.line(*where)}the catalogue has no field {name}{_meant(name, there)}"
        for where, name in named
        if all(value_of(product, name) is None and name not in product for product in products)
    ]
    if faults and products:
        raise RecipeError(recipe.source, faults, f"fields of the catalogue: {', '.join(there)}")


def estimate(catalogue: str) -> int | None:
    """Return about how many products a file of lines holds, by its line ends; None where that cannot be told."""
    import gzip

    path = Path(catalogue)
    if not path.is_file() or not any(suffix in _COUNTED for suffix in path.suffixes):
        return None
    opener = gzip.open if path.suffix == ".gz" else open
    header = int(any(suffix in (".csv", ".tsv") for suffix in path.suffixes))
    try:
        with opener(path, "rb") as file:
            return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(_CHUNK), b"")) - header
    except (OSError, EOFError):
        return None  # the reader will say what is wrong with it


def _meant(name: str, there: list[str]) -> str:
    close = get_close_matches(name, there, n=1)
    return f"; did you mean {close[0]}?" if close else ""
