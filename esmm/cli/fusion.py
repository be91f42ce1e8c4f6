"""``esmm fusion show``: what a tuned fusion is made of, and what each query would get."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from esmm.cli.common import load_recipe, recipe_option, say
from esmm.errors import LearnError

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.table import Table

    from esmm.query.fusion import Fusion
    from esmm.query.model import FusionModel
    from esmm.recipe import Recipe

_BAR = 16
_ELSEWHERE = ("models",)  # parts of the provenance that are tables of their own: --json has them


@click.group()
def fusion() -> None:
    """Look at the fusion that esmm tune learned."""


@fusion.command()
@click.argument("file", required=False)
@click.option("--query", "queries", multiple=True, metavar="WORDS", help="Weights for this query; may be repeated.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
@recipe_option
def show(file: str | None, queries: tuple[str, ...], as_json: bool, recipe_path: str) -> None:
    """Show weights, normalisers and provenance of FILE (fusion.json beside the recipe), and what a query would get.

    \b
    esmm fusion show --query "red shoes" --query "iphone 12 case"
    """  # noqa: D301  # \b keeps click from folding the lines
    from esmm.cli.tables import console
    from esmm.query.fusion import untuned_fusion
    from esmm.query.model import FILE, FusionModel

    recipe = load_recipe(recipe_path)
    path = Path(file) if file else Path(recipe.source).parent / FILE
    if not file and not path.is_file():
        raise LearnError(f"there is no {path}: searches use the weights of {recipe.source}", "esmm tune writes one")
    model = FusionModel.load(path)
    own = _is_own(model, recipe, path)
    made = model.fusion(untuned_fusion(recipe, None))
    vector_of = _vectors(made, recipe if own else None)
    asked = [_asked(made, query, vector_of(query)) for query in queries]
    if as_json:
        click.echo(json.dumps(_as_json(model, made, asked), indent=2, ensure_ascii=False))
        return
    for table in (_origin(model), _clauses(model, made), *([_queries(made, asked)] if asked else [])):
        console().print(table)
        console().print()
    if queries and not model.gate:
        click.echo("there is no gate: every query gets the same weights")


def _is_own(model: "FusionModel", recipe: "Recipe", path: Path) -> bool:
    """Say whether a fusion was tuned for a recipe, and tell the user if not."""
    try:
        model.check(recipe, str(path))
    except LearnError as error:
        say(f"{error.message}; searches will refuse it")
        return False
    return True


def _vectors(fusion: "Fusion", recipe: "Recipe | None") -> "Callable[[str], tuple[float, ...] | None]":
    """Return what makes the vector of a query; it makes none without a recipe, or if the gate looks at no vectors."""
    from esmm.query.encode import QuestionEncoder

    if recipe is None or not fusion.sees_vectors:
        return lambda _: None
    return QuestionEncoder(recipe, None).vector_of


def _asked(fusion: "Fusion", query: str, vector: tuple[float, ...] | None) -> dict[str, Any]:
    """Return what the gate sees in a query, and the weights that it gets."""
    facts = dict(fusion.gate.facts(query, photo=False, vector=vector)) if fusion.gate else {}
    return {"query": query, "facts": facts, "weights": dict(fusion.given(facts).weights)}


def _as_json(model: "FusionModel", fusion: "Fusion", asked: list[dict[str, Any]]) -> dict[str, Any]:
    """Return everything but the words and centres of the gate's tables, which are thousands of numbers."""
    told = model.model_dump(exclude={"gate": {"shares", "centres"}}, exclude_none=True)
    return told | {"weights": dict(fusion.weights), "queries": asked}


def _origin(model: "FusionModel") -> "Table":
    """Tell how sure the fusion is, and where it comes from."""
    from rich.markup import escape

    table = _table("", "")
    table.show_header = False
    told = {"label": model.label, "model": model.kind, "tuned for": model.made_for, **model.provenance}
    for name, value in told.items():
        if name not in _ELSEWHERE:
            shown = " .. ".join(map(str, value)) if isinstance(value, list) else str(value)
            table.add_row(escape(name.replace("_", " ")), escape(shown))
    return table


def _clauses(model: "FusionModel", fusion: "Fusion") -> "Table":
    """Draw the weight of each clause, and tell how its raw score comes to 0..1."""
    from rich.markup import escape

    table = _table("clause", "weight", "", "raw score s counts", "floor", "boost", "weight from")
    largest = max(fusion.weights.values(), default=0.0) or 1.0
    for name, weight in fusion.weights.items():
        if name in model.clauses or weight > 0:
            constant, window = fusion.constant(name), fusion.window(name)
            counts = f"s / (s + {constant:g})" if constant is not None else f"cosine {window.low:g} .. {window.high:g}"
            numbers = [f"{n:g}" if n is not None else "" for n in (fusion.floors.get(name), fusion.boosts.get(name))]
            source = "tune" if name in model.clauses else "recipe"
            bar = "█" * round(_BAR * weight / largest)
            table.add_row(escape(name), f"{weight:.3f}", bar, counts, *numbers, source)
    return table


def _queries(fusion: "Fusion", asked: list[dict[str, Any]]) -> "Table":
    """Show the weights that each query gets, then what the gate sees in it."""
    from rich.markup import escape

    table = _table("clause", *(escape(each["query"]) for each in asked))
    for name in [name for name, weight in fusion.weights.items() if weight > 0]:
        weights = [each["weights"][name] for each in asked]
        table.add_row(escape(name), *(f"{weight:.3f} (x {weight / fusion.weights[name]:.2f})" for weight in weights))
    table.add_section()
    for fact in asked[0]["facts"]:
        table.add_row(fact, *(f"{each['facts'][fact]:.2f}" for each in asked), style="dim")
    return table


def _table(*columns: str) -> "Table":
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
