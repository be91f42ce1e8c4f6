"""Loading beside others: ``helpers.bulk`` with float lists, the usual script, LangChain's and LlamaIndex's stores.

First with vectors ready (drawn, not encoded): nothing but sending. Then from texts to a searchable index, with the
same MiniLM on the same texts, and beside the encoder alone; the stores encode by the classes that belong to them. All
take turns in each round, so that a machine that slows down slows all; each must hold every document in the end. The
stores are measured where they are installed; they bring an older client, so an environment of their own is best:
pip install langchain-elasticsearch langchain-huggingface llama-index-vector-stores-elasticsearch
llama-index-embeddings-huggingface
"""

import argparse
import gzip
import importlib.util
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from elasticsearch import helpers

from benchmarks.common import ESCI, publish, server, table
from esmm.cli.common import Cluster
from esmm.encoders import Encoder, load_encoders
from esmm.encoders.digest import DigestEncoder
from esmm.encoders.resolve import find_model
from esmm.ingest import index
from esmm.ingest.batches import BATCH, batch_size
from esmm.ingest.bulk import Outgoing, Sender
from esmm.ingest.catalogue import Line, read
from esmm.ingest.documents import bulk_lines
from esmm.ingest.job import Job, Server, Source
from esmm.ingest.load import load
from esmm.ingest.records import Record, fitting
from esmm.ingest.vectors import VectorCache
from esmm.recipe import Recipe, parse

FIELD = "text_vector"
Step = Callable[["Bench", str], None]


@dataclass(frozen=True)
class Bench:
    """What all of them load, and where to."""

    cluster: Cluster
    recipe: Recipe
    encoder: Encoder
    catalogue: Path
    records: list[Record]

    @cached_property
    def vectors(self) -> np.ndarray:
        """The vector of each record."""
        return self.encoder.encode(self.texts)

    @cached_property
    def texts(self) -> list[str]:
        """The text of each record that is encoded."""
        return [record.passages[0][1] for record in self.records]

    @property
    def url(self) -> str:
        """The server's address."""
        return self.cluster.where.url or ""


def prepared(cluster: Cluster, encoder: Encoder, folder: Path, count: int) -> Bench:
    """Cut the catalogue to its first products."""
    folder.mkdir()
    with gzip.open(ESCI.catalogue, "rt", encoding="utf-8") as lines:
        (folder / "part.jsonl").write_text("".join(islice(lines, count)), encoding="utf-8")
    records = list(fitting((line for line in read(folder / "part.jsonl") if isinstance(line, Line)), ESCI.recipe))
    return Bench(cluster, ESCI.recipe, encoder, folder / "part.jsonl", records)


def our_index(bench: Bench, name: str) -> None:
    """Make the index of a load, with its ingest pipeline, behind the alias by which it is written."""
    client, infos = bench.cluster.client, {"text": bench.encoder.info}
    index.create(client, bench.recipe, infos, name=name, can=bench.cluster.can)
    client.indices.put_alias(index=name, name=f"{name}-writer")


def plain_index(bench: Bench, name: str) -> None:
    """Make the same index without a pipeline."""
    bench.cluster.client.indices.create(index=name, **index.index_body(bench.recipe, {"text": bench.encoder.info}))


def ours_ready(bench: Bench, name: str) -> None:
    """Send documents whose vectors are there, as a load does."""
    sender, packed = Sender(bench.cluster.client, f"{name}-writer"), bench.cluster.can.packed_vectors

    def batches() -> Iterator[list[Outgoing]]:
        for start in range(0, len(bench.records), BATCH):
            chunk = zip(bench.records[start : start + BATCH], bench.vectors[start:], strict=False)
            yield [
                Outgoing(record, bulk_lines(record, {FIELD: vector}, packed=packed, fingerprint=record.id), (FIELD,))
                for record, vector in chunk
            ]

    for _, refused in sender.stream(batches()):
        if refused:
            raise SystemExit(refused[0].reason)


