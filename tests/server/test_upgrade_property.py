"""Random bodies from the whole query DSL, upgraded, on a real node: all of them are accepted and keep what they say.

What "keeps the filters" means is decided without our guard: the caller's query is sent once more with every
full-text part that may score replaced by ``match_all``, and the server says which products pass that.
"""

import copy
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
import stall
from elasticsearch import ApiError, Elasticsearch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from esmm.cluster import Capabilities
from esmm.errors import QueryError
from esmm.query.body import depth_of
from esmm.query.fusion import Fusion
from esmm.query.upgrade import Options, Upgraded, upgrade_body
from esmm.recipe import Search

pytestmark = pytest.mark.usefixtures("painless")

Json = dict[str, Any]
BODIES, BATCH, ALL = 2000, 50, 200
LIMITS = Search(k=8, num_candidates=20, depth=180, window=ALL)
FUSION = Fusion({"keyword": 1.0, "text": 0.7, "image": 1.3}, 2.0)

words = st.sampled_from(["red shoe", "blue", "fine old lamp", "green scarf kettle"])
texts = st.sampled_from(["title", "body"])
boosts = st.sampled_from([0.5, 1, 3])
minimums = st.sampled_from([None, 0, 1, 2, "1", "-1", "50%", "-30%", "2<75%", "1<2 3<-1"])


def one(kind: str, *options: st.SearchStrategy[Any]) -> st.SearchStrategy[Json]:
    return st.one_of(*options).map(lambda inside: {kind: inside})


def obj(**parts: Any) -> st.SearchStrategy[Json]:
    made = {key: value if isinstance(value, st.SearchStrategy) else st.just(value) for key, value in parts.items()}
    return st.fixed_dictionaries(made).map(
        lambda each: {key: value for key, value in each.items() if value is not None}
    )


def in_field(**parts: Any) -> st.SearchStrategy[Json]:
    return st.tuples(texts, obj(**parts)).map(lambda pair: {pair[0]: pair[1]})


operators = st.sampled_from(["and", "or"])
syntax = st.sampled_from(
    ["red shoe", "red -shoe", '"fine old" lamp~1', "brand:Ostra", "+blue lamp^2", "red | blue", "lamp*"]
)
WORDS = st.one_of(
    one("match", in_field(query=words, operator=operators), st.builds(lambda f, w: {f: w}, texts, words)),
    one("match_phrase", in_field(query=words, slop=2)),
    one("match_phrase_prefix", in_field(query=words)),
    one("match_bool_prefix", in_field(query=words)),
    one(
        "multi_match",
        obj(
            query=words,
            fields=["title^2", "body"],
            type=st.sampled_from(["best_fields", "most_fields", "cross_fields", "phrase"]),
            boost=boosts,
        ),
    ),
    one("combined_fields", obj(query=words, fields=["title", "body"], operator=operators)),
    one("query_string", obj(query=syntax, fields=["title", "body"], default_operator=operators)),
    one("simple_query_string", obj(query=syntax, fields=["title"], minimum_should_match=st.sampled_from([None, 1]))),
    one("more_like_this", obj(fields=["title", "body"], like=words, min_term_freq=1, min_doc_freq=1)),
    one("intervals", st.builds(lambda f, w: {f: {"match": {"query": w, "max_gaps": 5}}}, texts, words)),
    one("fuzzy", st.just({"title": "shoo"})),
    one("match_all", obj(boost=boosts)),
    one("distance_feature", st.just({"field": "since", "origin": "2024-05-01", "pivot": "30d"})),
    one(
        "span_near",
        st.just({"clauses": [{"span_term": {"title": "red"}}, {"span_term": {"title": "shoe"}}], "slop": 3}),
    ),
)
TERM_LEVEL = st.one_of(
    one("term", st.sampled_from(stall.BRANDS).map(lambda brand: {"brand": {"value": brand, "_name": "mine"}})),
    one("terms", st.just({"brand": ["Quenby", "Ostra"]})),
    one("range", st.integers(0, 60).map(lambda least: {"price": {"gte": least}})),
    one("exists", st.sampled_from(["image_vector", "stock", "nowhere"]).map(lambda name: {"field": name})),
    one("ids", st.integers(1, 60).map(lambda step: {"values": [f"p{n}" for n in range(0, 60, step)]})),
    one("prefix", st.just({"brand": "O"})),
    one("wildcard", st.just({"brand": {"value": "*e*"}})),
    one("regexp", st.just({"brand": "Q.*|L.*"})),
    one("geo_distance", st.just({"distance": "600km", "spot": {"lat": 3, "lon": 3}})),
    one("script", st.just({"script": {"source": "doc['stock'].size() > 0 && doc['stock'].value > 2"}})),
    st.just({"match_none": {}}),
)


