"""Clause scores from a real index: what is missing, judged only or absent; and the same scores without a server."""

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import shop
from elasticsearch import Elasticsearch
from loaded import load_shop

from esmm.cluster import Capabilities
from esmm.encoders import load_encoders
from esmm.errors import LearnError
from esmm.learn.features import Collected, Collector
from esmm.learn.judgements import Judgements, Question
from esmm.learn.offline import OfflineCollector
from esmm.query.search import Ask, Searcher
from esmm.recipe import Recipe, parse

pytestmark = pytest.mark.usefixtures("painless")

CLAUSES = """
[clauses.names]
match = ["title"]
[clauses.sex]
match = ["gender", "brand"]
[clauses.order]
phrase = "title"
slop = 1
[clauses.popular]
number = "sold"
[clauses.fresh]
date = "added"
half_life = "30d"
"""
LIMITS = "[search]\nk = 3\nnum_candidates = 8\ndepth = 6\nwindow = 16\n[text]"
FIELDS = 'sold = { type = "long" }\nadded = { type = "date" }\n'
COUNT = 60
RED, PHOTO, BOTH = Question("red shirt"), Question(photo="5"), Question("green ostra lamp", "8")
MEN = Question("Men")
JUDGED = {RED: {"p0": 1.0, "p7": 0.5, "p59": 0.0}, PHOTO: {"p5": 1.0, "p58": 0.0}, BOTH: {"p10": 1.0, "gone": 0.0}}


def products() -> list[dict[str, Any]]:
    now = datetime.now(UTC)
    made = [
        shop.product(n, sold=n * n, added=(now - timedelta(days=5 * n)).isoformat()[: 10 if n % 2 else None])
        for n in range(COUNT)
    ]
    for number in (2, 5, 59):
        del made[number]["sold"], made[number]["added"], made[number]["brand"]
    made[7]["sold"] = -1
    return made


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("shop")
    shop.write_photos(made, COUNT - 2)
    shop.write(made / "catalog.jsonl", products())
    return made


@pytest.fixture(scope="module")
def loaded(client: Elasticsearch, can: Capabilities, module_recipe_text: str, folder: Path) -> Recipe:
    text = module_recipe_text.replace("[text]", FIELDS + LIMITS) + CLAUSES
    recipe = parse(text, source=str(folder / "esmm.toml"))
    load_shop(client, can, recipe, folder / "catalog.jsonl", folder)
    return recipe


@pytest.fixture
def collector(client: Elasticsearch, can: Capabilities, loaded: Recipe) -> Collector:
    searcher = Searcher(client, loaded, can)
    return Collector(client, loaded, searcher, photo_of=lambda name: shop.photo(int(name)))


def cells(found: Collected, question: Question, clause: str) -> dict[str, float]:
    """The scores of a clause by product; what is missing is left out."""
    scored = next(each for each in found.table.questions if each.question == question)
    raws = scored.raws[:, found.table.clauses.index(clause)].tolist()
    return {name: raw for name, raw in zip(scored.ids, raws, strict=True) if not math.isnan(raw)}


def test_missing_is_missing_and_judged_products_have_scores(collector: Collector, loaded: Recipe) -> None:
    steps: list[tuple[int, int]] = []
    found = collector.collect(Judgements(JUDGED, "judged.tsv"), lambda *step: steps.append(step))
    assert steps == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert found.table.clauses[0] == "keyword"
    assert {"text", "image", "text_to_image", "names", "sex", "order", "popular", "fresh"} <= set(found.table.clauses)
    red = found.table.questions[0]
    assert list(red.ids) == sorted(red.ids)
    names = dict(zip(red.ids, red.candidate.tolist(), strict=True))
    assert red.raws.shape == (len(red.ids), len(found.table.clauses))
    assert {"p0", "p7", "p59"} <= set(names)
    assert not all(names.values())
    gains = {name: gain for name, gain in zip(red.ids, red.gains.tolist(), strict=True) if not math.isnan(gain)}
    assert gains == JUDGED[RED]
    words = cells(found, RED, "keyword")
    assert "p7" not in words, "no word of it matches"
    assert {"p7", "p59"} <= set(cells(found, RED, "text")), "a judged product has the score of every clause"
    assert "p59" not in cells(found, RED, "text_to_image"), "it has no photo"
    assert not {"p7", "p59", "p2"} & set(cells(found, RED, "popular"))
    assert cells(found, RED, "popular")["p0"] == pytest.approx(0)
    assert cells(found, PHOTO, "image")["p5"] == pytest.approx(1, abs=1e-5)
    for clause in ("keyword", "text", "text_to_image", "names", "order"):
        assert not cells(found, PHOTO, clause), clause
    assert found.absent == {BOTH.name: ("gone",)}
    assert found.absence == f"1 judged products are not in the index {loaded.index.name}: gone"
    facts = [each.facts for each in found.table.questions]
    assert [(fact["words"], fact["photo"]) for fact in facts] == [(2, 0), (0, 1), (3, 1)]
    assert found.rarity.shares["red"] == pytest.approx(1 / 6, abs=1e-6)


