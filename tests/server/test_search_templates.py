"""Search templates, rendered by Elasticsearch's own Mustache: equal to what the builder makes, and proof against words.

The node that renders (7.17 with Mustache) is not the one that searches; see ``tests/mustache.py``.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import shop
from elasticsearch import BadRequestError, Elasticsearch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from loaded import load_shop
from mustache import Mustache

from esmm.cluster import Capabilities
from esmm.errors import EsmmError
from esmm.query.clauses import MAX_WORDS, VectorClause, filters_of, shortened
from esmm.query.encode import sources_named
from esmm.query.fusion import Fusion, Window
from esmm.query.search import Ask, request
from esmm.query.templates import Setting, built, facets_of, search_template
from esmm.recipe import Recipe, parse
from tests.conftest import tiny_recipe

# Words and photos in one space: one vector of words serves two clauses.
SHARED = {"digest-16": "digest-32"}
VECTORS = ("text_vector", "image_vector")
FUSION = Fusion({"keyword": 1.0, "text": 0.25, "image": 2.0, "text_to_image": 0.5}, 7.5, {"text": Window(0.2, 0.9)})
PAID = Capabilities(licence="enterprise", modules=frozenset({"lang-painless", "rank-rrf"}))
TEXT, IMAGE = [0.5] * 32, [0.25, -1.0] * 16
FILTER = [{"term": {"gender": "Men"}}]


pytestmark = pytest.mark.usefixtures("painless")


@pytest.fixture(scope="module")
def loaded(
    client: Elasticsearch, can: Capabilities, module_recipe_text: str, tmp_path_factory: pytest.TempPathFactory
) -> Recipe:
    """A recipe whose index holds 40 products with both vectors."""
    folder = tmp_path_factory.mktemp("shop")
    shop.write_photos(folder, 40)
    recipe = parse(module_recipe_text.replace("digest-16", "digest-32"), source="esmm.toml")
    load_shop(client, can, recipe, shop.write(folder / "catalog.jsonl", shop.products(40)), folder)
    return recipe


def setting(recipe: Recipe | None = None, fusion: Fusion = FUSION, can: Capabilities = PAID) -> Setting:
    recipe = recipe or tiny_recipe(**SHARED)
    return Setting(recipe, sources_named(recipe), fusion, can)


# What breaks templates: JSON's own characters, Mustache's, separators that only some parsers take for line ends.
PIECES = [
    *('"', "\\", "\n", "\r\n", "\t", "\x00", "\x7f", "\u2028", "\u2029", "\ufeff", "😀", "漢字", "é", " ", "'", "${x}"),
    *("{{", "}}", "{{{", "{{query_text}}", "{{#toJson}}filters{{/toJson}}", "{{/filters.size}}", "{{! ", "{{=<% %>=}}"),
    *("<%", "<<", "<#", "</script>", "&quot;", "\\u0022", "%22", "0", "-1e5", "null", "true", "red shirt", "number7"),
    *('"}}, {"match_all": {}}, {"', '", "operator": "and', '"], "size": 10000, "x": ["', "}]}}", ",", "[", "*"),
]
words = st.one_of(
    st.text(max_size=60),
    st.lists(st.sampled_from(PIECES), max_size=12).map("".join),
    st.sampled_from(["", " ", "word " * MAX_WORDS, "long " * 30_000, "x" * 100_000, "漢" * 50_000]),
    st.integers().map(str),
)
value = st.one_of(st.sampled_from(["Men", "Women", "Quenby"]), words.map(lambda text: text[:5000]))
clause: st.SearchStrategy[Any] = st.one_of(
    st.builds(lambda text: {"term": {"gender": text}}, value),
    st.builds(lambda texts: {"terms": {"brand.raw": texts}}, st.lists(value, max_size=4)),
    st.builds(lambda low: {"range": {"price": {"gte": low}}}, st.floats(-1e6, 1e6) | st.integers(0, 9)),
    st.builds(lambda texts: {"ids": {"values": texts}}, st.lists(value.filter(bool), max_size=3)),
    st.builds(lambda text: {"match": {"title": {"query": text[:200]}}}, value),
    st.just({"exists": {"field": "title"}}),
)
clauses = st.lists(clause | st.lists(clause, max_size=3).map(lambda some: {"bool": {"must_not": some}}), min_size=1)
chosen = st.dictionaries(st.sampled_from(["gender", "brand"]), st.lists(value, max_size=3), min_size=1)
number = st.floats(0.001, 1000) | st.integers(1, 1000)
weights = st.dictionaries(st.sampled_from(list(FUSION.weights)), number)


def vector(dims: int) -> st.SearchStrategy[list[float]]:
    # A first number that is never 0: a vector without length has no cosine.
    rest = st.lists(st.floats(-1, 1) | st.sampled_from([0, 1, 1e-7]), min_size=dims - 1, max_size=dims - 1)
    return st.builds(lambda first, others: [first, *others], st.floats(0.1, 1), rest)


asked = st.fixed_dictionaries(
    {},
    optional={
        "query_text": words,
        "text_vector": st.none() | vector(32),
        "image_vector": st.none() | vector(32),
        "filters": st.none() | clauses | chosen,
        "weights": st.none() | weights,
        "saturation": st.none() | number,
        "size": st.none() | st.integers(0, 50),
        "from": st.none() | st.integers(0, 400),
        "facets": st.booleans(),
    },
)


def every(count: int) -> Callable[[Any], Any]:
    """Try ``count`` parameter sets, the same ones in each run."""
    return settings(
        max_examples=count,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=[*HealthCheck],
    )


def fusion_with(given: Mapping[str, Any]) -> Fusion:
    weights = {**FUSION.weights, **(given.get("weights") or {})}
    return replace(FUSION, weights=weights, saturation=given.get("saturation") or FUSION.saturation)


def as_sent(recipe: Recipe, given: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters as a client sends them: a long text cut, chosen facets as clauses."""
    sent = {**given}
    if "query_text" in sent:
        sent["query_text"] = shortened(sent["query_text"])
    if isinstance(sent.get("filters"), dict):
        sent["filters"] = filters_of(recipe, sent["filters"])
    return sent