def listed(inner: st.SearchStrategy[Json], most: int = 3) -> st.SearchStrategy[Any]:
    """A list of queries, one query without its list, or nothing."""
    return st.one_of(st.none(), inner, st.lists(inner, min_size=1, max_size=most))


def bools(scoring: st.SearchStrategy[Json], exact: st.SearchStrategy[Json]) -> st.SearchStrategy[Json]:
    return one(
        "bool",
        obj(
            must=listed(scoring),
            should=listed(scoring),
            filter=listed(st.one_of(exact, scoring), 2),
            must_not=listed(exact, 2),
            minimum_should_match=minimums,
        ),
    )


REVIEW_WORDS = st.just({"match": {"reviews.words": "good lamp"}})
REVIEW_TERMS = st.integers(0, 4).map(lambda least: {"range": {"reviews.stars": {"gte": least}}})
REVIEWS = st.one_of(REVIEW_WORDS, REVIEW_TERMS, bools(st.one_of(REVIEW_WORDS, REVIEW_TERMS), REVIEW_TERMS))
OFFER_WORDS = st.just({"match": {"terms": "red parcel"}})
OFFER_TERMS = st.sampled_from("abc").map(lambda shop: {"term": {"shop": shop}})
OFFERS = st.one_of(OFFER_WORDS, OFFER_TERMS, bools(st.one_of(OFFER_WORDS, OFFER_TERMS), OFFER_TERMS))
PARENTS = st.one_of(
    WORDS, TERM_LEVEL, st.builds(lambda w, t: {"bool": {"must": [w], "filter": [t]}}, WORDS, TERM_LEVEL)
)
FUNCTIONS = st.sampled_from([
    {"weight": 2, "filter": {"term": {"brand": "Ostra"}}},
    {"field_value_factor": {"field": "price", "missing": 1, "modifier": "log1p"}},
    {"random_score": {"seed": 4, "field": "_seq_no"}},
    {"gauss": {"price": {"origin": 10, "scale": 20}}},
])  # fmt: skip


def compounds(inner: st.SearchStrategy[Json]) -> st.SearchStrategy[Json]:
    scores = {"source": "_score * params.f + 1", "params": {"f": 2}}
    return st.one_of(
        bools(inner, st.one_of(TERM_LEVEL, WORDS)),
        one("dis_max", obj(queries=st.lists(inner, min_size=1, max_size=3), tie_breaker=0.3)),
        one(
            "function_score",
            obj(
                query=inner,
                functions=st.lists(FUNCTIONS, min_size=1, max_size=2),
                boost_mode=st.sampled_from(["multiply", "sum", "replace"]),
                min_score=st.sampled_from([None, None, 1.5]),
            ),
        ),
        one("script_score", obj(query=inner, script=scores)),
        one("boosting", obj(positive=inner, negative=inner, negative_boost=0.4)),
        one("constant_score", obj(filter=inner, boost=boosts)),
        one("nested", obj(path="reviews", query=REVIEWS, score_mode="max", inner_hits=st.sampled_from([None, {}]))),
        one(
            "has_child",
            obj(
                type="offer",
                query=OFFERS,
                score_mode="max",
                min_children=st.sampled_from([None, 2]),
                max_children=st.sampled_from([None, None, None, 3]),
            ),
        ),
        one("has_parent", obj(parent_type="product", query=PARENTS, score=True)),
        one(
            "knn",
            obj(
                field="image_vector",
                query_vector=[0.5, 0.5, 0.5, 0.5],
                k=5,
                num_candidates=10,
                filter=st.one_of(st.none(), TERM_LEVEL),
            ),
        ),
    )


