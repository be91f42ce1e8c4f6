"""The encoder without meaning."""

import numpy as np
from PIL import Image

from esmm.encoders.digest import DigestEncoder


def test_equal_input_gives_equal_vectors_and_other_input_unrelated_ones() -> None:
    rows = DigestEncoder(512).encode(["red", "blue", "red"])
    assert rows.shape == (3, 512)
    assert rows.dtype == np.float32
    np.testing.assert_array_equal(rows[0], rows[2])
    assert abs(float(rows[0] @ rows[1])) < 0.3
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)


def test_photos_are_told_by_their_pixels() -> None:
    red, blue = Image.new("RGB", (4, 4), "red"), Image.new("RGB", (4, 4), "blue")
    rows = DigestEncoder(8).encode([red, blue, red.copy()])
    np.testing.assert_array_equal(rows[0], rows[2])
    assert not np.array_equal(rows[0], rows[1])


def test_nothing_in_nothing_out() -> None:
    assert DigestEncoder(8).encode([]).shape == (0, 8)


def test_who_made_it() -> None:
    info = DigestEncoder(8).info
    assert (info.id, info.dims, info.takes) == ("digest-8", 8, ("text", "photo"))
    assert info.space != DigestEncoder(9).info.space
