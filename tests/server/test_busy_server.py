"""Loads through a server that is busy, drops connections, hangs or refuses: nothing is lost, nothing is twice."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import shop
import wire
from elasticsearch import Elasticsearch

from esmm.cluster import Capabilities, connect, connection, named_errors
from esmm.encoders import load_encoders
from esmm.errors import EsmmError, IndexFault, Unreachable
from esmm.ingest import patience
from esmm.ingest.job import Job, Server, Source, Wishes
from esmm.ingest.load import load
from esmm.ingest.report import LoadReport
from esmm.ingest.vectors import VectorCache
from esmm.recipe import Recipe

COUNT = 800  # four batches
FLOOD = "disk usage exceeded flood-stage watermark"


@pytest.fixture
def catalogue(tmp_path: Path) -> Path:
    return shop.write(tmp_path / "catalog.jsonl", shop.products(COUNT))


@pytest.fixture
def text_recipe(recipe: Recipe) -> Recipe:
    return recipe.model_copy(update={"image": None})


Load = Callable[..., LoadReport]


@pytest.fixture
def run(catalogue: Path, text_recipe: Recipe, can: Capabilities, tmp_path: Path) -> Load:
    """Load through an address; ``patience`` is the client's time-out in seconds."""

    def through(url: str, *, patience: float = 60, new_version: bool = False) -> LoadReport:
        encoders, _ = load_encoders(text_recipe)
        where = connection({"ELASTICSEARCH_URL": url})
        with (
            named_errors(where),
            connect(where).options(request_timeout=patience) as client,
            VectorCache(tmp_path / "vectors.sqlite") as cache,
        ):
            source, server = Source(str(catalogue)), Server(client, can)
            wishes = Wishes(new_version=new_version)
            return load(Job(source, text_recipe, server, encoders, cache), wishes)

    return through


def _whole(client: Elasticsearch, alias: str) -> bool:
    """Each product is there once, as it was sent."""
    hits = client.search(index=alias, size=COUNT + 10, source=["title"])["hits"]["hits"]
    assert client.count(index=alias, query={"exists": {"field": "text_vector"}})["count"] == COUNT
    return {hit["_id"]: hit["_source"]["title"] for hit in hits} == {p["id"]: p["title"] for p in shop.products(COUNT)}


