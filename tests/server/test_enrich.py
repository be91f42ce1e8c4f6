"""Vectors for an index that the shop made and fills: what is written, what stays as it was, what is said."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import shop
import wire
from elasticsearch import Elasticsearch, helpers

from esmm.cluster import Capabilities, capabilities, connect, connection
from esmm.encoders import load_encoders
from esmm.enrich import update
from esmm.enrich.job import Job
from esmm.enrich.remove import remove
from esmm.enrich.report import EnrichReport
from esmm.enrich.run import enrich
from esmm.enrich.scan import Scan
from esmm.enrich.verify import survey
from esmm.errors import IndexFault, LoadFailed, Locked, Unreachable
from esmm.index_meta import meta_of, put_meta
from esmm.ingest.lock import Lock, alone, lock_index
from esmm.ingest.vectors import VectorCache
from esmm.query.search import Ask, Searcher
from esmm.recipe import Recipe

Json = dict[str, Any]
Run = Callable[..., EnrichReport]

COUNT = 40
PROPERTIES: Json = {
    "title": {"type": "text"},
    "brand": {"type": "text"},
    "gender": {"type": "keyword"},
    "price": {"type": "double"},
    "image": {"type": "keyword", "index": False},
}


@pytest.fixture
def filled(client: Elasticsearch, alias: str) -> str:
    """A shop's own index of strict mapping, on two shards."""
    return fill(client, alias, shop.products(COUNT))


def fill(client: Elasticsearch, name: str, products: list[Json], **more: Any) -> str:
    mappings = {"dynamic": "strict", "_meta": {"owner": "shop"}, "properties": PROPERTIES}
    client.indices.create(index=name, mappings=mappings | more, settings={"number_of_shards": 2})
    helpers.bulk(
        client,
        [{"_index": name, "_id": p["id"], "_source": {k: p[k] for k in p if k != "id"}} for p in products],
        refresh=True,
    )
    return name


@pytest.fixture
def job(client: Elasticsearch, recipe: Recipe, tmp_path: Path) -> Job:
    shop.write_photos(tmp_path, COUNT)
    return Job(client, recipe, load_encoders(recipe)[0], photos=(tmp_path,), faults=tmp_path)


@pytest.fixture
def run(job: Job, tmp_path: Path) -> Iterator[Run]:
    """Enrich with a cache of this test; ``how`` changes the job."""
    with VectorCache(tmp_path / "vectors.sqlite") as cache:
        yield lambda **how: enrich(replace(job, **how), cache)


def sources(client: Elasticsearch, index: str) -> dict[str, Json]:
    """All documents with all that is in them, vectors too."""
    client.indices.refresh(index=index)
    body = {"size": 5000, "_source": whole(client), "version": True}
    return {hit["_id"]: hit for hit in client.search(index=index, body=body)["hits"]["hits"]}


def whole(client: Elasticsearch) -> Json | bool:
    """All of _source: since 9.2 vectors must be asked for."""
    return {"exclude_vectors": False} if capabilities(client).version >= (9, 2, 0) else True


def having(client: Elasticsearch, index: str, field: str) -> int:
    client.indices.refresh(index=index)
    return int(client.count(index=index, query={"exists": {"field": field}})["count"])


def balanced(report: EnrichReport) -> bool:
    ends = report.stored + report.unchanged + report.empty + report.rejected + report.conflicts + report.gone
    return report.read == ends