def requested(recipe: Recipe, given: Mapping[str, Any], can: Capabilities) -> dict[str, Any]:
    """The same question put to the builder."""
    text, filters = given.get("query_text"), given.get("filters") or {}
    wanted = {"text": "text_vector", "image": "image_vector"}
    fields = wanted | {"text_to_image": "image_vector", "image_to_text": "text_vector"}
    wanted |= {"text_to_image": "text_vector", "image_to_text": "image_vector"}
    vectors = [VectorClause(name, fields[name], given[of]) for name, of in wanted.items() if given.get(of)]
    size = 10 if given.get("size") is None else given["size"]
    ask: Any = Ask(text, object() if vectors else None, filters, size, given.get("from") or 0)  # type: ignore[arg-type]
    body = request(recipe, ask, vectors, fusion_with(given), can)
    if "rescore" in body:  # a template has one window, of all four clauses
        gathered = recipe.search.k if can.knn_k else recipe.search.num_candidates
        body["rescore"]["window_size"] = 4 * gathered + recipe.search.depth
    return body | ({"aggs": facets_of(recipe)} if given.get("facets") else {})


def test_exact_is_what_the_builder_makes_and_runs(
    painless: None, mustache: Mustache, client: Elasticsearch, can: Capabilities, loaded: Recipe
) -> None:
    source = search_template(setting(loaded, can=can), "exact").source
    tried = compared = 0

    @every(320)
    @given(asked)
    def check(given: dict[str, Any]) -> None:
        nonlocal tried, compared
        sent = as_sent(loaded, given)
        rendered = mustache.render(source, sent)
        assert rendered == built(setting(loaded, fusion_with(given), can), "exact", sent)
        if not isinstance(given.get("filters"), list) and any(given.get(k) for k in ("query_text", *VECTORS)):
            assert rendered == requested(loaded, given, can)
            compared += 1
        answer = client.search(index=loaded.index.name, body=rendered, include_named_queries_score=True)
        assert answer["_shards"]["failed"] == 0
        tried += 1

    check()
    assert tried >= 300
    assert compared >= 100


