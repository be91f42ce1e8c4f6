"""One test for each top-level key of the search API, on a real node: what it did before it still does."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import stall
from elasticsearch import ApiError, Elasticsearch

from esmm.cluster import Capabilities
from esmm.errors import QueryError
from esmm.query.body import RULES
from esmm.query.fusion import Fusion
from esmm.query.parts import keyword_facets
from esmm.query.upgrade import Options, Upgraded, upgrade_body
from esmm.recipe import Search

pytestmark = pytest.mark.usefixtures("painless")

Json = dict[str, Any]
RED: Json = {"match": {"title": "red"}}
WIDE: Json = {"match": {"body": "red fine lamp shoe"}}
FUSION = Fusion({"keyword": 1.0, "text": 1.0, "image": 1.0}, 2.0)
LIMITS = Search(k=10, num_candidates=30, depth=60, window=120)
Up = Callable[..., Upgraded]


@pytest.fixture(scope="module", params=[1, 3], ids=["1 shard", "3 shards"])
def index(request: pytest.FixtureRequest, client: Elasticsearch, module_alias: str) -> str:
    name = f"{module_alias}-{request.param}"
    stall.build(client, name, shards=request.param)
    return name


@pytest.fixture
def up(can: Capabilities) -> Up:
    def upgraded(body: Json, fusion: Fusion = FUSION, **options: Any) -> Upgraded:
        return upgrade_body(body, stall.clauses(), fusion, limits=LIMITS, can=can, options=Options(**options))

    return upgraded


@pytest.fixture
def ask(client: Elasticsearch, index: str) -> Callable[[Json], Json]:
    def asked(body: Json) -> Json:
        # A point in time names its indices itself.
        return dict(client.search(body=body, **({} if "pit" in body else {"index": index})).body)

    return asked


Ask = Callable[[Json], Json]


def ids(answer: Json) -> list[str]:
    return [hit["_id"] for hit in answer["hits"]["hits"]]


def by_id(answer: Json, part: str) -> dict[str, Any]:
    return {hit["_id"]: hit.get(part) for hit in answer["hits"]["hits"]}


def both(ask: Ask, up: Up, strategy: str = "exact", **body: Any) -> tuple[Json, Json]:
    """The answers to the caller's own body and to the upgraded one."""
    given = {"query": RED, "size": 100, **body}
    made = up(given)
    assert made.strategy == strategy
    return ask(given), ask(made.body)


def refusal(up: Up, **body: Any) -> QueryError:
    with pytest.raises(QueryError) as caught:
        up({"query": RED, **body})
    return caught.value


def test_query(ask: Ask, up: Up) -> None:
    own, hybrid = both(ask, up)
    assert set(ids(own)) < set(ids(hybrid))


def test_no_query(ask: Ask, up: Up) -> None:
    """Without a query there are neighbours only, unless the set must be the caller's: then it is everything."""
    assert 10 <= ask(up({"size": 0}).body)["hits"]["total"]["value"] <= 60
    everything = ask({"size": 0})["hits"]["total"]["value"]
    for options in ({"recall": "rerank"}, {"recall": "rescue"}, {"facets": "keyword"}):
        assert ask(up({"size": 0}, **options).body)["hits"]["total"]["value"] == everything


def test_from_and_size(ask: Ask, up: Up) -> None:
    whole = ids(ask(up({"query": WIDE, "size": 120}).body))
    assert len(whole) >= 50
    pages = [ids(ask(up({"query": WIDE, "from": start, "size": 8}).body)) for start in range(0, 120, 8)]
    read = [name for page in pages for name in page]
    assert len(read) == len(set(read)), "no product twice"
    assert set(read) == set(whole), "every product once"
    assert "beyond the window of 120" in refusal(up, **{"from": 115, "size": 10}).message
    assert up({"query": WIDE, "from": "5", "size": "5"}).strategy == "exact"


