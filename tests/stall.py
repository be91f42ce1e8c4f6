"""A market stall: a small index with every kind of field that a shop's query may use, and vectors beside them."""

from typing import Any

import numpy as np
import pytest
from elasticsearch import Elasticsearch, helpers

from esmm.cluster import capabilities
from esmm.query.clauses import VectorClause

Json = dict[str, Any]
COUNT = 60
COLOURS = ("red", "blue", "green", "black")
THINGS = ("shirt", "shoe", "lamp", "kettle", "scarf")
BRANDS = ("Quenby", "Luneva", "Ostra")
DIMS = {"text_vector": 8, "image_vector": 4}


def _vector(dims: int) -> Json:
    return {
        "type": "dense_vector",
        "dims": dims,
        "index": True,
        "similarity": "cosine",
        "index_options": {"type": "int8_hnsw"},
    }


MAPPINGS: Json = {
    "properties": {
        "title": {"type": "text"},
        "body": {"type": "text"},
        "brand": {"type": "keyword"},
        "price": {"type": "double"},
        "stock": {"type": "integer"},
        "since": {"type": "date"},
        "spot": {"type": "geo_point"},
        "reviews": {"type": "nested", "properties": {"words": {"type": "text"}, "stars": {"type": "integer"}}},
        "kin": {"type": "join", "relations": {"product": "offer"}},
        "terms": {"type": "text"},
        "shop": {"type": "keyword"},
        **{field: _vector(dims) for field, dims in DIMS.items()},
    }
}


def _unit(draw: np.random.Generator, dims: int) -> list[float]:
    vector = draw.standard_normal(dims)
    return [round(float(each), 6) for each in vector / np.linalg.norm(vector)]


def products() -> dict[str, Json]:
    """Every product has two reviews and two offers; every seventh has no photo vector."""
    draw, made = np.random.default_rng(3), {}
    for number in range(COUNT):
        made[f"p{number}"] = {
            "title": f"{COLOURS[number % 4]} {THINGS[number % 5]}",
            "body": " ".join(draw.choice([*COLOURS, *THINGS, "fine", "old"], int(draw.integers(3, 12)))),
            "brand": BRANDS[number % 3],
            "price": number + 0.5,
            "stock": number % 6,
            "since": f"2024-{number % 12 + 1:02}-10",
            "spot": {"lat": number % 10, "lon": number % 7},
            "reviews": [{"words": f"good {THINGS[n % 5]}", "stars": n % 5} for n in (number, number * 3)],
            "kin": "product",
            "text_vector": _unit(draw, 8),
        } | ({"image_vector": _unit(draw, 4)} if number % 7 else {})
    return made


def offers() -> dict[str, Json]:
    return {
        f"o{number}": {
            "terms": f"{COLOURS[number % 4]} parcel",
            "shop": "ab"[number % 2],
            "kin": {"name": "offer", "parent": f"p{number // 2}"},
        }
        for number in range(2 * COUNT)
    }


def build(client: Elasticsearch, index: str, *, shards: int = 1) -> None:
    """Make the index and fill it; skip the test where the server cannot hold it."""
    if not {"parent-join", "lang-painless"} <= capabilities(client).modules:
        pytest.skip("this server has no join fields and no painless scripts, which the queries of this stall use")
    settings = {"number_of_shards": shards, "number_of_replicas": 0}
    client.indices.create(index=index, settings=settings, mappings=MAPPINGS)
    parents = [{"_index": index, "_id": name, "_source": source} for name, source in products().items()]
    children = [
        {"_index": index, "_id": name, "routing": source["kin"]["parent"], "_source": source}
        for name, source in offers().items()
    ]
    helpers.bulk(client, [*parents, *children], refresh=True)


def clauses() -> list[VectorClause]:
    """The vectors of a question, the same ones each time."""
    draw = np.random.default_rng(11)
    return [VectorClause(field.removesuffix("_vector"), field, _unit(draw, dims)) for field, dims in DIMS.items()]
