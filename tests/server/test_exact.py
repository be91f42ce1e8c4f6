"""The strategy ``exact`` on a real server, against an oracle of its own that scores every document.

The oracle shares no code with it: raw keyword scores come from a plain search that returns everything, cosines from
numpy, and their sum is written out here.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from elasticsearch import ApiError, Elasticsearch, helpers

from esmm.cluster import Capabilities
from esmm.query.clauses import VectorClause, filters_of, keyword_query
from esmm.query.explain import Hit, hits_of
from esmm.query.fusion import Fusion, Window
from esmm.query.search import Ask, request
from esmm.query.upgrade import upgrade_body
from esmm.recipe import Recipe, parse

COUNT, TEXT_DIMS, IMAGE_DIMS, CLUSTERS = 3000, 24, 16, 60
WORDS = ("red", "blue", "shirt", "shoe", "lamp", "wool", "steel", "small", "soft", "dark")
QUERIES = 30
TWO = {"keyword": 1.0, "text": 5.0}
Scores = dict[str, float]


class Shelf:
    """Products in clusters, half of which hold the word "common"; every seventh has no photo vector."""

    def __init__(self) -> None:
        draw = np.random.default_rng(5)
        self.text = self._clustered(draw, TEXT_DIMS)
        self.image = self._clustered(draw, IMAGE_DIMS)
        self.titles = [self._title(draw, number) for number in range(COUNT)]
        self.queries = [self._query(draw) for _ in range(QUERIES)]

    def _clustered(self, draw: np.random.Generator, dims: int) -> Any:
        self.middles = draw.standard_normal((CLUSTERS, dims))
        rows = self.middles[np.arange(COUNT) % CLUSTERS] + 0.6 * draw.standard_normal((COUNT, dims))
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)

    def _title(self, draw: np.random.Generator, number: int) -> str:
        common = ["common"] * (number % 2) * int(draw.integers(1, 4))
        return " ".join([*common, *draw.choice(WORDS, int(draw.integers(2, 9)))])

    def _query(self, draw: np.random.Generator) -> tuple[str, list[float], list[float]]:
        near = int(draw.integers(COUNT))
        vectors = [row[near] + 0.15 * draw.standard_normal(row.shape[1]) for row in (self.text, self.image)]
        text, image = ([round(float(x), 7) for x in vector / np.linalg.norm(vector)] for vector in vectors)
        return f"common {draw.choice(WORDS)}", text, image

    def documents(self, index: str) -> list[dict[str, Any]]:
        made = []
        for number, title in enumerate(self.titles):
            source = {"id": f"d{number}", "title": title, "gender": "Men" if number % 3 else "Women", "price": number}
            source["text_vector"] = self.text[number].tolist()
            if number % 7:
                source["image_vector"] = self.image[number].tolist()
            made.append({"_index": index, "_id": f"d{number}", "_source": source})
        return made


@pytest.fixture(scope="module")
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture(scope="module")
def recipe(module_recipe_text: str) -> Recipe:
    lines = [line for line in module_recipe_text.splitlines() if not line.startswith("brand")]
    return parse("\n".join(lines), source="exact.toml")


@pytest.fixture(scope="module", params=[1, 3], ids=["1 shard", "3 shards"])
def index(
    request: pytest.FixtureRequest, client: Elasticsearch, module_alias: str, shelf: Shelf, painless: None
) -> str:
    name = f"{module_alias}-{request.param}"
    vectors = {
        f"{kind}_vector": {
            "type": "dense_vector",
            "dims": dims,
            "similarity": "cosine",
            "index_options": {"type": "int8_hnsw"},
        }
        for kind, dims in (("text", TEXT_DIMS), ("image", IMAGE_DIMS))
    }
    fields = {"title": {"type": "text"}, "gender": {"type": "keyword"}, "price": {"type": "double"}}
    settings = {"number_of_shards": request.param, "number_of_replicas": 0}
    client.indices.create(index=name, settings=settings, mappings={"properties": fields | vectors})
    helpers.bulk(client, shelf.documents(name), refresh=True)
    return name


def _keyword_scores(client: Elasticsearch, index: str, text: str, filters: Sequence[Any] = ()) -> Scores:
    """Every match with the server's own score."""
    match = {"combined_fields": {"query": text, "fields": ["title^3"], "operator": "or"}}
    query = {"bool": {"must": [match], "filter": list(filters)}}
    hits = client.search(index=index, query=query, size=10_000, source=False)["hits"]["hits"]
    return {hit["_id"]: hit["_score"] for hit in hits}