WRAPPERS: list[Any] = [
    lambda inner: {"bool": {"must": [inner]}},
    lambda inner: {"bool": {"should": inner, "must_not": [{"term": {"brand": "nobody"}}]}},
    lambda inner: {"dis_max": {"queries": [inner]}},
    lambda inner: {"dis_max": {"queries": [inner, {"term": {"brand": "Ostra"}}]}},
    lambda inner: {"function_score": {"query": inner, "weight": 2}},
    lambda inner: {"constant_score": {"filter": inner}},
    lambda inner: {"script_score": {"query": inner, "script": {"source": "_score + 1"}}},
    lambda inner: {"boosting": {"positive": inner, "negative": {"match_all": {}}, "negative_boost": 0.5}},
]


def chained(query: Json, wrappers: Sequence[int]) -> Json:
    for number in wrappers:
        query = WRAPPERS[number](query)
    return query


chains = st.one_of(st.just([]), st.just([]), st.lists(st.integers(0, len(WRAPPERS) - 1), min_size=10, max_size=29))
QUERIES = st.builds(chained, st.recursive(st.one_of(WORDS, TERM_LEVEL), compounds, max_leaves=8), chains)
RARELY = st.integers(0, 19).map(lambda number: number == 7 or None)
REST = obj(
    query=st.one_of(QUERIES, QUERIES, QUERIES, QUERIES, QUERIES, QUERIES, QUERIES, st.none()),
    sort=st.sampled_from([None, None, "_score", ["_score"], ["_score", {"price": "asc"}], [{"_score": "desc"}]]),
    aggs=st.sampled_from([None, {"by": {"terms": {"field": "brand"}}}, {"best": {"top_hits": {"size": 1}}}]),
    highlight=st.sampled_from([None, {"fields": {"title": {}}}]),
    post_filter=st.one_of(st.none(), st.none(), TERM_LEVEL),
    _source=st.sampled_from([False, False, ["title"], {"excludes": ["text_vector"]}]),
    fields=st.sampled_from([None, ["price"]]),
    track_total_hits=st.sampled_from([None, True, 5]),
    timeout=st.sampled_from([None, "20s"]),
    explain=RARELY,
    profile=RARELY,
    stats=st.sampled_from([None, ["tests"]]),
    runtime_mappings=st.sampled_from([None, {"one": {"type": "long", "script": "emit(1)"}}]),
    script_fields=st.sampled_from([None, {"double": {"script": "2"}}]),
    suggest=st.sampled_from([None, {"s": {"text": "rad", "term": {"field": "title"}}}]),
    size=ALL,
)
OPTIONS = st.builds(
    Options,
    strategy=st.sampled_from(["auto", "auto", "boost"]),
    recall=st.sampled_from(["union", "union", "rescue", "rerank"]),
    facets=st.sampled_from(["union", "keyword"]),
)


@dataclass
class Case:
    """A body, what became of it, and what the server says."""

    body: Json
    options: Options
    upgraded: Upgraded | None = None
    refusal: str = ""
    answers: list[Json] = field(default_factory=list)

    def __repr__(self) -> str:
        return f"{json.dumps(self.body)} {self.options}"


# What a filter of the caller's is: everything, but for the words that may score.
ANY: Json = {"match_all": {}}
NONE: Json = {"match_none": {}}
SAYS = {
    "match", "match_phrase", "match_phrase_prefix", "match_bool_prefix", "multi_match", "combined_fields",
    "more_like_this", "intervals", "fuzzy", "match_all", "distance_feature", "span_near"
}  # fmt: skip
OPERATORS = ("brand:", "-shoe", "+blue")