def test_vectors_come_in_and_nothing_else_changes(run: Run, client: Elasticsearch, filled: str, recipe: Recipe) -> None:
    before = sources(client, filled)
    report = run()
    assert (report.read, report.stored, report.exit_code) == (COUNT, COUNT, 0)
    assert report.vectors == {"text_vector": COUNT, "image_vector": COUNT}
    assert having(client, filled, "text_vector") == having(client, filled, "image_vector") == COUNT
    added = {"text_vector", "image_vector", "esmm"}
    after = {key: hit["_source"] for key, hit in sources(client, filled).items()}
    assert all(set(source) - added == set(before[key]["_source"]) for key, source in after.items())
    assert all({n: v for n, v in s.items() if n not in added} == before[k]["_source"] for k, s in after.items())
    mapping = client.indices.get_mapping(index=filled)[filled]["mappings"]
    assert mapping["dynamic"] == "strict"
    assert mapping["_meta"]["owner"] == "shop"
    assert mapping["_meta"]["esmm"]["state"] == "enriched"
    assert mapping["properties"]["text_vector"]["index_options"]["type"] == "int8_hnsw"
    assert {n: mapping["properties"][n] for n in PROPERTIES} == PROPERTIES


def test_a_second_run_encodes_and_writes_nothing(run: Run, client: Elasticsearch, filled: str) -> None:
    run()
    before = {key: hit["_version"] for key, hit in sources(client, filled).items()}
    again = run()
    assert (again.unchanged, again.stored) == (COUNT, 0)
    assert sum(again.encoded.values()) == 0
    assert {key: hit["_version"] for key, hit in sources(client, filled).items()} == before


def test_the_vectors_are_those_of_a_load(run: Run, client: Elasticsearch, filled: str, job: Job) -> None:
    run()
    vector = sources(client, filled)["p3"]["_source"]["text_vector"]
    made = job.encoders["text"].encode(["black kettle number3"])[0]
    assert vector == pytest.approx(made.tolist(), abs=1e-6)


@pytest.mark.usefixtures("painless")
def test_searches_of_esmm_run_on_it(
    run: Run, client: Elasticsearch, filled: str, recipe: Recipe, can: Capabilities
) -> None:
    run()
    assert meta_of(client, filled)["saturation"] > 0
    answer = Searcher(client, recipe, can).search(Ask("black kettle", like=("p3",)))
    assert answer.hits[0].id != "p3"
    assert {"title", "brand", "gender", "price", "image"} == set(answer.hits[0].source)
    upgraded = Searcher(client, recipe, can).upgrade({"query": {"match": {"title": "red shirt"}}})
    assert client.search(index=filled, body=upgraded.body)["hits"]["total"]["value"] > 0


def test_what_the_shop_changed_gets_new_vectors(run: Run, client: Elasticsearch, filled: str, job: Job) -> None:
    run()
    client.update(index=filled, id="p1", doc={"title": "something else"})
    client.update(index=filled, id="p2", doc={"price": 1.5})
    client.index(index=filled, id="p3", document={"title": "all new", "price": 2})  # without vectors
    client.index(index=filled, id="p99", document={"title": "one more"})
    client.delete(index=filled, id="p4")
    kept = sources(client, filled)["p5"]["_source"]  # read, changed and written back, as an indexer may
    written = {name: value for name, value in kept.items() if not name.endswith("_vector")}
    client.index(index=filled, id="p5", document=written | {"price": 3})
    survey_before = survey(job, sample=0)
    assert survey_before.states == {"current": 36, "lacking": 3, "stale": 1, "partial": 0, "empty": 0}
    report = run()
    assert (report.stored, report.unchanged) == (4, COUNT - 4)
    after = sources(client, filled)
    made = job.encoders["text"].encode(["something else", "all new", "one more"])
    for key, vector in zip(("p1", "p3", "p99"), made, strict=True):
        assert after[key]["_source"]["text_vector"] == pytest.approx(vector.tolist(), abs=1e-6), key
    assert after["p5"]["_source"]["text_vector"] == pytest.approx(kept["text_vector"], abs=1e-6)
    assert after["p2"]["_source"]["price"] == 1.5
    assert survey(job, sample=0).to_do == 0


def test_a_vector_goes_with_its_text(run: Run, client: Elasticsearch, filled: str) -> None:
    run()
    client.update(index=filled, id="p1", doc={"title": ""})
    client.update(index=filled, id="p2", doc={"image": None})
    assert run().stored == 2
    assert having(client, filled, "text_vector") == having(client, filled, "image_vector") == COUNT - 1
    assert run().unchanged == COUNT