def _boosts(fusion: Fusion) -> dict[str, float]:
    """What boost's weights are made of, written out."""
    half = fusion.weights["keyword"] / (4 * fusion.saturation)
    vectors = [clause for clause in FUSION.weights if clause != "keyword"]
    return {clause: 2 * fusion.weights[clause] / fusion.window(clause).width / half for clause in vectors}


@pytest.mark.parametrize("strategy", ["boost", "linear", "rrf"])
def test_the_other_strategies_are_what_the_builder_makes(
    mustache: Mustache, client: Elasticsearch, can: Capabilities, loaded: Recipe, strategy: Any
) -> None:
    server = can if strategy == "boost" else PAID
    source = search_template(setting(loaded, can=server), strategy).source

    @every(60)
    @given(asked)
    def check(given: dict[str, Any]) -> None:
        sent = as_sent(loaded, given)
        fusion = fusion_with(given)
        if strategy == "boost":  # its weights are boosts
            sent["weights"] = _boosts(fusion)
        rendered = mustache.render(source, sent)
        assert rendered == built(setting(loaded, fusion, server), strategy, sent)
        if strategy == "boost":
            client.search(index=loaded.index.name, body=rendered, include_named_queries_score=True)

    check()


def test_what_is_left_out_has_its_default(mustache: Mustache, loaded: Recipe) -> None:
    for strategy, weights in (("exact", FUSION.weights), ("boost", _boosts(FUSION))):
        source = search_template(setting(loaded), strategy).source
        vectors = {"text_vector": TEXT, "image_vector": IMAGE}
        said = {"weights": weights, "saturation": FUSION.saturation, "size": 10, "from": 0, "filters": None}
        assert mustache.render(source, vectors) == mustache.render(source, vectors | said)


def test_an_empty_list_of_filters_filters_nothing(
    painless: None, mustache: Mustache, client: Elasticsearch, can: Capabilities, loaded: Recipe
) -> None:
    source = search_template(setting(loaded, can=can), "exact").source
    asked = {"query_text": "red shirt", "text_vector": TEXT, "image_vector": IMAGE, "size": 40}
    bodies = [mustache.render(source, asked | more) for more in ({}, {"filters": []})]
    one, other = (client.search(index=loaded.index.name, body=body)["hits"]["hits"] for body in bodies)
    assert len(one) == 40
    assert one == other


@pytest.mark.parametrize(
    "text",
    [
        '[search]\nform = "cross_fields"\noperator = "and"',
        "[search]\nk = 11\nnum_candidates = 13\ndepth = 5\nwindow = 60",
        "[fusion]\nimage = 0",
        "[fusion]\ntext = 0\nimage = 0",
        "[fusion]\ntext_to_image = 0",
        "[fusion]\ntext = 0\nimage = 0\ntext_to_image = 0",
        "[fusion]\nkeyword = 0.5\nsaturation = 3",
    ],
)
@pytest.mark.parametrize("version", [(8, 14, 1), (9, 4, 3)])
def test_settings_of_the_recipe_and_older_servers(mustache: Mustache, text: str, version: Any) -> None:
    recipe = tiny_recipe(**{"[text]": f"{text}\n[text]"}, **SHARED)
    fusion = Fusion(recipe.fusion.model_dump(exclude={"saturation"}), recipe.fusion.saturation or 9.5)
    case = setting(recipe, fusion, replace(PAID, version=version))
    sent = {"query_text": "red", "text_vector": TEXT, "image_vector": IMAGE, "filters": FILTER, "facets": True}
    strategies: Any = ["exact", "boost", "rrf", *(["linear"] if version > (8, 18, 0) else [])]
    for strategy in strategies:
        rendered = mustache.render(search_template(case, strategy).source, sent)
        assert rendered == built(case, strategy, sent)


