"""How documents go out: larger requests for a fast server, smaller ones where it pushes back, none once stopped."""

import time
from collections.abc import Callable, Iterator

import pytest
import wire
from elasticsearch import Elasticsearch

from esmm.cluster import connect, connection
from esmm.ingest.bulk import Outgoing, Sender
from esmm.ingest.records import Record
from esmm.ingest.request_size import FIRST, STEP

BATCH = 256


def batches(count: int) -> Iterator[list[Outgoing]]:
    for start in range(0, count * BATCH, BATCH):
        yield [
            Outgoing(Record(str(n), {}, (), (), "", n), b'{"index":{"_id":"%d"}}\n{"number":%d}\n' % (n, n), ())
            for n in range(start, start + BATCH)
        ]


@pytest.fixture
def index(client: Elasticsearch, alias: str) -> str:
    client.indices.create(index=f"{alias}-v0001", aliases={alias: {}})
    return alias


class Watch:
    """Notes how many documents each bulk request holds, and answers by a function or lets it through."""

    def __init__(self, reply: Callable[[int], wire.Answer | None]) -> None:
        self.reply, self.sizes = reply, list[int]()

    def __call__(self, request: wire.Request) -> wire.Answer | None:
        self.sizes.append(request.body.count(b"\n") // 2)
        return self.reply(len(self.sizes))


def sent(watch: Watch, server_url: str, index: str, count: int) -> Sender:
    with wire.proxy(server_url, watch) as url, connect(connection({"ELASTICSEARCH_URL": url})) as client:
        sender = Sender(client, index)
        landed = [out.record.id for part, refused in sender.stream(batches(count)) for out in part if not refused]
    assert sorted(map(int, landed)) == list(range(count * BATCH))
    return sender


def stored(client: Elasticsearch, index: str) -> int:
    client.indices.refresh(index=index)
    return int(client.count(index=index)["count"])


def test_requests_grow_while_more_is_waiting(server_url: str, client: Elasticsearch, index: str) -> None:
    watch = Watch(lambda _: time.sleep(0.2))
    sender = sent(watch, server_url, index, 12)
    assert watch.sizes[:2] == [FIRST, FIRST]
    assert sender.size.documents > FIRST
    assert max(watch.sizes) >= FIRST + STEP
    assert stored(client, index) == sum(watch.sizes) == 12 * BATCH


def test_requests_shrink_where_the_server_pushes_back(server_url: str, client: Elasticsearch, index: str) -> None:
    watch = Watch(lambda number: wire.refusal(429, "circuit_breaking_exception", "full") if number <= 4 else None)
    sent(watch, server_url, index, 4)
    assert min(watch.sizes[2:]) <= FIRST // 2
    assert stored(client, index) == 4 * BATCH


def test_what_waits_for_a_busy_server_ends_with_its_load(server_url: str, index: str) -> None:
    """Ctrl-C in the middle of a pause of a minute."""
    asked = {"Retry-After": "60"}
    watch = Watch(lambda _: wire.elastic(429, {"error": {"type": "busy", "reason": "full"}, "status": 429}, **asked))

    def interrupted() -> Iterator[list[Outgoing]]:
        yield next(batches(1))
        while not watch.sizes:
            time.sleep(0.01)
        time.sleep(0.1)
        raise KeyboardInterrupt

    begun = time.monotonic()
    with (
        wire.proxy(server_url, watch) as url,
        connect(connection({"ELASTICSEARCH_URL": url})) as client,
        pytest.raises(KeyboardInterrupt),
    ):
        list(Sender(client, index).stream(interrupted()))
    assert time.monotonic() - begun < 10


def test_nothing_to_send_sends_nothing(server_url: str, index: str) -> None:
    watch = Watch(lambda _: None)
    sent(watch, server_url, index, 0)
    assert watch.sizes == []
