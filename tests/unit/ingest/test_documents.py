"""Bulk lines and means of vectors, against numpy and the client's own packing."""

import base64
import json
from typing import Any

import numpy as np
import pytest

from esmm.ingest.documents import bulk_lines, pack, weighted_mean
from esmm.ingest.records import Record


def unit(*numbers: float) -> Any:
    vector = np.array(numbers, dtype=np.float32)
    return vector / np.linalg.norm(vector)


def test_the_mean_of_unit_vectors_by_weight() -> None:
    mean = weighted_mean([(3.0, unit(1, 0)), (4.0, unit(0, 1))])
    assert mean is not None
    assert mean.dtype == np.float32
    np.testing.assert_allclose(mean, [0.6, 0.8], atol=1e-6)


def test_one_vector_is_its_own_mean() -> None:
    mean = weighted_mean([(0.5, unit(1, 2))])
    assert mean is not None
    np.testing.assert_allclose(mean, unit(1, 2), atol=1e-6)


def test_no_mean() -> None:
    assert weighted_mean([]) is None
    assert weighted_mean([(1.0, unit(1, 0)), (1.0, unit(-1, 0))]) is None, "a zero vector is refused by Elasticsearch"


def test_packed_vectors_are_big_endian_floats() -> None:
    vector = unit(1, -2, 3)
    assert np.frombuffer(base64.b64decode(pack(vector)), dtype=">f4").tolist() == vector.tolist()


def test_packed_vectors_are_those_of_the_client() -> None:
    helpers = pytest.importorskip("elasticsearch.helpers")
    if not hasattr(helpers, "pack_dense_vector"):
        pytest.skip("this client does not pack vectors")
    assert pack(unit(1, -2, 3)) == helpers.pack_dense_vector(unit(1, -2, 3))


@pytest.mark.parametrize("packed", [True, False])
def test_the_two_lines_of_a_document(packed: bool) -> None:
    record = Record('a "b"', {"title": "x", "gone": None, "n": [1]}, (), (), "s", 1)
    vector = unit(1, 1)
    lines = bulk_lines(record, {"v": vector}, packed=packed, fingerprint="f").decode().splitlines()
    action, document = map(json.loads, lines)
    assert action == {"index": {"_id": 'a "b"'}}
    assert document.pop("v") == (pack(vector) if packed else pytest.approx(vector.tolist()))
    assert document == {"title": "x", "n": [1], "esmm": {"fingerprint": "f"}}
