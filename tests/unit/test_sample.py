"""The sample catalogue: sound lines, photos that are what draw.py draws, queries that share no word with the text."""

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from esmm.shipped import shipped

SAMPLE = shipped("ingest/sample")
PRODUCTS = [json.loads(line) for line in (SAMPLE / "products.jsonl").read_text("utf-8").splitlines()]
BY_ID = {product["id"]: product for product in PRODUCTS}
QUERIES = json.loads((SAMPLE / "queries.json").read_text("utf-8"))
TEXT_FIELDS = ("title", "brand", "category", "gender", "description")
TYPES = {"id": str, "title": str, "brand": str, "category": str, "description": str, "price": float, "stock": int,
         "rating": float, "popularity": int, "added": str, "image": str | list}  # fmt: skip


def words(text: str) -> set[str]:
    return set(re.findall(r"[a-z0-9]+", text.lower()))


COLOURS = words(
    "red orange yellow green blue navy teal turquoise mint purple violet pink crimson scarlet burgundy brown tan beige"
    " cream khaki olive mustard black white grey gray silver gold golden gilt copper"
)
SUFFIXES = sorted(
    words("ations ation ings ing ness ment ers er ies ied est es ed ly s y e"), key=lambda s: (-len(s), s)
)


def stem(word: str) -> str:
    """Cut one ending and a doubled letter: coarser than the english analyser, so it finds more in common."""
    ending = next((end for end in SUFFIXES if word.endswith(end) and len(word) - len(end) >= 3), "")
    root = word.removesuffix(ending)
    return root[:-1] if len(root) > 3 and root[-1] == root[-2] else root


def text(product: dict[str, Any]) -> str:
    return " ".join(product.get(field, "") for field in TEXT_FIELDS)


def photos(product: dict[str, Any]) -> list[str]:
    image = product["image"]
    return image if isinstance(image, list) else [image]


def accepted(query: dict[str, Any]) -> list[dict[str, Any]]:
    wanted = query["products"]
    return [BY_ID[one] for one in ([wanted] if isinstance(wanted, str) else wanted)]


def test_products_are_about_sixty_with_ids_of_their_own() -> None:
    assert 55 <= len(PRODUCTS) == len(BY_ID)
    assert len({product["title"] for product in PRODUCTS}) == len(PRODUCTS)
    assert len({product["category"].split(" > ")[0] for product in PRODUCTS}) >= 8


@pytest.mark.parametrize("product", PRODUCTS, ids=lambda product: product["id"])
def test_each_product_has_every_field_in_its_type_and_no_colour_field(product: dict[str, Any]) -> None:
    assert product.keys() - {"gender"} == TYPES.keys()
    assert [field for field, kind in TYPES.items() if not isinstance(product[field], kind)] == []
    assert product.get("gender", "Unisex") in {"Men", "Women", "Unisex"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", product["added"])
    assert 0 < product["rating"] <= 5
    assert product["stock"] >= 0 < product["price"]


def test_photos_on_disk_are_those_of_the_products_and_open() -> None:
    named = [photo for product in PRODUCTS for photo in photos(product)]
    assert sorted(named) == sorted(f"photos/{path.name}" for path in (SAMPLE / "photos").iterdir())
    assert sum(len(photos(product)) > 1 for product in PRODUCTS) in {2, 3}
    for photo in named:
        with Image.open(SAMPLE / photo) as image:
            image.load()
            assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (224, 224))


def test_the_sample_stays_small_enough_for_the_wheel() -> None:
    files = [path for path in SAMPLE.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert sum(path.stat().st_size for path in files) < 900_000


def test_photos_are_what_the_program_draws(tmp_path: Path) -> None:
    """Every sixth of them, which takes in each module of silhouettes; versions of Pillow may differ by a little."""
    names = sorted(path.stem for path in (SAMPLE / "photos").iterdir())[::6]
    subprocess.run([sys.executable, "-B", SAMPLE / "draw.py", tmp_path, *names], check=True)  # -B: the sample ships
    assert sorted(path.stem for path in tmp_path.iterdir()) == names
    for name in names:
        drawn, kept = (
            np.asarray(Image.open(root / f"{name}.jpg"), dtype=float) for root in (tmp_path, SAMPLE / "photos")
        )
        assert np.abs(drawn - kept).mean() < 1, name


def test_no_two_photos_are_alike() -> None:
    pixels = [np.asarray(Image.open(path).reduce(4), dtype=float) for path in (SAMPLE / "photos").iterdir()]
    least = min(np.abs(a - b).mean() for i, a in enumerate(pixels) for b in pixels[:i])
    assert least > 2


def test_half_of_the_products_leave_their_colour_to_the_photo() -> None:
    silent = [product for product in PRODUCTS if not words(text(product)) & COLOURS]
    assert len(silent) >= len(PRODUCTS) / 2


@pytest.mark.parametrize("query", QUERIES["queries"], ids=lambda query: query["query"])
def test_a_query_shares_no_word_stem_with_its_product(query: dict[str, Any]) -> None:
    asked = {stem(word) for word in words(query["query"])}
    for product in accepted(query):
        assert asked & {stem(word) for word in words(text(product))} == set()


@pytest.mark.parametrize("query", QUERIES["photo_queries"], ids=lambda query: query["query"])
def test_a_photo_query_names_a_colour_that_only_the_photo_shows(query: dict[str, Any]) -> None:
    colours = words(query["query"]) & COLOURS
    siblings = Counter(product["category"] for product in PRODUCTS)
    assert colours
    for product in accepted(query):
        assert not words(text(product)) & COLOURS
        assert siblings[product["category"]] >= 2


def test_there_are_enough_queries_of_both_kinds() -> None:
    assert len(QUERIES["queries"]) >= 8
    assert len(QUERIES["photo_queries"]) >= 8