def test_the_candidates_are_what_the_search_scores(
    client: Elasticsearch, can: Capabilities, loaded: Recipe, collector: Collector
) -> None:
    """The raw scores are those that a search of the same question shows; what it orders is among the candidates."""
    weights = {name: each.model_copy(update={"weight": 0.5}) for name, each in loaded.clauses.items()}
    searcher = Searcher(client, loaded.model_copy(update={"clauses": weights}), can)
    found = collector.collect(Judgements({RED: JUDGED[RED]}, "judged.tsv"))
    (red,) = found.table.questions
    hits = searcher.search(Ask("red shirt", size=16)).hits
    candidates = {name for name, candidate in zip(red.ids, red.candidate, strict=True) if candidate}
    assert {hit.id for hit in hits} <= candidates
    for hit in hits:
        for part in hit.parts:
            inside = part.clause == "keyword" or part.clause in loaded.clauses or 0 < part.normalised < 1
            if inside:  # a cosine outside its window shows the edge of it
                assert cells(found, RED, part.clause)[hit.id] == pytest.approx(part.raw, abs=1e-4), part.clause


def test_all_absent_is_refused(collector: Collector) -> None:
    with pytest.raises(LearnError, match=r"none of the 2 products of judged\.tsv is in the index test-") as told:
        collector.collect(Judgements({RED: {"a": 1.0}, BOTH: {"b": 0.0}}, "judged.tsv"))
    assert "ids of the index" in told.value.hint


def test_a_photo_needs_a_place(client: Elasticsearch, can: Capabilities, loaded: Recipe) -> None:
    collector = Collector(client, loaded, Searcher(client, loaded, can))
    with pytest.raises(LearnError, match="question photo:5 is a photo") as told:
        collector.collect(Judgements({PHOTO: {"p5": 1.0}}, "judged.tsv"))
    assert "--photos" in told.value.hint


def test_a_shops_own_query_is_the_keyword_clause(client: Elasticsearch, can: Capabilities, loaded: Recipe) -> None:
    own = {
        "query": {"bool": {"must": [{"match": {"title": "?"}}], "filter": [{"term": {"gender": "Men"}}]}},
        "size": 3,
        "_source": ["title"],
        "from": 2,
    }
    collector = Collector(client, loaded, Searcher(client, loaded, can), body=own)
    found = collector.collect(Judgements({RED: JUDGED[RED]}, "judged.tsv"))
    match = {"match": {"title": "red shirt"}}
    hits = client.search(index=loaded.index.name, query=match, size=COUNT)["hits"]["hits"]
    men = {hit["_id"]: hit["_score"] for hit in hits if hit["_source"]["gender"] == "Men"}
    words = cells(found, RED, "keyword")
    assert len(words) > 3
    assert words == pytest.approx({name: men[name] for name in words}, abs=1e-4)
    (red,) = found.table.questions
    candidates = [name for name, candidate in zip(red.ids, red.candidate, strict=True) if candidate]
    assert all(int(name[1:]) % 2 for name in candidates), "its filters bind the neighbours too"
    assert "p0" in red.ids
    assert not any(name.startswith("form:") for name in found.table.clauses)


def test_without_a_server_the_scores_are_the_same(collector: Collector, loaded: Recipe, folder: Path) -> None:
    judgements = Judgements(
        {RED: JUDGED[RED], BOTH: JUDGED[BOTH], MEN: {f"p{n}": 1.0 for n in range(20)}}, "judged.tsv"
    )
    server = collector.collect(judgements, centres=2)
    offline = OfflineCollector(
        loaded, folder / "catalog.jsonl", encoders=load_encoders(loaded)[0], photo_of=lambda name: shop.photo(int(name))
    ).collect(judgements, centres=2)
    assert server.centres is not None
    assert offline.centres == pytest.approx(server.centres, abs=1e-5)
    for here, there in zip(offline.table.questions, server.table.questions, strict=True):
        assert here.facts == pytest.approx(there.facts, abs=1e-5)
    assert offline.table.clauses == server.table.clauses
    assert offline.absent == server.absent
    assert offline.rarity == server.rarity
    for question in (RED, BOTH, MEN):
        for clause in ("keyword", "text", "image", "text_to_image", "names", "order", "sex", "popular", "fresh"):
            here, there = cells(offline, question, clause), cells(server, question, clause)
            both = {scored.question: set(scored.ids) for scored in server.table.questions}[question]
            both &= {scored.question: set(scored.ids) for scored in offline.table.questions}[question]
            assert len(both) > 12
            assert here.keys() & both == there.keys() & both, clause
            one, other = ([cell[name] for name in sorted(here.keys() & both)] for cell in (here, there))
            assert one == pytest.approx(other, abs=2e-3 if clause == "fresh" else 1e-4), clause