@pytest.mark.parametrize("sort", ["_score", ["_score"], [{"_score": "desc"}], {"_score": {"order": "desc"}}, []])
def test_sort_by_score(ask: Ask, up: Up, sort: Any) -> None:
    made = up({"query": RED, "sort": sort, "size": 50})
    assert made.strategy == "exact"
    assert ids(ask(made.body)) == ids(ask(up({"query": RED, "size": 50}).body))


@pytest.mark.parametrize("sort", [["_score", {"price": "desc"}], {"_score": {}, "price": "asc"}])
def test_sort_with_a_tie_break(ask: Ask, up: Up, sort: Any) -> None:
    _, hybrid = both(ask, up, "boost", sort=sort)
    keys = [hit["sort"] for hit in hybrid["hits"]["hits"]]
    scores = [key[0] for key in keys]
    assert scores == sorted(scores, reverse=True)
    assert len(keys[0]) == 2


def test_sort_worst_first(ask: Ask, up: Up) -> None:
    _, hybrid = both(ask, up, "boost", sort=[{"_score": "asc"}])
    scores = [hit["sort"][0] for hit in hybrid["hits"]["hits"]]
    assert scores == sorted(scores)


@pytest.mark.parametrize("sort", ["price", [{"price": "desc"}, "_score"], ["_doc"], {"stock": "asc", "price": "asc"}])
def test_sort_by_something_else(ask: Ask, up: Up, sort: Any) -> None:
    given = {"query": RED, "sort": sort, "size": 50}
    made = up(given)
    assert (made.body, made.strategy) == (given, "keyword")
    assert "not by score" in made.notes[0]
    assert len(ids(ask(made.body))) == len(ids(ask({"query": RED, "size": 50})))


AGGS = {
    "brands": {"terms": {"field": "brand"}, "aggs": {"price": {"avg": {"field": "price"}}}},
    "n": {"max": {"field": "price"}},
}


@pytest.mark.parametrize("key", ["aggs", "aggregations"])
def test_aggs(ask: Ask, up: Up, key: str) -> None:
    own, hybrid = both(ask, up, **{key: AGGS})
    counted = sum(bucket["doc_count"] for bucket in hybrid["aggregations"]["brands"]["buckets"])
    assert counted == hybrid["hits"]["total"]["value"] > own["hits"]["total"]["value"]
    alone = ask(up({"query": RED, key: AGGS}, facets="keyword").body)
    assert keyword_facets(alone["aggregations"]) == own["aggregations"]


def test_aggs_of_everything_and_of_siblings(ask: Ask, up: Up) -> None:
    aggs = AGGS | {
        "all": {"global": {}, "aggs": {"n": {"value_count": {"field": "price"}}}},
        "mean": {"avg_bucket": {"buckets_path": "brands>price"}},
    }
    for strategy in ("exact", "boost"):
        made = up({"query": RED, "aggs": aggs, "size": 0}, facets="keyword", strategy=strategy)
        assert keyword_facets(ask(made.body)["aggregations"]) == ask({"query": RED, "aggs": aggs})["aggregations"]


def test_aggs_with_typed_names(client: Elasticsearch, index: str, up: Up) -> None:
    body = {"query": RED, "aggs": AGGS, "size": 0}
    own = client.search(index=index, body=body, typed_keys=True)["aggregations"]
    made = client.search(index=index, body=up(body, facets="keyword").body, typed_keys=True)["aggregations"]
    assert keyword_facets(made) == own
    assert keyword_facets(own) == own


@pytest.mark.parametrize(
    "aggs",
    [
        {"best": {"top_hits": {"size": 2, "_source": False}}},
        {"s": {"max": {"script": "_score"}}},
        {"few": {"sampler": {"shard_size": 5}, "aggs": {"b": {"terms": {"field": "brand"}}}}},
    ],
)
def test_aggs_that_read_the_score(ask: Ask, up: Up, aggs: Json) -> None:
    _, hybrid = both(ask, up, "boost", aggs=aggs)
    if "best" in aggs:
        best = hybrid["aggregations"]["best"]["hits"]["hits"]
        assert [hit["_score"] for hit in best] == [hit["_score"] for hit in hybrid["hits"]["hits"][:2]]
    if "s" in aggs:
        assert hybrid["aggregations"]["s"]["value"] == pytest.approx(hybrid["hits"]["max_score"])
    assert up({"query": RED, "aggs": {"x": {"avg": {"field": "my_score"}}}}).strategy == "exact"