def _oracle(fusion: Fusion, keyword: Scores, cosines: dict[str, Scores]) -> Scores:
    """Every document's score, the sum written out."""
    total: Scores = {}
    for name, score in keyword.items():
        total[name] = fusion.weights["keyword"] * score / (score + fusion.saturation)
    for clause, scores in cosines.items():
        window = fusion.windows.get(clause, Window(0.0, 1.0))
        for name, cosine in scores.items():
            share = max(0.0, min(1.0, (cosine - window.low) / (window.high - window.low)))
            total[name] = total.get(name, 0.0) + fusion.weights[clause] * share
    return total


def _cosines(shelf: Shelf, text: Sequence[float] | None, image: Sequence[float] | None) -> dict[str, Scores]:
    found: dict[str, Scores] = {}
    if text is not None:
        found["text"] = {f"d{n}": float(c) for n, c in enumerate(shelf.text @ np.asarray(text))}
    if image is not None:
        found["image"] = {f"d{n}": float(c) for n, c in enumerate(shelf.image @ np.asarray(image)) if n % 7}
    return found


def _best(scores: Scores, count: int = 10) -> list[str]:
    return sorted(scores, key=lambda name: -scores[name])[:count]


def _run(client: Elasticsearch, index: str, body: dict[str, Any], fusion: Fusion) -> list[Hit]:
    answer = client.search(index=index, body=body, include_named_queries_score=True)
    for hit in answer["hits"]["hits"]:
        assert not {"text_vector", "image_vector"} & set(hit["_source"])
    return hits_of(answer.body, fusion)


def _in_order(hits: list[Hit], scores: Scores) -> None:
    """The server's scores and order are the oracle's."""
    assert [hit.score for hit in hits] == pytest.approx([scores[hit.id] for hit in hits], abs=1e-4)
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


def _clauses(text: Sequence[float] | None, image: Sequence[float] | None) -> list[VectorClause]:
    given = (("text", text), ("image", image))
    return [VectorClause(name, f"{name}_vector", vector) for name, vector in given if vector is not None]


def test_half_of_the_index_matches_and_the_vector_weighs_five_times(
    client: Elasticsearch, index: str, shelf: Shelf, recipe: Recipe, can: Capabilities
) -> None:
    fusion = Fusion(TWO, saturation=1.0)
    overlaps = []
    for words, vector, _ in shelf.queries:
        keyword = _keyword_scores(client, index, words)
        assert len(keyword) >= COUNT / 2
        scores = _oracle(fusion, keyword, _cosines(shelf, vector, None))
        hits = _run(client, index, request(recipe, Ask(words), _clauses(vector, None), fusion, can), fusion)
        _in_order(hits, scores)
        overlaps.append(len({hit.id for hit in hits} & set(_best(scores))) / 10)
    assert np.mean(overlaps) >= 0.99


@pytest.mark.parametrize(
    "fusion",
    [
        Fusion({"keyword": 1.0, "text": 1.0, "image": 1.0}, 3.0),
        Fusion({"keyword": 0.2, "text": 2.0, "image": 7.0}, 40.0),
        Fusion({"keyword": 3.0, "text": 0.5, "image": 0.5}, 0.3, {"text": Window(0.2, 0.9), "image": Window(-1, 1)}),
        Fusion({"keyword": 0.0, "text": 1.0, "image": 1.0}, 3.0),
    ],
)
def test_parts_add_up_and_python_scores_the_same(
    client: Elasticsearch, index: str, shelf: Shelf, recipe: Recipe, can: Capabilities, fusion: Fusion
) -> None:
    without_photo = 0
    for words, text, image in shelf.queries[:6]:
        scores = _oracle(fusion, _keyword_scores(client, index, words), _cosines(shelf, text, image))
        hits = _run(client, index, request(recipe, Ask(words, size=500), _clauses(text, image), fusion, can), fusion)
        _in_order(hits, scores)
        without_photo += sum("image" not in {part.clause for part in hit.parts} for hit in hits)
        for hit in hits:
            assert sum(part.contribution for part in hit.parts) == pytest.approx(hit.score, abs=1e-4)
            raws = {part.clause: part.raw for part in hit.parts}
            assert fusion.score(raws) == pytest.approx(hit.score, abs=1e-4)
    assert without_photo > 0


def test_photo_alone_and_product_without_vector(
    client: Elasticsearch, index: str, shelf: Shelf, recipe: Recipe, can: Capabilities
) -> None:
    fusion = Fusion({"keyword": 1.0, "image": 1.0})
    image = shelf.image[8].tolist()
    body = request(recipe, Ask(photo=object(), size=20), _clauses(None, image), fusion, can)  # type: ignore[arg-type]
    hits = _run(client, index, body, fusion)
    assert (hits[0].id, hits[0].score) == ("d8", pytest.approx(1, abs=1e-4))
    assert all(int(hit.id[1:]) % 7 for hit in hits)