ODD = {
    "title": "odd one",
    "v": [0.1, 0.25, 3.0],
    "parts": [{"name": "a", "w": [1.5, 2.0]}, {"name": "b"}],
    "blob": {"z": 1, "a": [None, {}, 12345678901234567890, 1e300]},
    "where": {"lat": 41.12, "lon": -71.34},
    "range": {"gte": 1, "lt": 5},
    "kin": "product",
    "many": [3, 1, 2, 2],
    "raw": "aGVsbG8=",
    "empty": [],
    "none": None,
    "broken": "no number",
}
COSINE = "cosineSimilarity([1, 0, 0], 'v') + 1"


def test_fields_of_every_kind_survive(
    run: Run, client: Elasticsearch, alias: str, job: Job, can: Capabilities, painless: None
) -> None:
    properties = PROPERTIES | {
        "v": {"type": "dense_vector", "dims": 3},
        "parts": {
            "type": "nested",
            "properties": {"name": {"type": "keyword"}, "w": {"type": "dense_vector", "dims": 2}},
        },
        "blob": {"type": "object", "enabled": False},
        "where": {"type": "geo_point"},
        "range": {"type": "integer_range"},
        "kin": {"type": "join", "relations": {"product": "offer"}},
        "many": {"type": "integer", "copy_to": "all"},
        "all": {"type": "keyword"},
        "raw": {"type": "binary"},
        "broken": {"type": "integer", "ignore_malformed": True},
    }
    client.indices.create(index=alias, mappings={"properties": properties}, settings={"number_of_shards": 3})
    client.index(index=alias, id="a", document=ODD)
    offer = {"title": "an offer", "kin": {"name": "offer", "parent": "a"}}
    client.index(index=alias, id="b", document=offer, routing="elsewhere")
    before = sources(client, alias)
    run()
    after = sources(client, alias)
    for key in ("a", "b"):
        ours = {name for name in after[key]["_source"] if name in ("text_vector", "esmm")}
        assert ours == {"text_vector", "esmm"}
        rest = {name: value for name, value in after[key]["_source"].items() if name not in ours}
        assert json.dumps(rest, sort_keys=True) == json.dumps(before[key]["_source"], sort_keys=True)
    assert after["b"]["_routing"] == "elsewhere"
    for query in (
        {"nested": {"path": "parts", "query": {"term": {"parts.name": "b"}}}},
        {"script_score": {"query": {"exists": {"field": "v"}}, "script": {"source": COSINE}}},
        {"term": {"all": "3"}},
        {"term": {"kin": "offer"}},
    ):
        assert client.count(index=alias, query=query)["count"] == 1, query
    remove(job, can)
    assert {key: hit["_source"] for key, hit in sources(client, alias).items()} == {
        key: hit["_source"] for key, hit in before.items()
    }


@pytest.mark.usefixtures("painless")
def test_no_pipeline_of_the_shop_runs_again(run: Run, client: Elasticsearch, filled: str, can: Capabilities) -> None:
    if not can.pipelines:
        pytest.skip("this server has no pipelines")
    script = "ctx.price = ctx.price == null ? 1 : ctx.price + 1000"
    client.ingest.put_pipeline(id=f"esmm-{filled}", processors=[{"script": {"source": script}}])
    pipelines = {"index.default_pipeline": f"esmm-{filled}", "index.final_pipeline": f"esmm-{filled}"}
    client.indices.put_settings(index=filled, settings=pipelines)
    before = {key: hit["_source"]["price"] for key, hit in sources(client, filled).items()}
    run()
    assert {key: hit["_source"]["price"] for key, hit in sources(client, filled).items()} == before


