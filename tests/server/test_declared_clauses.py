"""Declared clauses (match, phrase, number, date) on a real server: scored like the others, adding no hit."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import shop
from elasticsearch import Elasticsearch
from loaded import load_shop
from mustache import Mustache

from esmm.cluster import Capabilities
from esmm.errors import Incompatible
from esmm.query import client_side
from esmm.query.clauses import QueryClause, VectorClause, keyword_query
from esmm.query.encode import sources_named
from esmm.query.explain import asked_of, sentence
from esmm.query.fusion import Fusion, Window
from esmm.query.gate import FACTS
from esmm.query.model import ClauseModel, FusionModel, GateModel, digest_of
from esmm.query.parts import Parts
from esmm.query.search import Ask, Searcher
from esmm.query.templates import Setting, built, search_template
from esmm.query.upgrade import Options
from esmm.recipe import Recipe, parse
from tests.conftest import tiny_recipe

FIELDS = """
sold = { type = "long" }
added = { type = "date" }
"""
CLAUSES = """
[clauses.maker]
match = ["brand", "gender"]
weight = 0.7
saturation = 0.5
[clauses.in_order]
phrase = "title"
slop = 1
weight = 0.4
saturation = 2
[clauses.popular]
number = "sold"
weight = 0.3
saturation = 20
[clauses.fresh]
date = "added"
half_life = "30d"
weight = 0.2
saturation = 1
"""
DECLARED = ("maker", "in_order", "popular", "fresh")
COUNT = 60
ASKS = [Ask("red shirt"), Ask("number7 shoe quenby"), Ask("Men"), Ask("zeppelin"), Ask(photo=shop.photo(5))]
ASKS += [Ask("green lamp", shop.photo(8)), Ask("red shirt", filters={"gender": ["Men"]})]
NAMES = [f"{ask.text or ''}{' photo' if ask.photo else ''}{' filtered' if ask.filters else ''}" for ask in ASKS]


def text_of(recipe_text: str, *, shards: int = 1, fusion: str = "") -> str:
    text = recipe_text.replace("[text]", f"{FIELDS}{fusion}\n[text]").replace(
        "[fields]", f"shards = {shards}\n[fields]"
    )
    return text + CLAUSES


def products() -> list[dict[str, Any]]:
    made = []
    for number in range(COUNT):
        added = (datetime.now(UTC) - timedelta(days=5 * number)).isoformat()
        made.append(shop.product(number, sold=number * number, added=added))
    for number in (2, 5, 11):
        del made[number]["sold"], made[number]["added"], made[number]["brand"]
    made[6]["sold"] = -3
    return made


@pytest.fixture(scope="module", params=[1, 3], ids=["1 shard", "3 shards"])
def loaded(
    request: pytest.FixtureRequest,
    client: Elasticsearch,
    can: Capabilities,
    module_recipe_text: str,
    module_alias: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Recipe]:
    """A recipe with a clause of each kind, whose index is loaded."""
    folder = tmp_path_factory.mktemp("shop")
    shop.write_photos(folder, COUNT - 5)
    text = module_recipe_text.replace(module_alias, f"{module_alias}-{request.param}")
    recipe = parse(text_of(text, shards=request.param), source=str(folder / "esmm.toml"))
    load_shop(client, can, recipe, shop.write(folder / "catalog.jsonl", products()), folder)
    yield recipe


@pytest.fixture
def searcher(client: Elasticsearch, can: Capabilities, loaded: Recipe) -> Searcher:
    return Searcher(client, loaded, can)


def gated(recipe: Recipe) -> FusionModel:
    """A fusion with all that a tuned one can have, floors and boosts apart."""
    learned = {
        "keyword": ClauseModel(weight=0.9, saturation=4.0),
        "text": ClauseModel(weight=0.6, low=-0.2, high=0.7),
        "text_to_image": ClauseModel(weight=0.3, low=-0.5, high=0.9),
        "image": ClauseModel(weight=0.8, low=-0.1, high=1.0),
        "maker": ClauseModel(weight=0.5, saturation=1.5),
        "in_order": ClauseModel(weight=0.4, saturation=3.0),
        "popular": ClauseModel(weight=0.3, saturation=100.0),
        "fresh": ClauseModel(weight=0.2, saturation=0.4),
    }
    coefficients = {
        name: {"words": 0.3 * place - 0.8, "photo": 0.5, "rarity": -0.1} for place, name in enumerate(learned)
    }
    gate = GateModel(
        coefficients=coefficients,
        middles=dict.fromkeys(FACTS, 1.0),
        scales=dict.fromkeys(FACTS, 2.0),
        shares={"red": 0.2, "shirt": 0.1},
    )
    return FusionModel(kind="gate", label="proven", made_for=digest_of(recipe), clauses=learned, gate=gate)


def parts_of(searcher: Searcher, recipe: Recipe, ask: Ask, can: Capabilities) -> Parts:
    """The same question for the strategy client, which shares no script with exact."""
    guard = [{"terms": {name: list(values)}} for name, values in ask.filters.items()]
    clauses = searcher.clauses(ask)
    vectors = tuple(clause for clause in clauses if isinstance(clause, VectorClause))
    queries = tuple(clause for clause in clauses if isinstance(clause, QueryClause))
    keyword = keyword_query(recipe, ask.text or "", guard)
    fusion = searcher.fusion_at(ask)
    return Parts(keyword, {}, vectors, fusion, recipe.search, can, tuple(guard), queries=queries)


@pytest.mark.parametrize("ask", ASKS, ids=NAMES)
@pytest.mark.parametrize("tuned", [False, True], ids=["untuned", "gate"])
def test_exact_client_and_python_agree(
    painless: None, client: Elasticsearch, can: Capabilities, loaded: Recipe, ask: Ask, tuned: bool
) -> None:
    searcher = Searcher(client, loaded, can, model=gated(loaded) if tuned else None)
    ask = replace(ask, size=COUNT)
    fusion = searcher.fusion_at(ask)
    assert (searcher.fusion.gate is not None) == tuned
    assert fusion.gate is None
    one = searcher.search(ask).hits
    other = client_side.search(client, loaded.index.name, parts_of(searcher, loaded, ask, can), size=COUNT)
    assert len(one) == len(other) > 10
    theirs = {hit.id: hit.score for hit in other}
    assert [hit.score for hit in one] == pytest.approx([hit.score for hit in other], abs=1e-4)
    for mine, its in zip(one, other, strict=True):
        assert mine.id == its.id or mine.score == pytest.approx(theirs[its.id], abs=1e-5)
        raws = {part.clause: part.raw for part in mine.parts}
        assert fusion.score(raws) == pytest.approx(mine.score, abs=1e-4)
        assert sum(part.contribution for part in mine.parts) == pytest.approx(mine.score, abs=1e-4)


def test_each_kind_matches_what_it_should(painless: None, searcher: Searcher, loaded: Recipe) -> None:
    hits = {hit.id: hit for hit in searcher.search(Ask("red shirt Quenby", size=COUNT)).hits}
    assert len(hits) == COUNT
    gave = {name: {i: p.raw for i, h in hits.items() for p in h.parts if p.clause == name} for name in DECLARED}
    assert set(gave["maker"]) == {f"p{n}" for n in range(0, COUNT, 3)}
    assert gave["in_order"] == {}, "the title does not go on with the brand"
    assert set(gave["popular"]) == {f"p{n}" for n in range(COUNT)} - {"p2", "p5", "p11", "p6"}
    assert gave["popular"]["p7"] == pytest.approx(49)
    assert gave["fresh"]["p12"] == pytest.approx(0.25, rel=1e-3)
    assert set(gave["fresh"]) == {f"p{n}" for n in range(COUNT)} - {"p2", "p5", "p11"}
    answer = searcher.search(Ask("red number0", size=COUNT))
    phrase = {hit.id: part for hit in answer.hits for part in hit.parts if part.clause == "in_order"}
    assert set(phrase) == {"p0"}, "one word between is allowed"
    assert "clause in_order" in sentence(next(hit for hit in answer.hits if hit.id == "p0"), asked_of(answer.request))
    photo = searcher.search(Ask(photo=shop.photo(5), size=COUNT))
    found = {part.clause for hit in photo.hits for part in hit.parts}
    assert found == {"image", "image_to_text", "popular", "fresh"}


def test_without_weights_the_request_is_as_before(
    client: Elasticsearch, can: Capabilities, loaded: Recipe, recipe_text: str
) -> None:
    without = loaded.model_copy(update={"clauses": {}})
    nought = {name: each.model_copy(update={"weight": 0.0}) for name, each in loaded.clauses.items()}
    searchers = [Searcher(client, each, can) for each in (without, loaded.model_copy(update={"clauses": nought}))]
    body = {"query": {"match": {"title": "red shirt"}}, "size": 5}
    for ask in ASKS:
        one, other = (each.request(ask) for each in searchers)
        assert one == other
        assert not set(asked_of(one)) & set(DECLARED)
    one, other = (each.upgrade(body) for each in searchers)
    assert one == other
    sources = [search_template(setting(each.fusion, loaded, can), "boost").source for each in searchers[1:]]
    assert not any(name in source for source in sources for name in DECLARED)


@pytest.mark.parametrize("strategy", ["exact", "boost"])
def test_a_declared_clause_adds_no_hit(
    painless: None, client: Elasticsearch, can: Capabilities, loaded: Recipe, strategy: Any
) -> None:
    """Products are old and new everywhere; only those that words or a near photo find are there."""
    narrow = loaded.model_copy(update={"search": loaded.search.model_copy(update={"k": 2, "num_candidates": 4})})
    searcher = Searcher(client, narrow, can)
    body = {"query": {"match": {"title": "red shirt"}}, "size": COUNT, "_source": False}
    words = client.search(index=narrow.index.name, query=body["query"], size=COUNT)["hits"]["hits"]  # type: ignore[arg-type]
    for recall in ("union", "rescue", "rerank"):
        options = Options(strategy=strategy, recall=recall)  # type: ignore[arg-type]
        made = searcher.upgrade(body, Ask("red shirt"), options)
        plain = Searcher(client, narrow.model_copy(update={"clauses": {}}), can).upgrade(
            body, Ask("red shirt"), options
        )
        hits = searcher.send(made.body, searcher.fusion).hits
        assert {part.clause for hit in hits for part in hit.parts} >= {"fresh", "popular"}
        found = {hit["_id"] for hit in client.search(index=narrow.index.name, body=plain.body)["hits"]["hits"]}
        assert {hit.id for hit in hits} == found
        assert {hit["_id"] for hit in words} <= found
        assert len(found) < COUNT


def test_boost_counts_each_clause_by_its_boost(searcher: Searcher) -> None:
    ask = Ask("red shirt", size=COUNT)
    body = {"query": {"match": {"title": "red shirt"}}, "size": COUNT}
    hits = searcher.send(searcher.upgrade(body, ask, Options(strategy="boost")).body, searcher.fusion).hits
    for hit in hits:
        assert sum(part.contribution for part in hit.parts) == pytest.approx(hit.score, rel=1e-4)
    popular = {hit.id: part for hit in hits for part in hit.parts if part.clause == "popular"}
    assert popular["p7"].raw == pytest.approx(49)
    tuned = replace(searcher.fusion, boosts={"popular": 0.125})
    searcher.fusion = tuned
    hits = searcher.send(searcher.upgrade(body, ask, Options(strategy="boost")).body, tuned).hits
    popular = {hit.id: part for hit in hits for part in hit.parts if part.clause == "popular"}
    assert popular["p7"].contribution == pytest.approx(49 / 8)


@pytest.mark.parametrize("strategy", ["linear", "rrf"])
def test_retrievers_refuse_them(loaded: Recipe, client: Elasticsearch, strategy: Any) -> None:
    paid = Capabilities(licence="enterprise", modules=frozenset({"lang-painless", "rank-rrf"}))
    searcher = Searcher(client, loaded, paid)
    body = {"query": {"match": {"title": "red"}}}
    with pytest.raises(Incompatible, match="cannot hold the declared clauses maker, in_order, popular, fresh") as told:
        searcher.upgrade(body, options=Options(strategy=strategy))
    assert "exact or boost" in told.value.hint


# Templates.

TEXT, IMAGE = [0.5] * 32, [0.25, -1.0] * 8
FILTER = [{"term": {"gender": "Men"}}]
SENT: list[dict[str, Any]] = [
    {"query_text": "red shirt", "text_vector": TEXT},
    {"query_text": 'a "quoted" {{query_text}} \\ word', "text_vector": TEXT, "image_vector": IMAGE},
    {"query_text": "red shirt", "text_vector": TEXT, "filters": FILTER, "size": 3},
    {"image_vector": IMAGE},
    {"image_vector": IMAGE, "filters": FILTER, "facets": True},
    {"query_text": "red shirt"},
    {},
]


def setting(fusion: Fusion, recipe: Recipe, can: Capabilities) -> Setting:
    return Setting(recipe, sources_named(recipe), fusion, can)


@pytest.mark.parametrize("strategy", ["exact", "boost"])
@pytest.mark.parametrize("gate", [False, True], ids=["untuned", "gate"])
def test_templates_render_to_what_the_builder_makes(
    mustache: Mustache, client: Elasticsearch, can: Capabilities, loaded: Recipe, strategy: Any, gate: bool
) -> None:
    if strategy == "exact" and not can.painless:
        pytest.skip("this server has no painless scripts")
    case = setting(Searcher(client, loaded, can, model=gated(loaded) if gate else None).fusion, loaded, can)
    source = search_template(case, strategy).source
    for params in SENT:
        rendered = mustache.render(source, params)
        assert rendered == built(replace(case, fusion=replace(case.fusion, gate=None)), strategy, params)
        answer = client.search(index=loaded.index.name, body=rendered, include_named_queries_score=True)
        assert answer["_shards"]["failed"] == 0
        named = {name for hit in answer["hits"]["hits"] for name in hit.get("matched_queries", {})}
        assert ("esmm:fresh" in named) == ("text_vector" in params or "image_vector" in params)


def test_a_template_takes_the_weight_of_a_declared_clause(mustache: Mustache, loaded: Recipe) -> None:
    can = Capabilities(modules=frozenset({"lang-painless"}))
    case = setting(Fusion({**dict.fromkeys(DECLARED, 0.5), "text": 1.0}, 3.0, saturations={"maker": 2.0}), loaded, can)
    case = replace(case, fusion=replace(case.fusion, saturations=dict.fromkeys(DECLARED, 2.0)))
    sent = {"query_text": "red", "text_vector": TEXT}
    rendered = mustache.render(search_template(case, "exact").source, sent | {"weights": {"popular": 0.125}})
    changed = replace(case, fusion=replace(case.fusion, weights={**case.fusion.weights, "popular": 0.125}))
    assert rendered == built(changed, "exact", sent)


def test_names_with_braces_and_words_beside_them(mustache: Mustache) -> None:
    odd = 't{{query_text}}"{{{'
    name = json.dumps(odd)
    declared = f"[clauses.odd]\nmatch = [{name}]\nweight = 1\n[clauses.order]\nphrase = {name}\nweight = 1"
    recipe = tiny_recipe(**{"title =": f"{name} =", "[text]": f"{declared}\n[text]"})
    can = Capabilities(modules=frozenset({"lang-painless"}))
    fusion = Fusion({"text": 1.0}, 3.0, {"text": Window(0, 1)}, {"odd": 1.0, "order": 1.0})
    case, sent = setting(fusion, recipe, can), {"query_text": 'red "{{size}}"', "text_vector": TEXT}
    for strategy in ("exact", "boost"):
        rendered = mustache.render(search_template(case, strategy).source, sent)
        assert rendered == built(case, strategy, sent)  # type: ignore[arg-type]
        assert odd in json.dumps(rendered).encode().decode("unicode_escape")
