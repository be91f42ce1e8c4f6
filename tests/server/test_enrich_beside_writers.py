"""A shop that writes all the time while its index is enriched: nothing of it is lost, and the vectors follow."""

import random
import threading
from dataclasses import replace
from pathlib import Path
from types import TracebackType

import pytest
import shop
from elasticsearch import Elasticsearch, helpers

from esmm.cluster import Capabilities
from esmm.encoders import load_encoders
from esmm.enrich.job import Job
from esmm.enrich.remove import remove
from esmm.enrich.run import enrich
from esmm.enrich.verify import survey
from esmm.ingest.vectors import VectorCache
from esmm.recipe import Recipe

COUNT = 700


class Writer:
    """The shop's own indexer, in a thread: new prices, new titles, whole documents anew, deletions, new products.

    ``truth`` holds what it wrote last, by id.
    """

    def __init__(self, client: Elasticsearch, index: str) -> None:
        self.truth = {p.pop("id"): p for p in shop.products(COUNT)}
        self.writes = 0
        self._client, self._index = client, index
        self._random, self._stop = random.Random(3), threading.Event()
        self._thread = threading.Thread(target=self._work)
        self._fault: Exception | None = None
        actions = [{"_index": index, "_id": key, "_source": source} for key, source in self.truth.items()]
        helpers.bulk(client, actions, refresh=True)

    def _work(self) -> None:
        try:
            while not self._stop.is_set():
                self._write()
                self.writes += 1
        except Exception as fault:  # raised again where the test ends
            self._fault = fault

    def _write(self) -> None:
        how = self._random.choice(("price", "price", "title", "whole", "gone", "new"))
        key, client, index = self._random.choice(sorted(self.truth)), self._client, self._index
        if how == "price":
            self._partly(key, {"price": self._random.random()})
        elif how == "title":
            self._partly(key, {"title": f"changed {self._random.random()}"})
        elif how == "gone":
            client.delete(index=index, id=key)
            del self.truth[key]
        else:
            key = key if how == "whole" else f"new{self.writes}"
            self.truth[key] = {"title": f"{how} {self._random.random()}", "price": 1.0}
            client.index(index=index, id=key, document=self.truth[key])

    def _partly(self, key: str, change: dict[str, object]) -> None:
        self.truth[key] = self.truth[key] | change
        self._client.update(index=self._index, id=key, doc=change, retry_on_conflict=5)

    def __enter__(self) -> "Writer":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        if self._fault:
            raise self._fault


@pytest.fixture
def job(client: Elasticsearch, recipe: Recipe) -> Job:
    text = recipe.model_copy(update={"image": None})
    return Job(client, text, load_encoders(text)[0], docs_per_second=400)


def stored(client: Elasticsearch, index: str, can: Capabilities) -> dict[str, dict[str, object]]:
    client.indices.refresh(index=index)
    whole = {"exclude_vectors": False} if can.version >= (9, 2, 0) else True
    body = {"size": 9000, "_source": whole}
    return {hit["_id"]: hit["_source"] for hit in client.search(index=index, body=body)["hits"]["hits"]}


def without_ours(found: dict[str, dict[str, object]]) -> dict[str, dict[str, object]]:
    ours = ("text_vector", "esmm")
    return {key: {name: value for name, value in source.items() if name not in ours} for key, source in found.items()}


@pytest.mark.usefixtures("painless")
def test_a_shop_that_writes_meanwhile(
    client: Elasticsearch, alias: str, job: Job, can: Capabilities, tmp_path: Path
) -> None:
    client.indices.create(index=alias, settings={"number_of_shards": 2})
    writer = Writer(client, alias)
    with VectorCache(tmp_path / "vectors.sqlite") as cache:
        with writer:
            first = enrich(job, cache)
        assert writer.writes > 50
        assert first.stored > COUNT / 2
        found = stored(client, alias, can)
        assert without_ours(found) == writer.truth

        last = enrich(job, cache)
    assert (last.conflicts, last.gone) == (0, 0)
    found = stored(client, alias, can)
    assert without_ours(found) == writer.truth
    keys = sorted(writer.truth)
    made = job.encoders["text"].encode([f"{writer.truth[key]['title']}" for key in keys])
    for key, vector in zip(keys, made, strict=True):
        assert found[key]["text_vector"] == pytest.approx(vector.tolist(), abs=1e-6), key
    looked = survey(job)
    assert (looked.to_do, looked.wrong, looked.states["current"]) == (0, 0, len(writer.truth))

    assert remove(replace(job, docs_per_second=None), can).conflicts == 0
    assert stored(client, alias, can) == writer.truth
