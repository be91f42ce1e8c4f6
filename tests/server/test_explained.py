"""Explanations of real answers: what the clauses gave adds up to the score, and the sentence names what gave it."""

from pathlib import Path

import pytest
import shop
from elasticsearch import Elasticsearch
from loaded import load_shop

from esmm.cluster import Capabilities
from esmm.query import client_side
from esmm.query.clauses import keyword_query
from esmm.query.encode import QuestionEncoder
from esmm.query.explain import asked_of, sentence
from esmm.query.parts import Parts
from esmm.query.search import Ask, Searcher
from esmm.query.upgrade import Options
from esmm.recipe import Recipe, parse

NOUNS = {"text": "meaning", "image": "photo", "text_to_image": "look", "image_to_text": "description"}
BODY = {"query": {"match": {"title": "red shirt"}}, "size": 30}


@pytest.fixture
def recipe(recipe_text: str) -> Recipe:
    """Words and photos in one space."""
    return parse(recipe_text.replace("digest-16", "digest-32"), source="shop.toml")


@pytest.fixture
def searcher(client: Elasticsearch, can: Capabilities, recipe: Recipe, tmp_path: Path) -> Searcher:
    shop.write_photos(tmp_path, 25)  # five lack theirs
    load_shop(client, can, recipe, shop.write(tmp_path / "catalog.jsonl", shop.products(30)), tmp_path)
    return Searcher(client, recipe, can)


@pytest.mark.parametrize("recall", ["union", "rescue", "rerank"])
def test_the_parts_of_each_hit_add_up_to_its_score(painless: None, searcher: Searcher, recall: str) -> None:
    options = Options(strategy="exact", recall=recall)  # type: ignore[arg-type]
    body = searcher.upgrade(BODY, Ask("red shirt", shop.photo(5)), options).body
    assert set(asked_of(body)) == {"keyword", "text", "image", "text_to_image", "image_to_text"}
    answer = searcher.send(body, searcher.fusion)
    matched = [hit for hit in answer.hits if any(word in hit.source["title"] for word in ("red", "shirt"))]
    assert 5 < len(matched) < 30
    assert len(answer.hits) == (len(matched) if recall == "rerank" else 30)
    for hit in answer.hits:
        assert sum(part.contribution for part in hit.parts) == pytest.approx(hit.score, abs=1e-4)
    for hit in answer.hits:
        found, _, missed = sentence(hit, asked_of(body)).partition("; ")
        assert ("its words" in found) == ("words" not in missed) == (hit in matched)
        for clause, noun in NOUNS.items():
            assert (f"its {noun}" in found) == (max([p.raw for p in hit.parts if p.clause == clause] or [0]) > 0)
    without_photo = {hit.id: sentence(hit, asked_of(body)) for hit in answer.hits if int(hit.id[1:]) >= 25}
    assert without_photo
    for why in without_photo.values():
        assert not {"photo", "look"} & set(why.partition("; ")[0].split())


@pytest.mark.parametrize("recall", ["union", "rescue", "rerank"])
def test_the_parts_add_up_under_boost(searcher: Searcher, recall: str) -> None:
    options = Options(strategy="boost", recall=recall)  # type: ignore[arg-type]
    body = searcher.upgrade(BODY, Ask("red shirt", shop.photo(5)), options).body
    answer = searcher.send(body, searcher.fusion)
    assert answer.hits
    for hit in answer.hits:
        assert sum(part.contribution for part in hit.parts) == pytest.approx(hit.score, rel=1e-5)
        assert all(-1 <= part.raw <= 1.00001 for part in hit.parts if part.clause not in ("keyword", "tier"))
    assert {part.clause for hit in answer.hits for part in hit.parts} >= {"keyword", *NOUNS}


def test_words_and_a_photo_are_four_clauses_and_python_scores_them_the_same(
    painless: None, client: Elasticsearch, can: Capabilities, searcher: Searcher, recipe: Recipe
) -> None:
    ask = Ask("red shirt", shop.photo(5), size=30)
    clauses = tuple(QuestionEncoder(recipe, None).clauses(ask))
    assert [clause.name for clause in clauses] == ["text", "image", "text_to_image", "image_to_text"]
    assert clauses[0].vector == clauses[2].vector != clauses[1].vector == clauses[3].vector
    keyword = keyword_query(recipe, "red shirt", [])
    parts = Parts(keyword, {}, clauses, searcher.fusion, recipe.search, can)
    oracle = {hit.id: hit for hit in client_side.search(client, recipe.index.name, parts, size=30)}
    hits = searcher.search(ask).hits
    assert {hit.id for hit in hits} == oracle.keys()
    for hit in hits:
        gave, wanted = ({p.clause: p.contribution for p in one.parts} for one in (hit, oracle[hit.id]))
        assert gave == pytest.approx(wanted, abs=1e-4)
        assert sum(gave.values()) == pytest.approx(hit.score, abs=1e-4)
        assert hit.score == pytest.approx(oracle[hit.id].score, abs=1e-4)
    for clause in ("text_to_image", "image_to_text"):
        assert max(part.contribution for hit in hits for part in hit.parts if part.clause == clause) > 0.05
