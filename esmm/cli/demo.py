"""``esmm demo``: the sample catalogue, loaded and searched."""

import json
from typing import TYPE_CHECKING, Any

import click

from esmm.cli.common import connection_options, device_option, load_recipe, say
from esmm.cli.ingest import ensure_server, run, summary
from esmm.server import find_server

if TYPE_CHECKING:
    from esmm.cli.common import Cluster
    from esmm.recipe import Recipe

_TOP, _NEEDED, _DEEP = 3, 3, 50


@click.command()
@device_option
@connection_options
def demo(device: str, **flags: Any) -> None:
    """Load the sample catalogue and search it; fails unless meaning finds what keywords do not.

    Each query shares no word with the text of the product it asks for. Exit code 1 unless at least three of those
    products stand in the top three of the hybrid search and not in that of the keyword search.
    """
    from esmm.ingest.load import Source
    from esmm.shipped import shipped

    server = ensure_server(find_server(**flags), quiet=False)
    unnamed = "" if server.where.named else ", which no setting names; esmm up runs one of your own"
    say(f"using Elasticsearch {server.can} at {server.where.where}{unnamed}")
    folder = shipped("ingest/sample")
    recipe = load_recipe(str(folder / "esmm.toml"))
    report = run(Source(str(folder / "products.jsonl")), recipe, server, device=device, quiet=False)
    say(summary(report))
    queries = json.loads((folder / "queries.json").read_text(encoding="utf-8"))["queries"]
    gained = _compare(recipe, server, queries, device)
    click.echo(f"{gained} of {len(queries)} queries without a shared word: found by meaning, not by keywords")
    click.echo(f'try your own: esmm search "something warm for winter" --explain --recipe {folder / "esmm.toml"}')
    if gained < _NEEDED:
        raise click.exceptions.Exit(1)


def _compare(recipe: "Recipe", server: "Cluster", queries: list[dict[str, Any]], device: str) -> int:
    """Run each query by keywords and as hybrid; print the ranks; explain one; count those that meaning alone found."""
    from rich.table import Table

    from esmm.cli.tables import console, hits_table, parts_table
    from esmm.query.search import Ask, Searcher

    searcher = Searcher(server.client, recipe, server.can, device=device)
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("query", "product", "rank by keywords", "rank in hybrid"):
        table.add_column(name)
    found: dict[str, list[int | None]] = {}
    for query in queries:
        wanted = query["product"] if isinstance(query["product"], list) else [query["product"]]
        ask = Ask(query["query"], size=_DEEP)
        ranks = [_rank(searcher.search(ask, keyword_only=only).hits, wanted) for only in (True, False)]
        found[query["query"]] = ranks
        table.add_row(query["query"], ", ".join(wanted), *(str(rank or "-") for rank in ranks))
    console().print(table)
    shown = next((text for text, ranks in found.items() if ranks[1] == 1), queries[0]["query"])
    answer = searcher.search(Ask(shown, size=_TOP))
    console().print(f'\n[bold]"{shown}", explained')
    hits_table(answer, recipe)
    parts_table(answer)
    return sum((ranks[0] or _DEEP) > _TOP >= (ranks[1] or _DEEP) for ranks in found.values())


def _rank(hits: list[Any], wanted: list[str]) -> int | None:
    return next((rank for rank, hit in enumerate(hits, start=1) if hit.id in wanted), None)