def test_highlight(ask: Ask, up: Up) -> None:
    own, hybrid = both(ask, up, highlight={"fields": {"title": {}}})
    shown = by_id(hybrid, "highlight")
    assert by_id(own, "highlight") == {name: shown[name] for name in ids(own)}
    assert not any(shown[name] for name in set(shown) - set(ids(own))), "nothing in them matched"


def test_collapse(ask: Ask, up: Up) -> None:
    own, hybrid = both(ask, up, "boost", collapse={"field": "stock", "inner_hits": {"name": "more", "size": 3}})
    groups = [hit["fields"]["stock"][0] for hit in hybrid["hits"]["hits"]]
    assert len(groups) == len(set(groups)) >= len(ids(own))
    for hit in hybrid["hits"]["hits"]:
        assert hit["inner_hits"]["more"]["hits"]["hits"][0]["_id"] == hit["_id"], "the head is the best of its group"


def test_rescore(ask: Ask, up: Up) -> None:
    rescore = {"window_size": 100, "query": {"rescore_query": {"term": {"brand": "Ostra"}}, "rescore_query_weight": 50}}
    own, hybrid = both(ask, up, "boost", rescore=rescore)
    brands = [source["brand"] for source in by_id(hybrid, "_source").values()]
    assert brands == sorted(brands, key=lambda brand: brand != "Ostra"), "the rescored ones come first"
    assert set(ids(own)) <= set(ids(hybrid))
    with pytest.raises(QueryError, match="rescore: it belongs to the keyword's score"):
        up({"query": RED, "rescore": rescore}, strategy="exact")


def test_post_filter(ask: Ask, up: Up) -> None:
    _, hybrid = both(ask, up, post_filter={"term": {"brand": "Ostra"}}, aggs=AGGS)
    assert {source["brand"] for source in by_id(hybrid, "_source").values()} == {"Ostra"}
    assert len(hybrid["aggregations"]["brands"]["buckets"]) == 3, "facets count what it hides"


