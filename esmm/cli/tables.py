"""Tables for a terminal."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from esmm.learn.contest import Verdict
    from esmm.query.search import Answer
    from esmm.recipe import Recipe

_SHOWN_FACETS = 3


def console() -> "Console":
    """Return the console for results; wide enough for a table where there is no terminal."""
    from rich.console import Console

    found = Console()
    return found if found.is_terminal else Console(width=120)


def hits_table(answer: "Answer", recipe: "Recipe") -> None:
    """Print the hits: rank, score, id, title, a few facets, and what found each."""
    from rich.table import Table

    title = recipe.heaviest
    facets = [name for name in recipe.named("text", "keyword") if name in recipe.facets() and name != title]
    facets = facets[:_SHOWN_FACETS]
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name, justify in (("#", "right"), ("score", "right"), ("id", "left"), (title, "left")):
        table.add_column(name, justify=justify, overflow="fold" if name == title else "ellipsis")  # type: ignore[arg-type]
    for name in [*facets, "found by"]:
        table.add_column(name)
    for rank, hit in enumerate(answer.hits, start=1 + answer.request.get("from", 0)):
        cells = [_cell(hit.source, name) for name in (title, *facets)]
        found = ", ".join(part.clause for part in hit.parts if part.contribution > 0) or "keyword"
        table.add_row(str(rank), f"{hit.score:.4f}", _plain(hit.id), *cells, found)
    console().print(table if answer.hits else "nothing found" if not answer.total else "no products on this page")
    console().print(f"{len(answer.hits)} of {answer.total} products, {answer.took} ms")


def parts_table(answer: "Answer") -> None:
    """Print what each clause gave to each hit; the contributions add up to the score. Then each hit in a sentence."""
    from rich.table import Table

    from esmm.query.explain import asked_of, sentence

    table = Table(box=None, header_style="bold", pad_edge=False, title="score = sum of weight x normalised")
    for name in ("id", "clause", "raw", "normalised", "weight", "contribution", "score"):
        table.add_column(name, justify="left" if name in ("id", "clause") else "right")
    for hit in answer.hits:
        for part in hit.parts:
            numbers = (part.raw, part.normalised, part.weight, part.contribution)
            table.add_row(_plain(hit.id), part.clause, *(f"{number:.4f}" for number in numbers), "")
        total = sum(part.contribution for part in hit.parts)
        table.add_row(
            _plain(hit.id), "[bold]sum", "", "", "", f"[bold]{total:.4f}", f"[bold]{hit.score:.4f}", end_section=True
        )
    console().print(table)
    asked = asked_of(answer.request)
    for hit in answer.hits:
        console().print(f"{_plain(hit.id)}: {sentence(hit, asked)}")


def contest_table(verdict: "Verdict") -> None:
    """Print how each model did on questions that it was not fitted to."""
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("model", "nDCG@10", f"over {verdict.baseline}", "90 % interval", "p corrected"):
        table.add_column(name, justify="left" if name == "model" else "right")
    for row in verdict.table:
        name, is_baseline = str(row["model"]), row["model"] == verdict.baseline
        gain = "" if is_baseline else f"{row['gain']:+.3f}"
        between = "" if is_baseline else f"{row['low']:+.3f} .. {row['high']:+.3f}"
        p = f"{row['p']:.3f}" if "p" in row else ""
        table.add_row(
            _plain(name), f"{row['ndcg']:.3f}", gain, between, p, style="bold" if name == verdict.kept else ""
        )
    console().print(table)


def _cell(source: Mapping[str, Any], name: str) -> str:
    from esmm.ingest.records import value_of

    value = value_of(dict(source), name)
    text = ", ".join(map(str, value)) if isinstance(value, list) else "" if value is None else str(value)
    return _plain(text if len(text) <= 80 else text[:77] + "...")


def _plain(text: str) -> str:
    from rich.markup import escape

    return escape(text)