def usual_ready(bench: Bench, name: str) -> None:
    """Send the same documents by helpers.bulk, vectors as lists of floats."""
    made = zip(bench.records, bench.vectors, strict=True)
    _bulk(bench, name, ((record, vector.tolist()) for record, vector in made))


def ours(bench: Bench, name: str) -> None:
    """Load from the file to the alias, with an empty vector cache."""
    recipe = parse(bench.recipe.toml.replace(f'name = "{bench.recipe.index.name}"', f'name = "{name}"'))
    with tempfile.TemporaryDirectory() as folder, VectorCache(Path(folder) / "vectors.sqlite") as cache:
        place = Server(bench.cluster.client, bench.cluster.can)
        load(Job(Source(str(bench.catalogue)), recipe, place, {"text": bench.encoder}, cache))


def usual(bench: Bench, name: str) -> None:
    """Encode a document at a time, and send float lists by helpers.bulk."""
    plain_index(bench, name)
    made = zip(bench.records, bench.texts, strict=True)
    _bulk(bench, name, ((record, bench.encoder.encode([text])[0].tolist()) for record, text in made))


def _model_folder() -> str:
    text = ESCI.recipe.text
    assert text
    return str(find_model(text.model))


@cache
def _langchain_model() -> Any:
    from langchain_huggingface import HuggingFaceEmbeddings

    return HuggingFaceEmbeddings(model_name=_model_folder())


def langchain(bench: Bench, name: str) -> None:
    """Add the texts to LangChain's store, the other fields as metadata, encoded by its own class for such models."""
    from langchain_elasticsearch import DenseVectorStrategy, ElasticsearchStore

    store = ElasticsearchStore(name, embedding=_langchain_model(), es_url=bench.url, strategy=DenseVectorStrategy())
    store.add_texts(bench.texts, [record.fields for record in bench.records], [record.id for record in bench.records])


@cache
def _llama_model() -> Any:
    from llama_index.embeddings.huggingface import HuggingFaceEmbedding

    return HuggingFaceEmbedding(model_name=_model_folder(), embed_batch_size=32)


def llama(bench: Bench, name: str) -> None:
    """Build LlamaIndex's index over its Elasticsearch store, a node a text, encoded by its own class for them."""
    from llama_index.core import StorageContext, VectorStoreIndex
    from llama_index.core.schema import TextNode
    from llama_index.vector_stores.elasticsearch import ElasticsearchStore

    store = ElasticsearchStore(index_name=name, es_url=bench.url)
    hidden = sorted({key for record in bench.records for key in record.fields})  # the text alone is encoded
    nodes = [
        TextNode(id_=record.id, text=text, metadata=record.fields, excluded_embed_metadata_keys=hidden)
        for record, text in zip(bench.records, bench.texts, strict=True)
    ]
    storage = StorageContext.from_defaults(vector_store=store)
    VectorStoreIndex(nodes, storage_context=storage, embed_model=_llama_model())
    store.close()


def encoder_alone(bench: Bench, _: str) -> None:
    """Encode the same batches and store nothing."""
    size = batch_size(["text"])
    for start in range(0, len(bench.texts), size):
        bench.encoder.encode(list(dict.fromkeys(bench.texts[start : start + size])))


NOTHING: Step = lambda *_: None  # noqa: E731
# What is made before the clock starts, and what is timed.
READY: dict[str, tuple[Step, Step]] = {
    "esmm": (our_index, ours_ready),
    "helpers.bulk, float lists": (plain_index, usual_ready),
}
WHOLE: dict[str, tuple[Step, Step]] = {
    "esmm ingest": (NOTHING, ours),
    "the encoder alone": (NOTHING, encoder_alone),
    "a document at a time, helpers.bulk": (NOTHING, usual),
    "langchain-elasticsearch": (NOTHING, langchain),
    "llama-index-vector-stores-elasticsearch": (NOTHING, llama),
}
NEEDS: dict[Step, str] = {langchain: "langchain_elasticsearch", llama: "llama_index"}