def each(value: Any) -> list[Any]:
    return [] if value is None else value if isinstance(value, list) else [value]


def relaxed(query: Json) -> Json:
    """Return the query with its words replaced by ``match_all``; what nobody can relax finds nothing."""
    kind, inside = next(iter(query.items()))
    if kind in SAYS:
        return ANY
    if kind in RELAXED:
        return RELAXED[kind](kind, inside)
    return query


def related(kind: str, inside: Json) -> Json:
    if "max_children" in inside:
        return NONE
    inner = relaxed(inside["query"])
    kept = {key: value for key, value in inside.items() if key != "inner_hits"}
    return ANY if inner == ANY else {kind: {**kept, "query": inner}}


RELAXED: dict[str, Callable[[str, Any], Json]] = {
    "query_string": lambda _, inside: NONE if any(sign in inside["query"] for sign in OPERATORS) else ANY,
    "simple_query_string": lambda _, inside: NONE if any(sign in inside["query"] for sign in OPERATORS[1:]) else ANY,
    "bool": lambda _, inside: {
        "bool": inside | {part: [relaxed(q) for q in each(inside.get(part))] for part in ("must", "should")}
    },
    "dis_max": lambda _, inside: {"dis_max": {"queries": [relaxed(q) for q in inside["queries"]]}},
    "knn": lambda _, inside: {"bool": {"filter": each(inside.get("filter"))}},
    "function_score": lambda _, inside: NONE if "min_score" in inside else relaxed(inside["query"]),
    "script_score": lambda _, inside: relaxed(inside["query"]),
    "constant_score": lambda _, inside: relaxed(inside["filter"]),
    "boosting": lambda _, inside: relaxed(inside["positive"]),
    **dict.fromkeys(("nested", "has_child", "has_parent"), related),
}


@pytest.fixture(scope="module")
def index(client: Elasticsearch, module_alias: str) -> str:
    stall.build(client, module_alias)
    return module_alias


