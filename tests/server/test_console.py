"""Console text: read as Kibana's Dev Console reads it and sent to a real server, it gives the hits of a search."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import shop
from dev_console import Call, read_console
from elasticsearch import Elasticsearch
from loaded import load_shop

from esmm.cluster import Capabilities
from esmm.index_meta import meta_of
from esmm.query.console import console_text, entries
from esmm.query.encode import QuestionEncoder
from esmm.query.explain import Hit, hits_of
from esmm.query.search import Ask, Searcher
from esmm.query.templates import Setting, parameters, search_template
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
    load_shop(client, can, recipe, shop.write(folder / "catalog.jsonl", shop.products(40)), folder)
    return Searcher(client, recipe, can)


@pytest.fixture(scope="module")
def encoder(client: Elasticsearch, searcher: Searcher, recipe: Recipe) -> QuestionEncoder:
    return QuestionEncoder(recipe, meta_of(client, recipe.index.name)["clauses"])


@pytest.fixture(scope="module")
def setting(searcher: Searcher, encoder: QuestionEncoder, recipe: Recipe, can: Capabilities) -> Setting:
    return Setting(recipe, encoder.sources({"text", "photo"}), searcher.fusion, can)


@pytest.fixture(scope="module")
def shown(encoder: QuestionEncoder, setting: Setting) -> Callable[..., str]:
    """The text for a question."""
    return lambda ask, where=setting: console_text(entries(where, ask, encoder.clauses(ask)))


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
    client: Elasticsearch,
    searcher: Searcher,
    recipe: Recipe,
    shown: Callable[..., str],
    can: Capabilities,
    text: str,
) -> None:
    ask = Ask(text, filters={"gender": ["Women"]}, size=7)
    keyword, hybrid, explained, *template, mapping = read_console(shown(ask))
    wanted = searcher.search(ask)
    assert len(wanted.hits) == 7
    assert _hits(_replayed(client, hybrid)) == _plain(wanted.hits)
    assert _hits(_replayed(client, keyword)) == _plain(searcher.search(ask, keyword_only=True).hits)
    assert hits_of(_replayed(client, explained), searcher.fusion, explained.bodies[0]) == wanted.hits
    if can.painless:  # under boost the server names no score of a vector
        assert all(hit.parts for hit in wanted.hits)
    assert _hits([_replayed(client, call) for call in template][-1]) == _plain(wanted.hits)
    (index,) = _replayed(client, mapping).values()
    assert index["mappings"]["_meta"]["esmm"] == meta_of(client, recipe.index.name)


def test_a_photo_has_no_keywords(client: Elasticsearch, searcher: Searcher, shown: Callable[..., str]) -> None:
    words, alone = (read_console(shown(ask)) for ask in (Ask("shirt", shop.photo(5)), Ask(photo=shop.photo(5))))
    assert len(words) == len(alone) + 1
    assert _hits(_replayed(client, words[1])) == _plain(searcher.search(Ask("shirt", shop.photo(5))).hits)
    for call in (alone[0], alone[-2]):
        assert _hits(_replayed(client, call)) == _plain(searcher.search(Ask(photo=shop.photo(5))).hits)


def test_each_request_is_told_and_vectors_take_one_line(
    setting: Setting, shown: Callable[..., str], painless: None
) -> None:
    for where in _with_and_without_mustache(setting):
        lines = shown(Ask("red\nshirt"), where).splitlines()
        starts = [number for number, line in enumerate(lines) if line.startswith(("GET ", "PUT "))]
        assert [lines[number - 1][:2] for number in starts] == ["# "] * (6 if where.can.mustache else 5)
        assert 'for "red\\nshirt"' in lines[0]
        for length in (32, 16):  # words for texts and for photos; a hybrid body holds each twice
            vectors = sum(line.count(", ") == length - 1 for line in lines)
            assert vectors == (2 + 2 + 1 if where.can.mustache else 2 + 2 + 2)
        assert not any(line.strip().rstrip(",").replace(".", "").isdigit() for line in lines)


def test_a_template_is_stored_and_used_where_the_server_can(
    setting: Setting, encoder: QuestionEncoder, shown: Callable[..., str], painless: None
) -> None:
    with_mustache, without = _with_and_without_mustache(setting)
    ask = Ask('red "shirt"', filters={"gender": ["Men"]}, size=3)
    *_, stored, used, _ = read_console(shown(ask, with_mustache))
    made = search_template(with_mustache, "exact")
    assert stored == Call("PUT", f"/_scripts/{made.id}", ({"script": {"lang": "mustache", "source": made.source}},))
    assert used.path == f"/{setting.recipe.index.name}/_search/template?include_named_queries_score=true"
    assert used.bodies[0] == {
        "id": made.id,
        "params": json.loads(json.dumps(parameters(with_mustache, ask, encoder.clauses(ask)))),
    }
    *_, rendered, _ = read_console(shown(ask, without))
    assert rendered.path == f"/{setting.recipe.index.name}/_search"
    assert rendered.bodies[0]["size"] == 3
    assert "lacks Mustache" not in shown(ask, with_mustache)
    assert "lacks Mustache" in shown(ask, without)


def _with_and_without_mustache(setting: Setting) -> list[Setting]:
    modules = setting.can.modules | {"lang-mustache"}
    return [replace(setting, can=replace(setting.can, modules=m)) for m in (modules, modules - {"lang-mustache"})]


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