def test_a_keyword_without_weight_gives_no_score(
    painless: None, mustache: Mustache, client: Elasticsearch, can: Capabilities, loaded: Recipe
) -> None:
    case = setting(loaded, Fusion({"keyword": 0.0, "text": 1.0, "image": 0.0}, 5.0), can)
    sent = {"query_text": "red shirt", "text_vector": TEXT, "size": 40}
    strategies: Any = ["exact", "boost"]
    for strategy in strategies:
        bodies = [mustache.render(search_template(case, strategy).source, sent), built(case, strategy, sent)]
        found = [client.search(index=loaded.index.name, body=body)["hits"]["hits"] for body in bodies]
        one, other = ([(hit["_id"], hit["_score"]) for hit in hits] for hits in found)
        assert one == other


def test_names_with_braces_and_quotes(mustache: Mustache) -> None:
    odd = 'b"{{size}} {{{'
    recipe = tiny_recipe(**{"gender =": f"{json.dumps(odd)} =", "title =": '"t{{title" =', "text_vector": "t"})
    case = setting(recipe)
    sent = {"query_text": "{{size}}", "text_vector": TEXT, "facets": True, "size": 7}
    rendered = mustache.render(search_template(case, "exact").source, sent)
    assert rendered == built(case, "exact", sent)
    assert odd in rendered["aggs"]


def test_words_that_photos_are_compared_with_by_another_encoder_are_a_parameter_of_their_own(
    mustache: Mustache,
) -> None:
    case = setting(tiny_recipe())  # the photos' encoder takes words too
    sent = {"query_text": "red", "text_vector": TEXT, "image_vector": IMAGE[:16], "text_to_image_vector": TEXT[:16]}
    for params in (sent, *({"query_text": "red", name: sent[name]} for name in sent if name != "query_text")):
        rendered = mustache.render(search_template(case, "exact").source, params)
        assert rendered == built(case, "exact", params)
        assert len(rendered["query"]["bool"]["should"]) == len(params)


def test_without_vector_fields_it_is_the_keyword_search(mustache: Mustache) -> None:
    case = setting(tiny_recipe().model_copy(update={"text": None, "image": None}))
    source = search_template(case, "exact").source
    rendered = mustache.render(source, {"query_text": "red", "text_vector": TEXT})
    assert rendered == built(case, "exact", {"query_text": "red"})
    assert "rescore" not in rendered


# Injection: what a customer can send.


def _asked(source: str, mustache: Mustache, text: Any) -> Any:
    return mustache.render(source, {**_FULL, "query_text": text})


_FULL = {"text_vector": TEXT, "image_vector": IMAGE, "filters": FILTER, "facets": True}


def _with_words(node: Any, words: str) -> Any:
    """A body with other words in the place of the mark: nothing else of it changes."""
    if isinstance(node, dict):
        return {key: _with_words(inside, words) for key, inside in node.items()}
    if isinstance(node, list):
        return [_with_words(inside, words) for inside in node]
    return words if node == MARK else node


MARK, MARKED = "the words", 987654321
STRATEGIES = ("exact", "boost", "linear", "rrf")


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_words_change_nothing_but_the_words(mustache: Mustache, strategy: str) -> None:
    source = search_template(setting(), strategy).source
    plain = _asked(source, mustache, MARK)
    assert json.dumps(plain).count(MARK) == (2 if strategy == "exact" else 1)
    hostile = [*PIECES, *(a + b for a in PIECES for b in ('"', "{{", "}"))] if strategy == "exact" else PIECES
    hostile += ["word " * 50_000, '"}' * 20_000, "{{#query_text}}" * 500]
    for text in hostile:
        assert _asked(source, mustache, text) == _with_words(plain, text)