def test_photos_that_cannot_be_used(run: Run, client: Elasticsearch, filled: str, job: Job, tmp_path: Path) -> None:
    (tmp_path / "photos" / "1.png").write_bytes(b"no photo")
    (tmp_path / "photos" / "2.png").unlink()
    client.update(index=filled, id="p3", doc={"image": ["photos/3.png", "photos/gone.png"]}, refresh=True)
    first = run()
    assert (first.stored, first.photo_faults, first.exit_code) == (COUNT, 3, 0)
    assert having(client, filled, "image_vector") == COUNT - 2
    looked = survey(job)
    assert looked.states == {"current": COUNT - 3, "lacking": 0, "stale": 0, "partial": 3, "empty": 0}
    assert (looked.to_do, looked.wrong) == (0, 0)
    again = run()
    assert (again.stored, again.photo_faults, sum(again.encoded.values())) == (0, 3, 0)
    shop.photo(2).save(tmp_path / "photos" / "2.png")
    assert run().stored == 1
    assert having(client, filled, "image_vector") == COUNT - 1


def test_a_product_that_does_not_fit_is_written_down(run: Run, client: Elasticsearch, filled: str, alias: str) -> None:
    client.index(index=filled, id="odd", document={"title": [True]}, refresh=True)
    report = run()
    assert (report.rejected, report.stored, report.exit_code) == (1, COUNT, 3)
    (fault,) = shop.lines_of(Path(report.rejected_file or ""))
    assert fault["id"] == "odd"
    assert "title must be text" in fault["reason"]
    assert balanced(report)


def test_verify_finds_what_is_missing_and_what_is_wrong(run: Run, client: Elasticsearch, filled: str, job: Job) -> None:
    run()
    whole = survey(job)
    assert (whole.to_do, whole.wrong, len(whole.cosines["text_vector"])) == (0, 0, COUNT)
    assert min(whole.cosines["image_vector"]) > 0.999
    other = [1.0] + [0.0] * 31
    client.update(index=filled, id="p1", doc={"text_vector": other})  # a vector of something else
    client.index(index=filled, id="p2", document={"title": "anew"}, refresh=True)
    looked = survey(job)
    assert (looked.to_do, looked.wrong, looked.states["lacking"]) == (1, 1, 1)


@pytest.mark.usefixtures("painless")
def test_removed_it_is_as_it_was(
    run: Run, client: Elasticsearch, filled: str, job: Job, can: Capabilities, recipe: Recipe
) -> None:
    before = {key: hit["_source"] for key, hit in sources(client, filled).items()}
    run()
    assert remove(job, can, dry_run=True).read == COUNT
    assert having(client, filled, "text_vector") == COUNT
    report = remove(job, can)
    assert (report.read, report.stored, report.exit_code) == (COUNT, COUNT, 0)
    assert {key: hit["_source"] for key, hit in sources(client, filled).items()} == before
    assert client.indices.get_mapping(index=filled)[filled]["mappings"]["_meta"] == {"owner": "shop"}
    with pytest.raises(IndexFault, match="not loaded by esmm"):
        Searcher(client, recipe, can)
    assert remove(job, can).read == 0
    assert run().stored == COUNT


@pytest.mark.usefixtures("painless")
def test_one_at_a_time(run: Run, client: Elasticsearch, filled: str, job: Job, can: Capabilities) -> None:
    before = sources(client, filled)
    with alone(client, filled, doing="esmm enrich"):
        for another in (run, lambda: remove(job, can)):
            with pytest.raises(Locked, match="is being changed by esmm enrich on"):
                another()
    assert sources(client, filled) == before
    assert run().stored == COUNT
    assert not client.indices.exists(index=lock_index(filled)), "given back"