@pytest.fixture(scope="module")
def cases(client: Elasticsearch, index: str, can: Capabilities) -> list[Case]:
    """Every body with its answers: the caller's own, the relaxed one's, the upgraded one's."""
    found: list[Case] = []

    @settings(
        max_examples=BODIES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(REST, OPTIONS)
    def gather(body: Json, options: Options) -> None:
        found.append(Case(body, options))

    gather()
    for case in found:
        try:
            case.upgraded = upgrade_body(
                case.body, stall.clauses(), FUSION, limits=LIMITS, can=can, options=case.options
            )
        except QueryError as error:
            case.refusal = error.message
    taken = [case for case in found if case.upgraded]
    for start in range(0, len(taken), BATCH):
        _ask(client, index, taken[start : start + BATCH])
    return found


def _ask(client: Elasticsearch, index: str, batch: Sequence[Case]) -> None:
    searches: list[Json] = []
    for case in batch:
        assert case.upgraded
        plain = {k: case.body[k] for k in ("query", "post_filter", "runtime_mappings") if k in case.body}
        plain |= {"size": ALL, "_source": False}
        loose = plain | ({"query": relaxed(case.body["query"])} if "query" in case.body else {})
        searches += [{}, plain, {}, loose, {}, case.upgraded.body]
    answers = _answers(client, index, searches)
    for number, case in enumerate(batch):
        case.answers = answers[3 * number : 3 * number + 3]


def _answers(client: Elasticsearch, index: str, searches: Sequence[Json]) -> list[Json]:
    """Ask all at once; a body that cannot even be parsed spoils the whole request, so then each by itself."""
    try:
        return list(client.msearch(index=index, searches=searches)["responses"])
    except ApiError as error:
        if len(searches) == 2:
            return [dict(error.body)]
    return [_answers(client, index, searches[at : at + 2])[0] for at in range(0, len(searches), 2)]


def ids(answer: Json) -> set[str]:
    return {hit["_id"] for hit in answer["hits"]["hits"]}


def queries_in(node: Any) -> Iterator[Any]:
    if isinstance(node, dict):
        yield node
        for inside in node.values():
            yield from queries_in(inside)
    elif isinstance(node, list):
        for inside in node:
            yield from queries_in(inside)


def taken(cases: Sequence[Case]) -> list[Case]:
    return [case for case in cases if case.upgraded]


def none_of(wrong: list[Any]) -> None:
    """Fail with the smallest of them."""
    assert not wrong, f"{len(wrong)} bodies, such as {min(map(repr, wrong), key=len)}"


def test_the_bodies_are_many_and_of_every_kind(cases: list[Case]) -> None:
    assert len(cases) >= BODIES
    text = json.dumps([case.body for case in cases])
    kinds = [
        *SAYS,
        "query_string",
        "simple_query_string",
        "bool",
        "dis_max",
        "function_score",
        "script_score",
        "boosting",
    ]
    kinds += ["constant_score", "nested", "has_child", "has_parent", "knn", "term", "terms", "range", "exists", "ids"]
    kinds += ["prefix", "wildcard", "regexp", "geo_distance", "script", "match_none"]
    assert [kind for kind in kinds if f'"{kind}": {{' not in text] == []
    assert {case.upgraded.strategy for case in taken(cases) if case.upgraded} == {"exact", "boost"}
    assert max(depth_of(case.body["query"]) for case in cases if "query" in case.body) >= 30


def test_what_is_refused_is_too_deep_and_told_so(cases: list[Case]) -> None:
    refused = [case for case in cases if case.refusal]
    assert 0 < len(refused) < BODIES / 5
    none_of([case for case in refused if "queries deep" not in case.refusal])


def test_every_upgraded_body_is_accepted(cases: list[Case], can: Capabilities) -> None:
    fine = [case for case in taken(cases) if "error" not in case.answers[0]]
    least = 0.95 if can.knn_k else 0.9  # an older server refuses a caller's own knn query that has k
    assert len(fine) > least * len(taken(cases)), "nearly all bodies are good ones"
    none_of([(case, case.answers[2]["error"]) for case in fine if "error" in case.answers[2]])
    none_of([case for case in fine if case.answers[2]["_shards"]["failed"]])


def test_no_hit_breaks_the_callers_filters(cases: list[Case]) -> None:
    wrong, added = [], 0
    for case in taken(cases):
        if "query" in case.body and not any("error" in answer for answer in case.answers):
            keyword, loose, hybrid = map(ids, case.answers)
            added += len(hybrid - keyword)
            if hybrid - keyword - loose:
                wrong.append((case, sorted(hybrid - keyword - loose)))
    none_of(wrong)
    assert added > BODIES, "vectors do add products"


def test_no_match_of_the_keyword_is_lost(cases: list[Case]) -> None:
    good = [c for c in taken(cases) if "query" in c.body and not any("error" in answer for answer in c.answers)]
    none_of([case for case in good if ids(case.answers[0]) - ids(case.answers[2])])
    reranked = [case for case in good if case.options.recall == "rerank"]
    none_of([case for case in reranked if ids(case.answers[0]) != ids(case.answers[2])])


def test_no_option_disappears(cases: list[Case]) -> None:
    for case in taken(cases):
        assert case.upgraded
        upgraded = case.upgraded.body
        for key, value in case.body.items():
            if key == "query" or (key == "aggs" and case.options.facets == "keyword"):
                assert any(value == inside for inside in queries_in(upgraded)), (key, case)
            else:
                assert upgraded[key] == value, (key, case)


def test_weights_of_nought_give_back_the_original(cases: list[Case], can: Capabilities) -> None:
    nothing = Fusion({"text": 0.0, "image": 0.0})
    for case in cases:
        if "queries deep; Elasticsearch reads" not in case.refusal:
            before = copy.deepcopy(case.body)
            made = upgrade_body(case.body, stall.clauses(), nothing, limits=LIMITS, can=can, options=case.options)
            assert made.body == before == case.body
            assert made.strategy == "keyword"