@pytest.mark.parametrize(
    "given",
    [
        {"filters": [], "size": 10_000, "text_vector": [], "weights": {"keyword": 0}, "query_text": "x"},
        {"size": 3, "": {}},
        ["a", "b"],
        [{"filters": []}, {"filters": []}],
        [],
        [[]],
        True,
        False,
        5,
        1.5,
        {},
    ],
)
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_words_that_are_no_text_are_only_words(mustache: Mustache, strategy: str, given: Any) -> None:
    """Some frameworks make ?q[filters]= an object: it must not bring parameters of its own."""
    source = search_template(setting(), strategy).source
    rendered = _asked(source, mustache, given)
    found = rendered
    match strategy:
        case "exact" | "boost":
            found = found["query"]["bool"]["should"][0]["bool"]["must"][0]
        case "rrf":
            found = found["retriever"]["rrf"]["retrievers"][0]["standard"]["query"]["bool"]["must"][0]
        case "linear":
            found = found["retriever"]["linear"]["retrievers"][0]["retriever"]["standard"]["query"]["bool"]["must"][0]
    taken = found["bool"]["must"][0]["combined_fields"]["query"]
    assert isinstance(taken, str)
    assert rendered == _with_words(_asked(source, mustache, MARK), taken)


@pytest.mark.parametrize("name", ["filters", *VECTORS])
@pytest.mark.parametrize("given", ["[]", '[{"match_all": {}}]', '"', '}, "x": {', {"term": {"gender": "Men"}}, 5, True])
def test_a_list_that_is_none_is_refused_and_not_dropped(
    mustache: Mustache, client: Elasticsearch, loaded: Recipe, name: str, given: Any
) -> None:
    source = search_template(setting(loaded), "exact").source
    rendered = mustache.render(source, {"query_text": "red", **_FULL, name: given})
    assert rendered[f"{name} must be a list"] is True
    with pytest.raises(BadRequestError, match=f"{name} must be a list"):
        client.search(index=loaded.index.name, body=rendered)


NO_NUMBERS = ('5, "query": {"match_all": {}}', "5}", '"', "5 5", "x", "[]", "{}", "null")


def _closed(text: str) -> str:
    """The brackets that would end a body cut off here."""
    waiting: list[str] = []
    for sign in re.sub(r'"(\\.|[^"\\])*"', "", text):
        if sign in "{[":
            waiting.append("}" if sign == "{" else "]")
        elif sign in "}]":
            waiting.pop()
    return "".join(reversed(waiting))


@pytest.mark.parametrize(
    ("strategy", "name"),
    [
        *(("exact", name) for name in ("size", "from", "saturation", *FUSION.weights)),
        *(("boost", name) for name in ("size", "from", "text", "image", "text_to_image")),
    ],
)
def test_a_number_that_is_none_takes_no_filter_away(mustache: Mustache, strategy: str, name: str) -> None:
    source = search_template(setting(), strategy).source

    def raw(number: Any) -> str:
        given = {"weights": {name: number}} if name in FUSION.weights else {name: number}
        return mustache.text(source, {"query_text": "red", **_FULL, **given})

    ending = "5" + _closed(raw(MARKED).partition(str(MARKED))[0])
    cut = 0
    for text in (ending, *NO_NUMBERS):
        try:  # a parser that stops behind the first object would search by this
            body, _ = json.JSONDecoder().raw_decode(raw(text).strip())
        except ValueError:
            continue
        cut += text == ending
        assert body.keys() <= {"_source", "query", "rescore", "aggs", "from", "size"}
        first, *neighbours = body["query"]["bool"]["should"]
        assert first["bool"]["must"][0]["bool"]["filter"] == FILTER
        assert all(each["knn"]["filter"] == FILTER for each in neighbours)
    assert cut, "the brackets did end the body"


def test_an_edited_template_is_used_and_its_fault_is_named(
    mustache: Mustache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ESMM_DIR", str(tmp_path))
    own = tmp_path / "mappings" / "search" / "exact.mustache.j2"
    own.parent.mkdir(parents=True)
    shared = '<% import "mappings/search/shared.mustache.j2" as shared with context %>'
    own.write_text(shared + '{"query": << shared.keyword() >>}')
    source = search_template(setting(), "exact").source
    assert mustache.render(source, {"query_text": "red"}) == {
        "query": {"combined_fields": {"query": "red", "fields": ["title^3", "brand^2"], "operator": "or"}}
    }
    (own.parent / "shared.mustache.j2").write_text("\n<% macro keyword( %>")
    with pytest.raises(EsmmError, match=r"shared\.mustache\.j2, line 2: "):
        search_template(setting(), "exact")
