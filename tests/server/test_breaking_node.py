"""A node of these tests' own is killed in the middle of a load, runs out of disk, and is sent more than it takes."""

import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import shop
import wire
from breakable import own_node, restart
from elasticsearch import Elasticsearch

from esmm.cluster import capabilities, connect, connection, named_errors
from esmm.encoders import load_encoders
from esmm.errors import IndexFault
from esmm.ingest.bulk import Outgoing, Sender
from esmm.ingest.job import Job, Server, Source
from esmm.ingest.load import load
from esmm.ingest.records import Record
from esmm.ingest.report import LoadReport
from esmm.ingest.vectors import VectorCache
from tests.conftest import tiny_recipe

COUNT, ALIAS = 1500, "tiny"
WATERMARK = "cluster.routing.allocation.disk.watermark"


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Where the node's data lies; not pytest's own folder, which the user that runs the node cannot enter."""
    place = Path(tempfile.gettempdir()) / f"esmm-breaking-{os.getpid()}"
    yield place
    shutil.rmtree(place, ignore_errors=True)


@pytest.fixture(scope="module")
def own_url(folder: Path) -> Iterator[str]:
    with own_node(folder) as url:
        yield url


@pytest.fixture
def own_client(own_url: str) -> Iterator[Elasticsearch]:
    with connect(connection({"ELASTICSEARCH_URL": own_url})) as client:
        yield client
        client.indices.delete(index=list(client.indices.get(index=f"{ALIAS}-*")))


Load = Callable[[str], LoadReport]


@pytest.fixture
def run(tmp_path: Path) -> Load:
    def through(url: str) -> LoadReport:
        recipe = tiny_recipe(ALIAS).model_copy(update={"image": None})
        catalogue = shop.write(tmp_path / "catalog.jsonl", shop.products(COUNT))
        where = connection({"ELASTICSEARCH_URL": url})
        with named_errors(where), connect(where) as client, VectorCache(tmp_path / "vectors.sqlite") as cache:
            server = Server(client, capabilities(client))
            return load(Job(Source(str(catalogue)), recipe, server, load_encoders(recipe)[0], cache))

    return through


def whole(client: Elasticsearch) -> bool:
    """Each product is there once, with its own vector."""
    hits = client.search(index=ALIAS, size=COUNT + 10, source=["title"], fields=["text_vector"])["hits"]["hits"]
    (encoder,) = load_encoders(tiny_recipe(ALIAS).model_copy(update={"image": None}))[0].values()
    expected = dict(zip((p["id"] for p in shop.products(COUNT)), shop.products(COUNT), strict=True))
    vectors = encoder.encode([hit["_source"]["title"] for hit in hits])
    near = [np.dot(mine, hit["fields"]["text_vector"]) for mine, hit in zip(vectors, hits, strict=True)]
    titles = {hit["_id"]: hit["_source"]["title"] for hit in hits}
    return titles == {name: p["title"] for name, p in expected.items()} and min(near) > 0.9999


def test_node_killed_and_started_again_in_the_middle(
    run: Load, own_client: Elasticsearch, own_url: str, folder: Path
) -> None:
    again = threading.Thread(target=restart, args=(folder, own_url), kwargs={"by_force": True})

    def kill(_: wire.Request) -> None:
        again.start()

    with wire.proxy(own_url, wire.NthBulk(kill, 3)) as url:
        report = run(url)
    again.join()
    assert (report.read, report.stored, report.rejected) == (COUNT, COUNT, 0)
    assert whole(own_client)


def test_real_disk_watermark_ends_the_load_and_the_next_one_is_whole(
    run: Load, own_client: Elasticsearch, own_url: str
) -> None:
    """The flood stage is set above what any disk has free, so the node itself blocks the index."""
    levels = {f"{WATERMARK}.{level}": "9000tb" for level in ("low", "high", "flood_stage")}
    quick = {"cluster.info.update.interval": "10s"}
    own_client.cluster.put_settings(persistent=quick)

    def fill_up(_: wire.Request) -> None:
        own_client.cluster.put_settings(persistent=levels)
        wait(blocked)

    def blocked() -> bool:
        settings = own_client.indices.get_settings(index=f"{ALIAS}-v*", flat_settings=True)
        return any("index.blocks.read_only_allow_delete" in entry["settings"] for entry in settings.values())

    def wait(there: Callable[[], bool]) -> None:
        until = time.monotonic() + 40
        while time.monotonic() < until and not there():
            time.sleep(0.2)

    try:
        with (
            wire.proxy(own_url, wire.NthBulk(fill_up, 3)) as url,
            pytest.raises(IndexFault, match="disk is nearly full") as told,
        ):
            run(url)
    finally:
        own_client.cluster.put_settings(persistent=dict.fromkeys(levels))
        wait(lambda: not blocked())  # the node lifts it by itself once there is room
        own_client.cluster.put_settings(persistent=dict.fromkeys(quick))
    assert "free disk space" in told.value.hint
    assert not own_client.indices.exists_alias(name=ALIAS)
    assert run(own_url).stored == COUNT
    assert whole(own_client)


def test_more_bytes_than_the_node_takes(own_client: Elasticsearch) -> None:
    """Over 100 MB a node of 512 MB of heap answers 413, over a tenth of its heap 429: both are halved."""
    own_client.indices.create(index=f"{ALIAS}-large", aliases={f"{ALIAS}-writer": {}}, mappings={"dynamic": False})
    text = b'{"index":{"_id":"%d"}}\n{"text":"' + b"x" * 2_000_000 + b'"}\n'
    batch = [Outgoing(Record(str(n), {}, (), (), "", n), text % n, ()) for n in range(60)]
    sender = Sender(own_client, f"{ALIAS}-writer")
    sender.size.bytes = 1 << 30
    assert sender.send(batch) == []
    own_client.indices.refresh(index=f"{ALIAS}-large")
    assert own_client.count(index=f"{ALIAS}-large")["count"] == len(batch)
    assert sender.size.bytes < 100_000_000