def test_min_score(ask: Ask, up: Up) -> None:
    free = ask(up({"query": RED, "size": 100}, strategy="boost").body)
    least = sorted(hit["_score"] for hit in free["hits"]["hits"])[len(ids(free)) // 2]
    _, hybrid = both(ask, up, "boost", min_score=least)
    assert ids(hybrid) == [hit["_id"] for hit in free["hits"]["hits"] if hit["_score"] >= least]


def test_search_after(ask: Ask, up: Up) -> None:
    given: Json = {"query": WIDE, "sort": ["_score", {"price": "asc"}], "size": 9}
    whole, read = ids(ask(up({**given, "size": 200}).body)), []
    while True:
        made = up(given)
        assert made.strategy == "boost"
        page = ask(made.body)["hits"]["hits"]
        if not page:
            break
        read += [hit["_id"] for hit in page]
        given = {**given, "search_after": page[-1]["sort"]}
    assert read == whole
    assert len(read) == len(set(read))


@pytest.fixture
def pit(client: Elasticsearch, index: str) -> Iterator[Json]:
    made = client.open_point_in_time(index=index, keep_alive="1m")["id"]
    yield {"id": made, "keep_alive": "1m"}
    client.close_point_in_time(id=made)


def test_pit(ask: Ask, up: Up, pit: Json) -> None:
    own, hybrid = both(ask, up, pit=pit)
    assert hybrid["pit_id"]
    assert set(ids(own)) < set(ids(hybrid))


def test_slice(ask: Ask, up: Up, pit: Json) -> None:
    whole = set(ids(ask(up({"query": RED, "size": 100, "pit": pit}).body)))
    parts = [ids(both(ask, up, pit=pit, slice={"id": n, "max": 2})[1]) for n in (0, 1)]
    assert set(parts[0]) | set(parts[1]) == whole
    assert not set(parts[0]) & set(parts[1])


def test_suggest(ask: Ask, up: Up) -> None:
    own, hybrid = both(ask, up, suggest={"s": {"text": "shoo", "term": {"field": "title"}}})
    assert hybrid["suggest"] == own["suggest"]
    assert own["suggest"]["s"][0]["options"]


@pytest.mark.parametrize(
    ("key", "value", "part"),
    [
        ("_source", ["title"], "_source"),
        ("fields", ["price"], "fields"),
        ("docvalue_fields", ["stock"], "fields"),
        ("script_fields", {"twice": {"script": "doc['price'].value * 2"}}, "fields"),
        ("version", True, "_version"),
        ("seq_no_primary_term", True, "_seq_no"),
    ],
)
def test_what_a_hit_shows(ask: Ask, up: Up, key: str, value: Any, part: str) -> None:
    own, hybrid = both(
        ask, up, **{key: value, "query": {"bool": {"must": [RED], "filter": [{"exists": {"field": "price"}}]}}}
    )
    shown = by_id(hybrid, part)
    assert by_id(own, part) == {name: shown[name] for name in ids(own)}
    assert all(shown.values()) or part == "_seq_no"


def test_stored_fields(ask: Ask, up: Up) -> None:
    _, hybrid = both(ask, up, stored_fields=["_none_"], _source=False)
    assert all("_id" not in hit for hit in hybrid["hits"]["hits"])


def test_runtime_mappings(ask: Ask, up: Up) -> None:
    runtime = {"twice": {"type": "double", "script": "if (doc['price'].size() > 0) emit(doc['price'].value * 2)"}}
    query = {"bool": {"must": [RED], "filter": [{"range": {"twice": {"gte": 40}}}]}}
    own, hybrid = both(ask, up, runtime_mappings=runtime, query=query, fields=["twice"])
    assert min(fields["twice"][0] for fields in by_id(hybrid, "fields").values()) >= 40
    assert set(ids(own)) < set(ids(hybrid))


def test_indices_boost(client: Elasticsearch, up: Up, module_alias: str) -> None:
    one, other = f"{module_alias}-a", f"{module_alias}-b"
    for name in (one, other):
        stall.build(client, name)
    made = up({"query": WIDE, "size": 30, "indices_boost": [{one: 50}, {other: 1}]})
    assert made.strategy == "boost"
    hits = client.search(index=f"{one},{other}", body=made.body)["hits"]["hits"]
    assert {hit["_index"] for hit in hits} == {one}
    client.indices.delete(index=f"{one},{other}")


def test_track_total_hits(ask: Ask, up: Up) -> None:
    assert both(ask, up, track_total_hits=3)[1]["hits"]["total"] == {"value": 3, "relation": "gte"}
    assert "total" not in both(ask, up, track_total_hits=False)[1]["hits"]
    own, hybrid = both(ask, up, track_total_hits=True)
    assert hybrid["hits"]["total"]["value"] == len(ids(hybrid)) > own["hits"]["total"]["value"]


def test_track_scores(ask: Ask, up: Up) -> None:
    assert both(ask, up, track_scores=True)[1]["hits"]["max_score"] > 0


def test_timeout(ask: Ask, up: Up) -> None:
    assert both(ask, up, timeout="20s")[1]["timed_out"] is False


def test_profile(ask: Ask, up: Up, index: str) -> None:
    shards = both(ask, up, profile=True)[1]["profile"]["shards"]
    assert len(shards) == int(index.rpartition("-")[2])


def test_explain(ask: Ask, up: Up) -> None:
    hybrid = both(ask, up, explain=True)[1]
    for hit in hybrid["hits"]["hits"]:
        assert hit["_explanation"]["value"] == pytest.approx(hit["_score"], abs=1e-4)


def test_stats(ask: Ask, up: Up, client: Elasticsearch, index: str) -> None:
    both(ask, up, stats=["esmm-stats"])
    counted = client.indices.stats(index=index, groups="esmm-stats")["indices"][index]["total"]["search"]["groups"]
    assert counted["esmm-stats"]["query_total"] >= 2


def test_ext(ask: Ask, up: Up) -> None:
    """A server without such a plugin knows no key in ``ext``; the empty one shows that it is passed on."""
    assert "ext" in up({"query": RED, "ext": {}}).body
    assert ids(both(ask, up, ext={})[1])


KNN: Json = {"field": "image_vector", "query_vector": [0.1, 0.2, 0.9, -0.3], "k": 4, "num_candidates": 20}


def test_knn(ask: Ask, up: Up) -> None:
    wanted = {**KNN, "filter": {"term": {"brand": "Ostra"}}}
    own, hybrid = both(ask, up, knn=wanted)
    assert set(ids(own)) <= set(ids(hybrid))
    two = up({"query": RED, "size": 100, "knn": [wanted, {**KNN, "similarity": 0.99}]}).body
    assert '"esmm:knn"' in str(two).replace("'", '"')
    assert '"esmm:knn2"' in str(two).replace("'", '"')
    assert set(ids(ask(two))) >= set(ids(own))
    for lost in ({"boost": 2}, {"inner_hits": {}}, {"rescore_vector": {"oversample": 2}}, {"_name": "mine"}):
        assert f"knn.{next(iter(lost))} cannot be kept" in refusal(up, knn={**KNN, **lost}).message
    assert up({"query": RED, "knn": {**KNN, "boost": 1}}).strategy == "exact"


def test_retriever_standard(ask: Ask, up: Up) -> None:
    inside = {"query": RED, "filter": {"term": {"brand": "Ostra"}}}
    own = ask({"retriever": {"standard": inside}, "size": 50})
    hybrid = ask(up({"retriever": {"standard": inside}, "size": 50}).body)
    assert set(ids(own)) < set(ids(hybrid))
    assert {source["brand"] for source in by_id(hybrid, "_source").values()} == {"Ostra"}
    assert up({"retriever": {"standard": {**inside, "min_score": 0.1}}}).strategy == "boost"
    assert up({"retriever": {"standard": {**inside, "sort": ["price"]}}}).strategy == "keyword"


def test_retriever_knn(ask: Ask, up: Up) -> None:
    own = ask({"retriever": {"knn": KNN}})
    made = up({"retriever": {"knn": KNN}, "size": 100})
    assert set(ids(own)) <= set(ids(ask(made.body)))


@pytest.mark.parametrize("kind", ["rrf", "linear", "rescorer", "text_similarity_reranker", "pinned"])
def test_other_retrievers(up: Up, kind: str) -> None:
    with pytest.raises(QueryError) as caught:
        up({"retriever": {kind: {"retrievers": []}}})
    assert caught.value.message == f"a {kind} retriever is a fusion of its own and cannot be upgraded"
    assert "standard" in caught.value.hint


@pytest.mark.parametrize("key", [key for key, rule in RULES.items() if rule.fate == "refused"])
def test_refused_by_name(up: Up, key: str) -> None:
    given = {"query": RED, key: 1}
    assert refusal(up, **{key: 1}).message.startswith(f"the body has what a hybrid search cannot keep: {key}: ")
    nothing = up(given, Fusion({"text": 0, "image": 0}))
    assert nothing.body == given, "without vectors nothing stands in its way"


def test_terminate_after_would_end_too_soon(ask: Ask, up: Up) -> None:
    """Why it is refused: with it the server stops before the neighbours are gathered."""
    full = ask(up({"query": WIDE, "size": 60}).body)
    ended = ask({**up({"query": WIDE, "size": 60}).body, "terminate_after": 2})
    assert ended["hits"]["total"]["value"] < full["hits"]["total"]["value"]


@pytest.mark.parametrize("key", ["scroll", "rank", "sub_searches"])
def test_what_the_server_does_not_take_either(ask: Ask, key: str) -> None:
    with pytest.raises(ApiError):
        ask({"query": RED, key: "1m"})


def test_scroll_by_boost(client: Elasticsearch, index: str, up: Up) -> None:
    made = up({"query": WIDE, "size": 9}, strategy="boost")
    page, read = client.search(index=index, body=made.body, scroll="1m"), []
    while page["hits"]["hits"]:
        read += ids(page.body)
        page = client.scroll(scroll_id=page["_scroll_id"], scroll="1m")
    client.clear_scroll(scroll_id=page["_scroll_id"])
    whole = client.search(index=index, body={**made.body, "size": 200})
    assert sorted(read) == sorted(ids(whole.body))


def test_every_key_that_only_boost_keeps_is_refused_under_exact(up: Up) -> None:
    values = {"collapse": {"field": "stock"}, "min_score": 1, "search_after": [1], "indices_boost": [], "rescore": {}}
    assert values.keys() == {key for key, rule in RULES.items() if rule.fate == "boost"}
    for key, value in values.items():
        assert up({"query": RED, key: value}).strategy == "boost"
        with pytest.raises(QueryError, match=f"strategy exact cannot serve this body: {key}: "):
            up({"query": RED, key: value}, strategy="exact")


def test_every_key_has_its_test() -> None:
    """Each row of the README's table names what a test of this file shows."""
    text = Path(__file__).read_text(encoding="utf-8")
    assert [
        key for key in RULES if f"{key}=" not in text and f'"{key}"' not in text and f"test_{key}" not in text
    ] == []


@pytest.mark.parametrize("strategy", ["exact", "boost"])
def test_recall(ask: Ask, up: Up, strategy: str) -> None:
    own = ids(ask({"query": RED, "size": 100}))
    union, rescue, rerank = (
        ids(ask(up({"query": RED, "size": 100}, strategy=strategy, recall=recall).body))
        for recall in ("union", "rescue", "rerank")
    )
    assert set(rerank) == set(own)
    assert rerank != own, "the vectors did reorder them"
    assert set(rescue[: len(own)]) == set(own), "keyword hits stay above all others"
    assert set(rescue) == set(union) > set(own)
    assert set(union[: len(own)]) != set(own)


def test_inner_hits_beside_filters(ask: Ask, up: Up) -> None:
    """A request may hold an ``inner_hits`` of one name but once, and filters are copied into each knn."""
    good = {"nested": {"path": "reviews", "query": {"range": {"reviews.stars": {"gte": 3}}}, "inner_hits": {}}}
    query = {"bool": {"must": [RED], "filter": [good]}}
    for options in ({}, {"recall": "rescue"}, {"strategy": "boost", "recall": "rescue"}):
        hybrid = ask(up({"query": query, "size": 50}, **options).body)
        assert all(hit["inner_hits"]["reviews"]["hits"]["hits"] for hit in hybrid["hits"]["hits"])


def test_floor(ask: Ask, up: Up) -> None:
    """No neighbour below the cosine that is said."""
    own = set(ids(ask({"query": RED, "size": 100})))
    added = [
        set(ids(ask(up({"query": RED, "size": 100}, floors=floors).body))) - own
        for floors in ({}, {"text": 0.5, "image": 0.95})
    ]
    assert added[1] < added[0]
    assert not set(ids(ask(up({"query": RED, "size": 100}, floors={"text": 0.999, "image": 0.9999}).body))) - own


@pytest.mark.parametrize("fusion", [Fusion({"text": 0, "image": 0}), Fusion({"keyword": 7, "text": 0, "image": 0})])
def test_weights_of_nought(ask: Ask, up: Up, fusion: Fusion) -> None:
    given = {"query": WIDE, "aggs": AGGS, "size": 30, "knn": KNN, "terminate_after": 1000}
    assert up(given, fusion).body == given
