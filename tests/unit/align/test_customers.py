"""Judged photos as further photos of the products that they show."""

import pytest

from esmm.align.customers import by_product
from esmm.errors import AlignError


def test_a_photo_shows_the_product_of_the_highest_gain() -> None:
    gains = {"1.jpg": {"a": 1.0, "b": 0.3}, "2.jpg": {"a": 0.5}, "3.jpg": {"b": 2.0, "a": 0.0}}
    assert by_product(gains, "j.tsv") == {"a": ("1.jpg", "2.jpg"), "b": ("3.jpg",)}


def test_photos_of_look_alikes_and_of_nothing_are_left_out() -> None:
    gains = {"1.jpg": {"a": 1.0, "b": 1.0}, "2.jpg": {"a": 0.0}, "3.jpg": {"c": 1.0}}
    assert by_product(gains, "j.tsv") == {"c": ("3.jpg",)}


def test_no_photo_left_is_one_sentence() -> None:
    with pytest.raises(AlignError, match=r"j\.tsv names no photo with one best product, of 1 judged photos") as caught:
        by_product({"1.jpg": {"a": 1.0, "b": 1.0}}, "j.tsv")
    assert "the id of the product" in caught.value.hint
