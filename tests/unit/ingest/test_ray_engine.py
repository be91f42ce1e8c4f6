"""What a worker of Ray does with what it is sent; Ray itself is tested in tests/cli/test_ray.py."""

from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
import shop

from esmm.encoders import load_encoder
from esmm.errors import EncoderError
from esmm.ingest.ray_engine import Worker
from esmm.recipe import parse

VECTORS = parse(
    """
[index]
name = "shop"
[fields]
title = { type = "text", embed = 1 }
image = { type = "photo" }
[text]
model = "digest-32"
[image]
model = "digest-16"
"""
).vectors()


def test_texts_get_the_vectors_of_the_encoder() -> None:
    encoder = load_encoder(VECTORS["text"])
    made = Worker(VECTORS["text"], "auto", encoder.info)({"key": ["00", "ff00"], "content": ["red", "shoe"]})
    assert made["key"] == ["00", "ff00"]
    assert np.array_equal(made["vector"], encoder.encode(["red", "shoe"]))


def test_a_photo_that_cannot_be_decoded_is_left_out() -> None:
    encoder, file = load_encoder(VECTORS["image"]), BytesIO()
    shop.photo(7).save(file, "PNG")
    made = Worker(VECTORS["image"], "auto", encoder.info)(
        {"key": ["aa", "bb"], "content": [b"no photo", file.getvalue()]}
    )
    assert made["key"] == ["bb"]
    assert np.array_equal(made["vector"], encoder.encode([shop.photo(7)]))


def test_a_worker_with_another_model_is_refused() -> None:
    info = replace(load_encoder(VECTORS["text"]).info, revision="2")
    with pytest.raises(
        EncoderError, match=r"a Ray worker has digest-32 \(1, 32 dims\) where the load has digest-32 \(2"
    ):
        Worker(VECTORS["text"], "auto", info)