def _half(target: str) -> Callable[[wire.Request], wire.Answer]:
    """Store the first half of a bulk request and push the rest back, as a full write queue does."""

    def reply(request: wire.Request) -> wire.Answer:
        lines = request.body.splitlines(keepends=True)
        middle = len(lines) // 4 * 2
        items = json.loads(wire.forward(target, request, body=b"".join(lines[:middle])).body).get("items", [])
        error = {"type": "es_rejected_execution_exception", "reason": "rejected execution of primary operation"}
        pushed = [{"index": {"status": 429, "error": error}}] * ((len(lines) - middle) // 2)
        return wire.elastic(200, {"errors": True, "items": items + pushed})

    return reply


def _stored_but_unheard(target: str) -> Callable[[wire.Request], wire.Answer]:
    def reply(request: wire.Request) -> wire.Answer:
        wire.forward(target, request)
        return wire.DROP

    return reply


def _hanging(target: str) -> Callable[[wire.Request], wire.Answer]:
    def reply(request: wire.Request) -> wire.Answer:
        time.sleep(1.5)
        return wire.forward(target, request)

    return reply


def _limited(target: str) -> Callable[[wire.Request], wire.Answer]:
    """Take no request over 20 kB, as a reverse proxy does."""

    def reply(request: wire.Request) -> wire.Answer:
        if len(request.body) <= 20_000:
            return wire.forward(target, request)
        return wire.Answer(413, b"<html>413 Request Entity Too Large</html>", {"Content-Type": "text/html"})

    return reply


FAULTS: dict[str, Callable[[str], Callable[[wire.Request], wire.Answer]]] = {
    "429": lambda _: lambda _: wire.refusal(429, "circuit_breaking_exception", "[parent] Data too large"),
    "503": lambda _: lambda _: wire.Answer(503, b"<html>no backend</html>", {"Content-Type": "text/html"}),
    "502": lambda _: lambda _: wire.Answer(502),
    "504": lambda _: lambda _: wire.Answer(504),
    "half pushed back": _half,
    "dropped": lambda _: lambda _: wire.DROP,
    "stored, then dropped": _stored_but_unheard,
    "hangs": _hanging,
    "too large": _limited,
}


@pytest.mark.parametrize("fault", FAULTS)
def test_nothing_is_lost_and_nothing_twice(
    fault: str, run: Load, client: Elasticsearch, server_url: str, alias: str
) -> None:
    numbers = range(1, 1000) if fault == "too large" else (2, 3)
    trouble = wire.NthBulk(FAULTS[fault](server_url), *numbers)
    with wire.proxy(server_url, trouble) as url:
        report = run(url, patience=1 if fault == "hangs" else 60)
    assert trouble.seen > 4  # some were sent again
    assert (report.read, report.stored, report.rejected) == (COUNT, COUNT, 0)
    assert _whole(client, alias)


def _versions(client: Elasticsearch, alias: str) -> list[str]:
    return sorted(client.indices.get(index=f"{alias}*", allow_no_indices=True))


def test_server_that_stays_busy_moves_no_alias(
    run: Load, client: Elasticsearch, server_url: str, alias: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(server_url)
    monkeypatch.setattr(patience, "_PATIENCE", 1)
    busy = wire.NthBulk(lambda _: wire.refusal(429, "es_rejected_execution_exception", "queue is full"), *range(3, 100))
    with (
        wire.proxy(server_url, busy) as url,
        pytest.raises(Unreachable, match="overloaded or not ready: queue") as told,
    ):
        run(url, new_version=True)
    assert "later" in told.value.hint
    assert busy.seen > 4  # each sender tried again
    assert list(client.indices.get_alias(name=alias)) == [f"{alias}-v0001"]
    assert _whole(client, alias)


def test_documents_pushed_back_for_ever_are_told_so(
    run: Load, client: Elasticsearch, server_url: str, alias: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "_PATIENCE", 1)
    with (
        wire.proxy(server_url, wire.NthBulk(_half(server_url), *range(1, 1000))) as url,
        pytest.raises(EsmmError) as told,
    ):
        run(url)
    assert "pushes documents back again and again: it is overloaded" in told.value.message
    assert told.value.hint
    assert _versions(client, alias) == []


def test_server_that_goes_away_moves_no_alias(
    run: Load, client: Elasticsearch, server_url: str, alias: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing gets through any more, not even the release of the lock; the next load goes on with the half version."""
    run(server_url)
    monkeypatch.setattr(patience, "_PATIENCE", 1)
    gone = False

    def fault(request: wire.Request) -> wire.Answer | None:
        nonlocal gone
        gone = gone or request.is_bulk
        return wire.DROP if gone else None

    with wire.proxy(server_url, fault) as url, pytest.raises(Unreachable, match="no Elasticsearch answers"):
        run(url, new_version=True)
    assert list(client.indices.get_alias(name=alias)) == [f"{alias}-v0001"]
    assert _versions(client, alias) == [f"{alias}-v0001", f"{alias}-v0002"]
    run(server_url, new_version=True)
    assert list(client.indices.get_alias(name=alias)) == [f"{alias}-v0002"]
    assert _versions(client, alias) == [f"{alias}-v0001", f"{alias}-v0002"]
    assert _whole(client, alias)


@pytest.mark.parametrize(
    ("block", "sentence", "hint"),
    [
        ("index.blocks.write", "refuses writes: index .* blocked by: .FORBIDDEN/8/index write", "lift the block"),
        ("index.blocks.read_only", "blocked by: .FORBIDDEN/5/index read-only", "lift the block"),
        ("index.blocks.read_only_allow_delete", "flood-stage watermark", "free disk space"),
    ],
)
def test_write_block_in_the_middle(
    run: Load, client: Elasticsearch, server_url: str, alias: str, block: str, sentence: str, hint: str
) -> None:
    run(server_url)

    def lock(_: wire.Request) -> None:
        client.indices.put_settings(index=f"{alias}-v0002", settings={block: True})

    started = time.monotonic()
    with wire.proxy(server_url, wire.NthBulk(lock, 3)) as url, pytest.raises(IndexFault, match=sentence) as told:
        run(url, new_version=True)
    assert hint in told.value.hint
    assert time.monotonic() - started < 10  # a block does not pass by itself: no point in waiting
    assert list(client.indices.get_alias(name=alias)) == [f"{alias}-v0001"]
    assert _versions(client, alias) == [f"{alias}-v0001", f"{alias}-v0002"]
    client.indices.put_settings(index=f"{alias}-v0002", settings={block: None})
    report = run(server_url, new_version=True)
    assert (report.stored, report.index) == (COUNT, f"{alias}-v0002")
    assert report.unchanged >= 256, "what was stored before the block is not sent again"
    assert _whole(client, alias)


def test_disk_watermark_in_the_servers_words(run: Load, client: Elasticsearch, server_url: str, alias: str) -> None:
    reason = (
        f"index [{alias}-v0001] blocked by: [TOO_MANY_REQUESTS/12/{FLOOD}, index has read-only-allow-delete block];"
    )
    full = wire.NthBulk(lambda _: wire.refusal(429, "cluster_block_exception", reason), *range(2, 100))
    with wire.proxy(server_url, full) as url, pytest.raises(IndexFault, match="flood-stage watermark") as told:
        run(url)
    assert "free disk space" in told.value.hint
    assert full.seen <= 4  # not tried again
    assert not client.indices.exists_alias(name=alias)


def test_failed_load_keeps_its_vectors(run: Load, client: Elasticsearch, server_url: str, alias: str) -> None:
    def lock(_: wire.Request) -> None:
        client.indices.put_settings(index=f"{alias}-v0001", settings={"index.blocks.write": True})

    with wire.proxy(server_url, wire.NthBulk(lock, 3)) as url, pytest.raises(IndexFault):
        run(url)
    client.indices.put_settings(index=f"{alias}-v0001", settings={"index.blocks.write": None})
    report = run(server_url)
    assert report.unchanged >= 256
    assert report.unchanged + report.cached["text"] >= 2 * 256
    assert report.unchanged + report.cached["text"] + report.encoded["text"] == COUNT


@pytest.mark.parametrize("step", ["_refresh", "_count", "_mget", "_search", "_settings", "_mapping"])
def test_hiccup_outside_the_bulk_requests(
    step: str, run: Load, client: Elasticsearch, server_url: str, alias: str
) -> None:
    """One busy answer while a filled version is verified must not cost the load."""
    hit: list[str] = []

    def fault(request: wire.Request) -> wire.Answer | None:
        if f"-v0001/{step}" in request.path and not hit:
            hit.append(request.path)
            return wire.Answer(503)
        return None

    with wire.proxy(server_url, fault) as url:
        report = run(url)
    assert hit
    assert report.stored == COUNT
    assert _whole(client, alias)


def test_late_request_of_a_dead_load_changes_nothing(
    run: Load, client: Elasticsearch, server_url: str, alias: str
) -> None:
    """It was held up on its way; when it arrives, the next load fills the same version."""
    held: list[wire.Request] = []

    def lock(request: wire.Request) -> None:
        held.append(request)
        client.indices.put_settings(index=f"{alias}-v0001", settings={"index.blocks.write": True})

    with wire.proxy(server_url, wire.NthBulk(lock, 2)) as url, pytest.raises(IndexFault):
        run(url)
    client.indices.put_settings(index=f"{alias}-v0001", settings={"index.blocks.write": None})
    late, arrived = held[0], []

    def arrive(_: wire.Request) -> None:
        arrived.append(wire.forward(server_url, late, body=late.body.replace(b"number", b"older")))

    with wire.proxy(server_url, wire.NthBulk(arrive, 1)) as url:
        run(url)
    assert b"index_not_found_exception" in arrived[0].body
    assert list(client.indices.get_alias(index=f"{alias}-v0001")[f"{alias}-v0001"]["aliases"]) == [alias]
    assert _versions(client, alias) == [f"{alias}-v0001"]
    assert _whole(client, alias)


def test_version_deleted_in_the_middle_does_not_come_back(
    run: Load, client: Elasticsearch, server_url: str, alias: str
) -> None:
    def delete(_: wire.Request) -> None:
        client.indices.delete(index=f"{alias}-v0001")

    with (
        wire.proxy(server_url, wire.NthBulk(delete, 2)) as url,
        pytest.raises(IndexFault, match="deleted in the middle") as told,
    ):
        run(url)
    assert "while a load runs" in told.value.hint
    assert _versions(client, alias) == []


@pytest.mark.parametrize(
    "step",
    ["GET /{alias}-v", "PUT /_ingest/pipeline", "PUT /{alias}-v0001", "PUT /{alias}-v0001/_alias", "POST /_aliases"],
)
@pytest.mark.parametrize("heard", [False, True])
def test_step_without_an_answer_is_done_again(
    step: str, heard: bool, run: Load, client: Elasticsearch, can: Capabilities, server_url: str, alias: str
) -> None:
    """Whether or not the server heard of it the first time."""
    if "pipeline" in step and not can.pipelines:
        pytest.skip("this server runs no ingest pipelines")
    hit: list[wire.Request] = []

    def fault(request: wire.Request) -> wire.Answer | None:
        if hit or not f"{request.method} {request.path}".startswith(step.format(alias=alias)):
            return None
        hit.append(request)
        return _stored_but_unheard(server_url)(request) if heard else wire.DROP

    with wire.proxy(server_url, fault) as url:
        report = run(url)
    assert hit
    assert report.stored == COUNT
    assert _whole(client, alias)


def test_document_larger_than_any_request_is_refused_with_the_reason(
    run: Load, client: Elasticsearch, server_url: str, alias: str, catalogue: Path
) -> None:
    shop.write(catalogue, [*shop.products(COUNT), shop.product(COUNT, title="long " * 10_000)])
    with wire.proxy(server_url, wire.NthBulk(_limited(server_url), *range(1, 1000))) as url:
        report = run(url)
    assert (report.read, report.stored, report.rejected) == (COUNT + 1, COUNT, 1)
    assert f"line {COUNT + 1}: its 50," in report.reasons[0]
    assert "more than the server takes in one request (413)" in report.reasons[0]
    assert _whole(client, alias)


@pytest.mark.parametrize("seed", [1, 2])
def test_faults_at_random(seed: int, run: Load, client: Elasticsearch, server_url: str, alias: str) -> None:
    """Every fifth request meets something: pushed back, lost, unheard, cut off, slow, hanging, too large."""
    faults = wire.RandomFaults(server_url, seed=seed, share=0.2, patience=1, limit=30_000)
    with wire.proxy(server_url, faults) as url:
        report = run(url, patience=1)
    assert faults.met["413"]
    assert len(+faults.met) > 3
    assert (report.read, report.stored, report.rejected) == (COUNT, COUNT, 0)
    assert _whole(client, alias)