def _bulk(bench: Bench, name: str, made: Iterable[tuple[Record, list[float]]]) -> None:
    actions = ({"_index": name, "_id": record.id, **record.fields, FIELD: vector} for record, vector in made)
    helpers.bulk(bench.cluster.client, actions)


@contextmanager
def _fresh(bench: Bench) -> Iterator[str]:
    """Yield a name; remove all that was made under it."""
    client, name = bench.cluster.client, f"bench-{uuid.uuid4().hex[:8]}"
    yield name
    for made in client.indices.get(index=f"{name}*", allow_no_indices=True):
        index.drop(client, made)


def timed(bench: Bench, prepare: Step, step: Step) -> float:
    """Return documents a second. SystemExit if one is missing in the end."""
    with _fresh(bench) as name:
        prepare(bench, name)
        begun = time.perf_counter()
        step(bench, name)
        spent = time.perf_counter() - begun
        if step is not encoder_alone:
            bench.cluster.client.indices.refresh(index=f"{name}*")
            if (held := bench.cluster.client.count(index=f"{name}*")["count"]) != len(bench.records):
                raise SystemExit(f"{step.__name__} stored {held} of {len(bench.records)}")
    return len(bench.records) / spent


def compared(bench: Bench, warm: Bench, steps: dict[str, tuple[Step, Step]], rounds: int) -> list[list[str]]:
    """Run all in turn; return rates as medians, and how many times faster the first is."""
    there = {name: pair for name, pair in steps.items() if importlib.util.find_spec(NEEDS.get(pair[1], "esmm"))}
    rates: dict[str, list[float]] = {name: [] for name in there}
    for pair in there.values():
        timed(warm, *pair)
    for number in range(rounds):
        for name, pair in there.items():
            rates[name].append(timed(bench, *pair))
            print(f"round {number}: {name}: {rates[name][-1]:.0f}/s", file=sys.stderr, flush=True)
    first, *others = there
    rows = [[first, f"{median(rates[first]):,.0f}", ""]]
    rows += [[name, f"{median(rates[name]):,.0f}", _ratio(rates[first], rates[name])] for name in others]
    return rows + [[name, "not installed", ""] for name in steps if name not in there]


def _ratio(mine: Sequence[float], theirs: Sequence[float]) -> str:
    ratios = sorted(one / other for one, other in zip(mine, theirs, strict=True))
    return f"{median(ratios):.2f} [{ratios[0]:.2f}, {ratios[-1]:.2f}]"


def main() -> None:
    """Measure and publish."""
    asked = argparse.ArgumentParser()
    for name, default in (("ready", 4000), ("whole", 6764), ("ready-rounds", 7), ("rounds", 3)):
        asked.add_argument(f"--{name}", type=int, default=default)
    args = asked.parse_args()
    cluster, tables = server(), list[str]()
    encoders, _ = load_encoders(ESCI.recipe)
    parts = (
        (args.ready, DigestEncoder(384), READY, args.ready_rounds),
        (args.whole, encoders["text"], WHOLE, args.rounds),
    )
    for count, encoder, steps, rounds in parts:
        with tempfile.TemporaryDirectory() as folder:
            bench = prepared(cluster, encoder, Path(folder) / "all", count)
            rows = compared(bench, prepared(cluster, encoder, Path(folder) / "warm", 8), steps, rounds)
        what = "vectors ready" if steps is READY else "from texts"
        header = (f"{count:,} esci products, {what}", "products/s", f"esmm is faster: median [least, most] of {rounds}")
        tables.append(table(header, rows))
    notes = (
        f"Python client {version('elasticsearch')}; vectors of 384 numbers, drawn where ready, else by MiniLM. "
        "``esmm ingest`` also checks each line, verifies the index and moves the alias; all make their index first."
    )
    publish("loading", "Loading beside others", tables, notes=notes)


if __name__ == "__main__":
    main()