def test_filters_bind_vector_hits(
    client: Elasticsearch, index: str, shelf: Shelf, recipe: Recipe, can: Capabilities
) -> None:
    fusion = Fusion(TWO, 1.0)
    for words, text, _ in shelf.queries[:5]:
        wanted = {"gender": ["Women"]}
        body = request(recipe, Ask(words, filters=wanted, size=100), _clauses(text, None), fusion, can)
        hits = _run(client, index, body, fusion)
        assert len(hits) == 100
        assert {hit.source["gender"] for hit in hits} == {"Women"}
        keyword = _keyword_scores(client, index, words, [{"term": {"gender": "Women"}}])
        cosines = {"text": {f"d{n}": c for n, c in enumerate(shelf.text @ np.asarray(text)) if n % 3 == 0}}
        scores = _oracle(fusion, keyword, cosines)
        _in_order(hits, scores)
        assert len({hit.id for hit in hits[:10]} & set(_best(scores))) >= 9


def test_pages_are_disjoint_and_complete_up_to_the_window(
    client: Elasticsearch, index: str, shelf: Shelf, recipe: Recipe, can: Capabilities
) -> None:
    fusion = Fusion(TWO, 1.0)
    words, text, _ = shelf.queries[0]

    def page(start: int, size: int) -> list[Hit]:
        return _run(
            client, index, request(recipe, Ask(words, None, {}, size, start), _clauses(text, None), fusion, can), fusion
        )

    whole = page(0, recipe.search.window)
    pages = [hit for start in range(0, recipe.search.window, 50) for hit in page(start, 50)]
    assert len({hit.id for hit in whole}) == recipe.search.window
    assert {hit.id for hit in pages} == {hit.id for hit in whole}
    assert [hit.score for hit in pages] == pytest.approx([hit.score for hit in whole])


def test_weight_nought_is_the_keywords_own_body(
    client: Elasticsearch, index: str, shelf: Shelf, recipe: Recipe, can: Capabilities
) -> None:
    fusion = Fusion({"keyword": 1.0, "text": 0.0}, 1.0)
    words, text, _ = shelf.queries[0]
    body = request(recipe, Ask(words), _clauses(text, None), fusion, can)
    assert body["query"] == keyword_query(recipe, words, [])
    assert "rescore" not in body
    keyword = _keyword_scores(client, index, words)
    hits = _run(client, index, body, fusion)
    assert [hit.score for hit in hits] == pytest.approx([keyword[name] for name in _best(keyword)], abs=1e-5)


def test_callers_names_survive(
    client: Elasticsearch, index: str, shelf: Shelf, recipe: Recipe, can: Capabilities
) -> None:
    words, text, _ = shelf.queries[0]
    own = {"match": {"title": {"query": words, "_name": "mine"}}}
    body = upgrade_body({"query": own}, _clauses(text, None), Fusion(TWO), limits=recipe.search, can=can).body
    answer = client.search(index=index, body=body, include_named_queries_score=True)
    named = [set(hit["matched_queries"]) for hit in answer["hits"]["hits"]]
    assert any("mine" in names for names in named)
    assert all("esmm:text" in names for names in named)


def test_server_before_8_15_gets_no_k(
    client: Elasticsearch, index: str, shelf: Shelf, recipe: Recipe, can: Capabilities
) -> None:
    """There ``num_candidates`` is the count of hits a shard; later servers default k to ``size``, so they get it."""
    fusion = Fusion(TWO, 1.0)
    words, text, _ = shelf.queries[0]
    bodies = [
        request(recipe, Ask(words), _clauses(text, None), fusion, Capabilities(version))
        for version in ((8, 14, 0), (8, 15, 0))
    ]
    knns = [next(clause["knn"] for clause in body["query"]["bool"]["should"] if "knn" in clause) for body in bodies]
    assert ("k" in knns[0], knns[0]["num_candidates"]) == (False, recipe.search.num_candidates)
    assert (knns[1]["k"], knns[1]["num_candidates"]) == (recipe.search.k, recipe.search.num_candidates)
    scores = _oracle(fusion, _keyword_scores(client, index, words), _cosines(shelf, text, None))
    for body in bodies if can.knn_k else bodies[:1]:
        _in_order(_run(client, index, body, fusion), scores)
    if not can.knn_k:
        with pytest.raises(ApiError, match="unknown field"):
            _run(client, index, bodies[1], fusion)


def test_unknown_filter_is_named(recipe: Recipe) -> None:
    from esmm.errors import QueryError

    with pytest.raises(QueryError, match="cannot filter by colour") as told:
        filters_of(recipe, {"colour": ["red"]})
    assert "gender" in told.value.hint
