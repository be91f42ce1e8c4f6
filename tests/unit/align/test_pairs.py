"""From catalogues to pairs: what they hold, and each way in which there can be too few."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shop

from esmm.align.pairs import LEAST, Catalogue, Pairs, read_pairs
from esmm.errors import AlignError
from esmm.ingest.job import Source
from esmm.recipe import Recipe, parse

from .conftest import RECIPE

COUNT = 20


def recipe(text: str = RECIPE) -> Recipe:
    return parse(text, source="tiny.toml")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twenty products, each with a photo of its own colour."""
    shop.write(tmp_path / "c.jsonl", shop.products(COUNT))
    shop.write_photos(tmp_path, COUNT)
    return tmp_path


def read(folder: Path, *, text: str = RECIPE, limit: int | None = None) -> Pairs:
    catalogue = Catalogue(Source(str(folder / "c.jsonl")), recipe(text))
    return read_pairs([catalogue], folder / "photos.u8", side=16, limit=limit)


def refused(folder: Path, **given: Any) -> AlignError:
    with pytest.raises(AlignError) as caught:
        read(folder, **given)
    assert caught.value.hint
    return caught.value


def test_pairs_hold_photos_and_captions_in_the_order_of_the_catalogue(folder: Path) -> None:
    pairs = read(folder)
    assert pairs.photos.shape == (COUNT, 16, 16, 4)
    assert pairs.photos.dtype == np.uint8
    assert pairs.catalogue == [0] * COUNT
    for number in range(COUNT):
        colour = shop.photo(number).getpixel((0, 0))
        assert tuple(int(value) for value in pairs.photos[number, 8, 8, :3]) == colour
        assert pairs.captions[number][0].split()[:2] == shop.product(number)["title"].split()[:2]
    assert (pairs.photos[..., 3] == 255).all()  # the photos have no plain ground


def test_the_limit_holds_for_each_catalogue(folder: Path) -> None:
    shop.write(folder / "d.jsonl", shop.products(COUNT)[::-1])
    sources = [Catalogue(Source(str(folder / name)), recipe()) for name in ("c.jsonl", "d.jsonl")]
    pairs = read_pairs(sources, folder / "photos.u8", side=16, limit=17)
    assert pairs.catalogue == [0] * 17 + [1] * 17
    assert len(pairs.photos) == len(pairs.captions) == 34
    assert pairs.captions[17][0].startswith("green scarf")


def test_photos_by_customers_are_further_photos_of_their_products(folder: Path) -> None:
    customers = {"p3": ("photos/0.png", "photos/1.png"), "p5": ("photos/none.png",), "p99": ("photos/2.png",)}
    catalogue = Catalogue(Source(str(folder / "c.jsonl")), recipe(), customers)
    pairs = read_pairs([catalogue], folder / "photos.u8", side=16)
    assert (len(pairs.captions), pairs.customers) == (COUNT + 2, 2)
    assert str(pairs).startswith(f"{COUNT + 2} pairs, with 2 of 4 judged photos by customers; 1 photos cannot be used")
    assert "photos/none.png" in str(pairs)
    assert pairs.captions[3] == pairs.captions[4] == pairs.captions[5]
    np.testing.assert_array_equal(pairs.photos[4], pairs.photos[0])
    np.testing.assert_array_equal(pairs.photos[5], pairs.photos[1])


@pytest.mark.parametrize(
    ("customers", "why"),
    [({"p3": ("photos/none.png",)}, "photos/none.png"), ({"p99": ("photos/2.png",)}, "c.jsonl lacks their products")],
)
def test_judged_photos_of_which_none_can_be_used_are_refused(
    folder: Path, customers: dict[str, tuple[str]], why: str
) -> None:
    catalogue = Catalogue(Source(str(folder / "c.jsonl")), recipe(), customers)
    with pytest.raises(AlignError, match="none of the 1 judged photos by customers can be used") as caught:
        read_pairs([catalogue], folder / "photos.u8", side=16)
    assert why in caught.value.message
    assert "--photos" in caught.value.hint


def test_each_photo_of_a_product_is_a_pair(folder: Path) -> None:
    shop.write(folder / "c.jsonl", [shop.product(n, image=[f"photos/{n}.png", "photos/0.png"]) for n in range(COUNT)])
    pairs = read(folder)
    assert len(pairs.captions) == 2 * COUNT
    assert pairs.captions[6] == pairs.captions[7]
    assert not np.array_equal(pairs.photos[6], pairs.photos[7])
    np.testing.assert_array_equal(pairs.photos[7], pairs.photos[0])


def test_broken_lines_photos_and_products_without_words_are_left_out(folder: Path) -> None:
    lines: list[Any] = shop.products(COUNT)
    lines[1] = "{no json"
    lines[2] = {"id": "p2", "image": "photos/2.png"}
    lines[3]["image"] = "photos/none.png"
    shop.write(folder / "c.jsonl", lines)
    pairs = read(folder)
    assert len(pairs.captions) == COUNT - 3
    assert str(pairs).startswith(f"{COUNT - 3} pairs; 1 photos cannot be used (the first: 'photos/none.png' is not in")
    assert tuple(int(value) for value in pairs.photos[1, 8, 8, :3]) == shop.photo(4).getpixel((0, 0))


@pytest.mark.parametrize(
    ("old", "new", "lacking"),
    [
        ('[text]\nmodel = "digest-32"\n', "", "no [text]"),
        ('image = { type = "photo" }', 'image = { type = "keyword" }', "no field of type photo"),
    ],
)
def test_a_recipe_without_words_or_photos(folder: Path, old: str, new: str, lacking: str) -> None:
    assert old in RECIPE
    text = RECIPE.replace(old, new).replace("embed = 1", "embed = 1" if new else "boost = 1")
    assert refused(folder, text=text).message == f"tiny.toml has {lacking}, so there are no pairs of photo and text"


def test_one_product_only(folder: Path) -> None:
    shop.write(folder / "c.jsonl", shop.products(1))
    message = refused(folder).message
    assert message.startswith(f"{folder / 'c.jsonl'} gives 1 pairs of photo and text, and a training needs {LEAST}")


def test_all_photos_broken(folder: Path) -> None:
    for photo in (folder / "photos").iterdir():
        photo.write_bytes(photo.read_bytes()[:30])
    message = refused(folder).message
    assert "gives 0 pairs" in message
    assert f"{COUNT} photos cannot be used (the first: " in message
    assert "0.png" in message


def test_all_photos_missing_names_the_first(folder: Path) -> None:
    (folder / "photos").rename(folder / "elsewhere")
    error = refused(folder)
    assert "photos/0.png" in error.message
    assert "--photos" in error.hint


def test_products_that_lack_a_photo_are_counted(folder: Path) -> None:
    shop.write(folder / "c.jsonl", [{"id": str(n), "title": "red shoe"} for n in range(30)] + shop.products(10))
    assert refused(folder).message.endswith(
        "gives 10 pairs of photo and text, and a training needs 16: 30 products lack a photo or a text"
    )


def test_a_second_catalogue_is_checked_too(folder: Path) -> None:
    shop.write(folder / "d.jsonl", shop.products(3))
    sources = [Catalogue(Source(str(folder / name)), recipe()) for name in ("c.jsonl", "d.jsonl")]
    with pytest.raises(AlignError, match=r"d\.jsonl gives 3 pairs"):
        read_pairs(sources, folder / "photos.u8", side=16)


def test_just_enough(folder: Path) -> None:
    assert len(read(folder, limit=LEAST).captions) == LEAST
    assert "gives 15 pairs" in refused(folder, limit=LEAST - 1).message
