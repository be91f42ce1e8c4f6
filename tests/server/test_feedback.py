"""Vector feedback on a real index: the vectors move to where the first hits are, within the query's own filters."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shop
from elasticsearch import Elasticsearch
from loaded import load_shop

from esmm.cluster import Capabilities
from esmm.learn.features import Collector
from esmm.learn.judgements import Judgements, Question
from esmm.query.clauses import VectorClause
from esmm.query.encode import Ask
from esmm.query.feedback import towards
from esmm.query.search import Searcher
from esmm.recipe import Recipe, parse

pytestmark = pytest.mark.usefixtures("painless")

COUNT, FEEDBACK = 48, 4
FIELDS = ("text_vector", "image_vector")
ASK = Ask("red shirt", filters={"gender": ["Men"]})


@pytest.fixture(scope="module")
def recipe(client: Elasticsearch, can: Capabilities, module_recipe_text: str, tmp_path_factory: Any) -> Recipe:
    folder: Path = tmp_path_factory.mktemp("shop")
    shop.write_photos(folder, COUNT)
    shop.write(folder / "catalog.jsonl", shop.products(COUNT))
    made = parse(f"{module_recipe_text}\n[search]\nfeedback = {FEEDBACK}\n")
    load_shop(client, can, made, folder / "catalog.jsonl", folder)
    return made


@pytest.fixture
def searcher(client: Elasticsearch, can: Capabilities, recipe: Recipe) -> Searcher:
    return Searcher(client, recipe, can)


@pytest.fixture
def plain(client: Elasticsearch, can: Capabilities, recipe: Recipe) -> Searcher:
    limits = recipe.search.model_copy(update={"feedback": 0})
    return Searcher(client, recipe.model_copy(update={"search": limits}), can)


def vectors_of(clauses: Any) -> dict[str, Any]:
    return {clause.name: clause.vector for clause in clauses if isinstance(clause, VectorClause)}


def best_by_hand(client: Elasticsearch, plain: Searcher, ask: Ask) -> list[dict[str, Any]]:
    """Score all products of men by keyword and cosines, all weighing 1, and return the best ones' vectors."""

    def hits(**body: Any) -> list[dict[str, Any]]:
        found = client.search(index=plain._recipe.index.name, size=COUNT, **body)["hits"]["hits"]
        return list(found)

    men = hits(query={"term": {"gender": "Men"}}, fields=list(FIELDS), source=False)
    held = {hit["_id"]: hit["fields"] for hit in men}
    words = {hit["_id"]: hit["_score"] for hit in hits(query=plain.request(ask, keyword_only=True)["query"])}
    constant = plain.fusion.saturation
    scores = {}
    for name, fields in held.items():
        cosines = [float(np.dot(c.vector, fields[c.field])) for c in plain.clauses(ask) if isinstance(c, VectorClause)]
        word = words.get(name, 0.0)
        scores[name] = word / (word + constant) + sum(min(1.0, max(0.0, cosine)) for cosine in cosines)
    return [held[name] for name in sorted(scores, key=lambda name: -scores[name])[:FEEDBACK]]


def test_the_vectors_move_to_the_best_hits_that_pass_the_filters(
    client: Elasticsearch, searcher: Searcher, plain: Searcher
) -> None:
    best = best_by_hand(client, plain, ASK)
    before, after = vectors_of(plain.clauses(ASK)), vectors_of(searcher.clauses(ASK))
    assert after.keys() == before.keys() == {"text", "text_to_image"}
    for name, field in zip(("text", "text_to_image"), FIELDS, strict=True):
        wanted = towards(before[name], [hit[field] for hit in best])
        assert after[name] == pytest.approx(wanted, abs=1e-5)
        assert float(np.dot(after[name], before[name])) < 0.999


def test_a_search_by_moved_vectors_is_explained(searcher: Searcher) -> None:
    answer = searcher.search(ASK)
    assert {hit.source["gender"] for hit in answer.hits} == {"Men"}
    for hit in answer.hits:
        assert hit.score == pytest.approx(sum(part.contribution for part in hit.parts), abs=1e-4)
    knn = answer.request["query"]["bool"]["should"][1]
    assert vectors_of(searcher.clauses(ASK))["text"] == tuple(_first(knn, "query_vector"))


def test_a_callers_own_body_is_what_the_first_look_asks(searcher: Searcher, plain: Searcher) -> None:
    own = {"query": {"bool": {"must": [{"match": {"title": "red"}}], "filter": [{"term": {"gender": "Women"}}]}}}
    made = searcher.upgrade(own, Ask("red shirt"))
    other = searcher.upgrade({"query": {"match": {"title": "red"}}}, Ask("red shirt"))
    without = plain.upgrade(own, Ask("red shirt"))
    vectors = [_first(each.body, "query_vector") for each in (made, other, without)]
    assert vectors[0] != vectors[1] != vectors[2] != vectors[0]


def test_products_to_be_like_and_to_avoid_stay_where_they_are(searcher: Searcher, plain: Searcher) -> None:
    ask = Ask("red shirt", like=("p3",), avoid="lamp")
    before, after = vectors_of(plain.clauses(ask)), vectors_of(searcher.clauses(ask))
    assert {name for name in before if before[name] != after[name]} == {"text", "text_to_image"}
    alone = Ask(like=("p3",))
    assert vectors_of(plain.clauses(alone)) == vectors_of(searcher.clauses(alone))


def test_without_a_server_nothing_moves(can: Capabilities, recipe: Recipe, plain: Searcher) -> None:
    ask = Ask("red shirt")
    assert vectors_of(Searcher(None, recipe, can).clauses(ask)) == vectors_of(plain.clauses(ask))


def test_what_is_learned_are_the_scores_of_moved_vectors(
    client: Elasticsearch, recipe: Recipe, searcher: Searcher
) -> None:
    found = Collector(client, recipe, searcher).collect(Judgements({Question("red shirt"): {"p0": 1.0}}, "judged.tsv"))
    (scored,) = found.table.questions
    column = scored.raws[:, found.table.clauses.index("text")]
    hits = {hit.id: hit for hit in searcher.search(Ask("red shirt", size=20)).hits}
    told = {part.clause: part.raw for part in hits["p0"].parts}
    assert column[scored.ids.index("p0")] == pytest.approx(told["text"], abs=1e-4)


def _first(tree: Any, key: str) -> Any:
    """Return what stands under a key, wherever it stands first."""
    if isinstance(tree, dict):
        if key in tree:
            return tree[key]
        tree = list(tree.values())
    found = (_first(each, key) for each in tree) if isinstance(tree, list) else iter(())
    return next((each for each in found if each is not None), None)
