"""Which strategy works on a server under its present licence: ``python -m benchmarks.probe URL`` prints it as JSON."""

import json
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

from elasticsearch import Elasticsearch

from esmm.cluster import Capabilities, capabilities, connect, connection, named_errors
from esmm.errors import EsmmError, Incompatible, QueryError
from esmm.query import client_side
from esmm.query.clauses import VectorClause
from esmm.query.fusion import Fusion
from esmm.query.parts import Parts
from esmm.query.strategies import STRATEGIES
from esmm.query.upgrade import Options, upgrade_body
from esmm.recipe import Search

WORKS = "works"
QUERY = {"match": {"title": "shoe"}}
TEXT, PHOTO = VectorClause("text", "text_vector", [1.0, 0.0]), VectorClause("image", "image_vector", [0.6, 0.8])
FUSION = Fusion({"keyword": 1.0, "text": 1.0, "image": 1.0}, 0.5)
# By the three clauses in turn; only "best" pleases all of them, and "unsaid" has no word in common with the query.
PRODUCTS = {
    "best": ("shoe", [1.0, 0.0], [0.6, 0.8]),
    "word": ("shoe", [0.0, 1.0], [-0.6, -0.8]),
    "unsaid": ("boot", [0.9, 0.1], [0.6, 0.7]),
    "neither": ("lamp", [-1.0, 0.0], [0.0, -1.0]),
}


def probe(url: str) -> dict[str, Any]:
    """Return the versions of server and client, the licence, and for each strategy ``works`` or why it does not."""
    where = connection({}, url=url)
    with connect(where) as client, named_errors(where):
        can = capabilities(client)
        with _index(client) as name:
            found = {strategy: _tried(strategy, client, name, can) for strategy in (*STRATEGIES, "client")}
    return {"version": str(can), "client": version("elasticsearch"), "licence": can.licence, "strategies": found}


@contextmanager
def _index(client: Elasticsearch) -> Iterator[str]:
    name = f"probe-{uuid.uuid4().hex[:12]}"
    vector = {"type": "dense_vector", "dims": 2, "similarity": "cosine", "index_options": {"type": "int8_hnsw"}}
    fields = {"title": {"type": "text"}, "text_vector": vector, "image_vector": vector}
    client.indices.create(index=name, mappings={"properties": fields}, settings={"number_of_replicas": 0})
    try:
        for product, values in PRODUCTS.items():
            client.index(index=name, id=product, document=dict(zip(fields, values, strict=True)), refresh=True)
        yield name
    finally:
        client.indices.delete(index=name)


def _tried(strategy: str, client: Elasticsearch, index: str, can: Capabilities) -> str:
    run: Callable[..., list[str]] = _fused_here if strategy == "client" else _fused_there
    try:
        ids = run(strategy, client, index, can)
    except (Incompatible, QueryError) as refusal:
        return refusal.message.partition(": ")[2] or refusal.message
    return WORKS if ids[0] == "best" and "unsaid" in ids else f"wrong order: {', '.join(ids)}"


def _fused_there(strategy: str, client: Elasticsearch, index: str, can: Capabilities) -> list[str]:
    options = Options(strategy=strategy)  # type: ignore[arg-type]
    made = upgrade_body({"query": QUERY}, [TEXT, PHOTO], FUSION, limits=Search(), can=can, options=options)
    answer = client.search(index=index, body=made.body, include_named_queries_score=True)
    return [hit["_id"] for hit in answer["hits"]["hits"]]


def _fused_here(_: str, client: Elasticsearch, index: str, can: Capabilities) -> list[str]:
    parts = Parts(QUERY, {}, (TEXT, PHOTO), FUSION, Search(), can)
    return [hit.id for hit in client_side.search(client, index, parts)]


if __name__ == "__main__":
    try:
        print(json.dumps(probe(sys.argv[1])))
    except EsmmError as fault:
        sys.exit(str(fault))
