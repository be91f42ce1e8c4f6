"""``esmm demo``: the sample catalogue, loaded and searched."""

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from esmm.cli.common import connection_options, device_option, load_recipe, say
from esmm.cli.ingest import ensure_server, run
from esmm.cli.summary import summary
from esmm.server import find_server

if TYPE_CHECKING:
    from esmm.query.search import Searcher
    from esmm.recipe import Recipe

_TOP, _DEEP = 3, 50
_NEEDED, _NEEDED_BY_PHOTO = 3, 5


@click.command()
@device_option
@connection_options
def demo(device: str, **flags: Any) -> None:
    """Load the sample catalogue and search it; fails unless vectors find what keywords do not.

    The first queries share no word with the text of the product they ask for; the words of the others name what only
    its picture shows. Exit code 1 unless at least three of the first and five of the others stand in the top three of
    the hybrid search, and those of the first not in that of the keyword search.
    """
    from esmm.ingest.job import Source
    from esmm.query.search import Searcher
    from esmm.shipped import shipped

    server = ensure_server(find_server(**flags), quiet=False)
    unnamed = "" if server.where.named else ", which no setting names; esmm up runs one of your own"
    say(f"using Elasticsearch {server.can} at {server.where.where}{unnamed}")
    folder = shipped("ingest/sample")
    recipe = load_recipe(str(folder / "esmm.toml"))
    report = run(Source(str(folder / "products.jsonl")), recipe, server, device=device, quiet=False)
    say(summary(report))
    queries = json.loads((folder / "queries.json").read_text(encoding="utf-8"))
    searcher = Searcher(server.client, recipe, server.can, device=device)
    meant, seen = (_compare(searcher, queries[name]) for name in ("queries", "photo_queries"))
    _explain(searcher, recipe, [*meant, *seen])
    by_meaning = sum(found.gained for found in meant)
    by_photo = sum((found.hybrid or _DEEP) <= _TOP for found in seen)
    click.echo(f"{by_meaning} of {len(meant)} queries without a shared word: found by meaning, not by keywords")
    click.echo(f"{by_photo} of {len(seen)} queries for what only the picture shows: found in the top {_TOP}")
    click.echo(f'try your own: esmm search "something warm for winter" --explain --recipe {folder / "esmm.toml"}')
    if by_meaning < _NEEDED or by_photo < _NEEDED_BY_PHOTO:
        raise click.exceptions.Exit(1)


class _Found(NamedTuple):
    """The ranks of what a query asks for, by keywords and in the hybrid search; None is not found."""

    query: str
    keyword: int | None
    hybrid: int | None

    @property
    def gained(self) -> bool:
        """Whether the hybrid search shows at the top what the keywords do not."""
        return (self.keyword or _DEEP) > _TOP >= (self.hybrid or _DEEP)


def _compare(searcher: "Searcher", queries: list[dict[str, Any]]) -> list[_Found]:
    """Run each query by keywords and as hybrid; print and return the ranks."""
    from rich.table import Table

    from esmm.cli.tables import console
    from esmm.query.search import Ask

    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("query", "product", "rank by keywords", "rank in hybrid"):
        table.add_column(name)
    rows = []
    for query in queries:
        ask = Ask(query["query"], size=_DEEP)
        ranks = [_rank(searcher.search(ask, keyword_only=only).hits, query["products"]) for only in (True, False)]
        rows.append(_Found(query["query"], *ranks))
        table.add_row(query["query"], ", ".join(query["products"]), *(str(rank or "-") for rank in ranks))
    console().print(table)
    console().print()
    return rows


def _explain(searcher: "Searcher", recipe: "Recipe", found: list[_Found]) -> None:
    from esmm.cli.tables import console, hits_table, parts_table
    from esmm.query.search import Ask

    shown = next((row.query for row in found if row.hybrid == 1), found[0].query)
    answer = searcher.search(Ask(shown, size=_TOP))
    console().print(f'[bold]"{shown}", explained')
    hits_table(answer, recipe)
    parts_table(answer)


def _rank(hits: list[Any], wanted: list[str]) -> int | None:
    return next((rank for rank, hit in enumerate(hits, start=1) if hit.id in wanted), None)
