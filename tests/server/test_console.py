"""Console text: read as Kibana's Dev Console reads it and sent to a real server, it gives the hits of a search."""

from typing import Any

import pytest
import shop
from dev_console import Call, read_console
from elasticsearch import Elasticsearch

from esmm.cluster import Capabilities
from esmm.encoders import load_encoders
from esmm.index_meta import meta_of
from esmm.ingest.load import Server, Source, load
from esmm.ingest.vectors import VectorCache
from esmm.query.console import console_text, entries
from esmm.query.explain import Hit, hits_of
from esmm.query.search import Ask, Searcher
from esmm.recipe import Recipe, parse

AWKWARD = [
    'a "quoted" shirt',
    '"""',
    '"""\nGET /_all\n"""',
    "red shirt\nDELETE /_all\n\nDELETE /_all",
    "# shirt // lamp /* shoe */",
    "back\\slash \\",
    "a path\\",
    "[\n  1,\n  2\n]",
    "${INDEX} {{shirt}} 👕 \u2028 \x00",
    "shirt " * 400,
]


@pytest.fixture(scope="module")
def recipe(module_recipe_text: str) -> Recipe:
    return parse(module_recipe_text, source="esmm.toml")


@pytest.fixture(scope="module")
def searcher(
    client: Elasticsearch, can: Capabilities, recipe: Recipe, tmp_path_factory: pytest.TempPathFactory
) -> Searcher:
    folder = tmp_path_factory.mktemp("shop")
    shop.write_photos(folder, 40)
    source = Source(str(shop.write(folder / "catalog.jsonl", shop.products(40))))
    with VectorCache(folder / "vectors.sqlite") as cache:
        load(source, recipe, Server(client, can), encoders=load_encoders(recipe)[0], cache=cache)
    return Searcher(client, recipe, can)


def _replayed(client: Elasticsearch, call: Call) -> Any:
    """Send a request as the Console does: plain JSON over HTTP."""
    kind = {"accept": "application/json"} | ({"content-type": "application/json"} if call.bodies else {})
    answer = client.perform_request(call.method, call.path, headers=kind, body=call.bodies[0] if call.bodies else None)
    assert answer.meta.status == 200
    return answer.body


def _plain(hits: list[Hit]) -> list[tuple[str, float]]:
    return [(hit.id, hit.score) for hit in hits]


def _hits(answer: Any) -> list[tuple[str, float]]:
    return [(hit["_id"], hit["_score"]) for hit in answer["hits"]["hits"]]


@pytest.mark.parametrize("text", ["red shirt", *AWKWARD])
def test_each_request_gives_the_hits_of_the_search(
    client: Elasticsearch, searcher: Searcher, recipe: Recipe, text: str
) -> None:
    ask = Ask(text, filters={"gender": ["Women"]}, size=7)
    keyword, hybrid, explained, mapping = read_console(console_text(entries(searcher, ask, recipe.index.name)))
    wanted = searcher.search(ask)
    assert len(wanted.hits) == 7
    assert _hits(_replayed(client, hybrid)) == _plain(wanted.hits)
    assert _hits(_replayed(client, keyword)) == _plain(searcher.search(ask, keyword_only=True).hits)
    assert hits_of(_replayed(client, explained), searcher.fusion) == wanted.hits
    assert all(hit.parts for hit in wanted.hits)
    (index,) = _replayed(client, mapping).values()
    assert index["mappings"]["_meta"]["esmm"] == meta_of(client, recipe.index.name)


def test_a_photo_has_no_keywords(client: Elasticsearch, searcher: Searcher, recipe: Recipe) -> None:
    for ask, count in ((Ask(photo=shop.photo(5)), 3), (Ask("shirt", shop.photo(5)), 4)):
        calls = read_console(console_text(entries(searcher, ask, recipe.index.name)))
        assert len(calls) == count
        assert _hits(_replayed(client, calls[count - 3])) == _plain(searcher.search(ask).hits)


def test_each_request_is_told_and_vectors_take_one_line(searcher: Searcher, recipe: Recipe) -> None:
    text = console_text(entries(searcher, Ask("red\nshirt"), recipe.index.name))
    lines = text.splitlines()
    starts = [number for number, line in enumerate(lines) if line.startswith("GET ")]
    assert [lines[number - 1][:2] for number in starts] == ["# "] * 4
    assert 'for "red\\nshirt"' in lines[0]
    assert sum(line.count(", ") >= 31 for line in lines) == 4  # 32 numbers, twice in each hybrid request
    assert not any(line.strip().rstrip(",").replace(".", "").isdigit() for line in lines)


def test_the_reader_reads_as_the_console_does() -> None:
    text = '''
# told
get /a/_search?pretty // why
{
  "q": """two
"lines" // kept""", /* gone
GET /nothing */
  "url": "http://x#y" # gone
}
POST /_msearch
{}
{"size": 1}

GET _cat/indices
DELETE /b
'''
    assert read_console(text) == [
        Call("GET", "/a/_search?pretty", ({"q": 'two\n"lines" // kept', "url": "http://x#y"},)),
        Call("POST", "/_msearch", ({}, {"size": 1})),
        Call("GET", "_cat/indices"),
        Call("DELETE", "/b"),
    ]


@pytest.mark.parametrize(
    "text", ["FETCH /a", '{"a": 1}', 'GET /a\n{"a": }', 'GET /a\n{"a": "two\nlines"}', "GET /a\nb"]
)
def test_the_reader_refuses_what_the_console_marks_red(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_console(text)