def test_who_lost_the_lock_writes_no_more(
    run: Run, client: Elasticsearch, filled: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(_: Lock) -> None:
        raise Locked("another run took over", "let it end")

    monkeypatch.setattr(Lock, "check", lost)
    with pytest.raises(Locked, match="took over"):
        run(docs_per_second=10)
    assert having(client, filled, "text_vector") < COUNT


def test_an_alias_of_one_index(run: Run, client: Elasticsearch, alias: str) -> None:
    fill(client, f"{alias}-blue", shop.products(3))
    client.indices.put_alias(index=f"{alias}-blue", name=alias)
    report = run()
    assert (report.index, report.alias, report.stored) == (f"{alias}-blue", alias, 3)
    assert list(client.indices.get_alias(name=alias)) == [f"{alias}-blue"]
    fill(client, f"{alias}-green", [])
    client.indices.put_alias(index=f"{alias}-green", name=alias)
    with pytest.raises(IndexFault, match=f"means 2 indices: {alias}-blue, {alias}-green"):
        run()


def test_refused_before_anything_is_written(run: Run, client: Elasticsearch, alias: str) -> None:
    with pytest.raises(IndexFault, match=f"there is no index or alias {alias}"):
        run()
    vector = {"type": "dense_vector", "dims": 8, "similarity": "l2_norm", "index": True}
    properties = PROPERTIES | {"text_vector": vector, "image_vector": {"type": "keyword"}, "esmm": {"type": "long"}}
    fill(client, alias, shop.products(2), properties=properties)
    mapping = client.indices.get_mapping(index=alias)
    with pytest.raises(IndexFault) as refused:
        run()
    for part in (
        "field text_vector is there with dims 8 instead of 32, similarity",
        "field image_vector is there with type",
        "field esmm is there already",
    ):
        assert part in refused.value.message, refused.value
    assert client.indices.get_mapping(index=alias) == mapping


@pytest.mark.parametrize("source", [{"excludes": ["brand"]}, {"includes": ["title"]}, {"enabled": False}])
def test_documents_that_are_not_kept_whole(run: Run, client: Elasticsearch, alias: str, source: Json) -> None:
    fill(client, alias, shop.products(2), _source=source)
    with pytest.raises(IndexFault, match="keeps only a part of its documents"):
        run()


def test_an_index_with_nothing_to_encode(run: Run, client: Elasticsearch, alias: str) -> None:
    fill(client, alias, [])
    mapping = client.indices.get_mapping(index=alias)
    with pytest.raises(IndexFault, match="holds no document\n"):
        run()
    client.index(index=alias, id="a", document={"price": 3})
    with pytest.raises(IndexFault, match="no document with a text or photo"):
        run()
    client.index(index=alias, id="a", document={"title": [True]})
    with pytest.raises(LoadFailed, match="a: title must be text"):
        run()
    assert client.indices.get_mapping(index=alias) == mapping


def test_vectors_of_another_encoder_are_not_replaced_one_by_one(
    run: Run, client: Elasticsearch, filled: str, recipe_text: str, job: Job
) -> None:
    from esmm.recipe import parse

    run()
    put_meta(client, filled, _made_by_another(meta_of(client, filled)))
    with pytest.raises(IndexFault, match=r"text_vector holds vectors by other \(1, 32 dims\), the recipe names digest"):
        run()
    renamed = parse(recipe_text.replace('"digest-32"', '"digest-32"\nvector = "new_vector"'))
    assert run(recipe=renamed).stored == COUNT
    assert meta_of(client, filled)["clauses"]["text"]["field"] == "new_vector"


def _made_by_another(note: Json) -> Json:
    note["clauses"]["text"]["encoder"]["id"] = "other"
    return note


def test_an_index_of_a_load_is_left_to_loads(run: Run, client: Elasticsearch, filled: str) -> None:
    put_meta(client, filled, {"state": "ready", "clauses": {}})
    with pytest.raises(IndexFault, match="was made by esmm ingest"):
        run()


def test_a_keyword_query_that_does_not_run_there(run: Run, client: Elasticsearch, alias: str) -> None:
    properties = PROPERTIES | {"brand": {"type": "text", "analyzer": "simple"}}
    fill(client, alias, shop.products(2), properties=properties)
    with pytest.raises(IndexFault, match="keyword query does not run") as refused:
        run()
    assert "cross_fields" in refused.value.hint
    assert having(client, alias, "text_vector") == 0


@pytest.mark.parametrize("slices", [1, 3])
def test_every_document_is_read_once(run: Run, client: Elasticsearch, alias: str, slices: int) -> None:
    fill(client, alias, shop.products(700))
    report = run(slices=slices)
    assert (report.read, report.stored) == (700, 700)


@pytest.fixture
def forgetful(client: Elasticsearch, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server forgets the point in time once, before the fifth page, as after ten minutes."""
    search, pages = Scan._search, iter(range(1000))

    def forgetting(scan: Scan, body: Json) -> Any:
        if next(pages) == 4:
            client.close_point_in_time(id=body["pit"]["id"])
        return search(scan, body)

    monkeypatch.setattr(Scan, "_search", forgetting)


@pytest.mark.usefixtures("forgetful")
def test_a_point_in_time_that_is_lost(run: Run, client: Elasticsearch, alias: str) -> None:
    fill(client, alias, shop.products(900))
    report = run()
    assert (report.pits_lost, report.conflicts) == (1, 0)
    assert having(client, alias, "text_vector") == 900


@pytest.mark.usefixtures("forgetful")
def test_a_count_begins_again_with_its_point_in_time(client: Elasticsearch, alias: str, job: Job) -> None:
    fill(client, alias, shop.products(900))
    looked = survey(job)
    assert (looked.read, looked.states["lacking"]) == (900, 900)


def test_a_point_in_time_that_is_lost_at_once(client: Elasticsearch, filled: str, job: Job, server_url: str) -> None:
    def lost(request: wire.Request) -> wire.Answer | None:
        missing = wire.refusal(404, "search_context_missing_exception", "No search context found for id [7]")
        return missing if request.path.startswith("/_search") else None

    with (
        wire.proxy(server_url, lost) as url,
        connect(connection({"ELASTICSEARCH_URL": url})) as through,
        pytest.raises(Unreachable, match="loses the point in time"),
    ):
        list(Scan(through, filled).hits(job.reader.search))


def test_pushed_back_and_unheard_writes_are_sent_again(
    run: Run, client: Elasticsearch, filled: str, server_url: str
) -> None:
    """A write that was done but never answered shows as a conflict; read again, it is seen to be done."""

    def act(request: wire.Request) -> wire.Answer:
        if faults.seen == 1:
            return wire.refusal(429, "es_rejected_execution_exception", "queue is full")
        wire.forward(server_url, request)
        return wire.DROP

    faults = wire.NthBulk(act, 1, 2)
    with wire.proxy(server_url, faults) as url, connect(connection({"ELASTICSEARCH_URL": url})) as through:
        report = run(client=through)
    assert faults.seen >= 3
    assert (report.conflicts, report.stored + report.unchanged) == (0, COUNT)
    assert having(client, filled, "text_vector") == COUNT
    assert {hit["_version"] for hit in sources(client, filled).values()} == {2}


def test_a_document_that_changes_at_every_try_is_left_for_the_next_run(
    run: Run, client: Elasticsearch, filled: str, server_url: str
) -> None:
    def meddle(request: wire.Request) -> wire.Answer | None:
        if request.is_bulk:
            client.update(index=filled, id="p7", doc={"price": meddled.pop()})
            client.options(ignore_status=404).delete(index=filled, id="p8")
        return None

    meddled = [float(n) for n in range(100)]
    with wire.proxy(server_url, meddle) as url, connect(connection({"ELASTICSEARCH_URL": url})) as through:
        report = run(client=through)
    assert len(meddled) == 100 - 1 - update._ROUNDS
    assert (report.conflicts, report.gone, report.stored, report.exit_code) == (1, 1, COUNT - 2, 3)
    assert balanced(report)
    after = run()
    assert (after.stored, after.conflicts, after.exit_code) == (1, 0, 0)
    assert sources(client, filled)["p7"]["_source"]["price"] == 95.0
