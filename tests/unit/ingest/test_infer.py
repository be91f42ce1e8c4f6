"""Guessing a recipe from products."""

import re
from typing import Any

import pytest

from esmm.errors import CatalogueError
from esmm.ingest.infer import DEFAULT_FIELDS, infer_recipe, recipe_text
from esmm.recipe import Recipe, parse

LONG = "A very long description that goes on about the product for many more words than a title or category ever would."


def products(**columns: Any) -> list[dict[str, Any]]:
    """Return products; a column is a value, or a function of the product's number."""
    return [
        {"id": f"p{n}"} | {name: made(n) if callable(made) else made for name, made in columns.items()}
        for n in range(60)
    ]


def guessed(rows: list[dict[str, Any]], name: str = "shop") -> Recipe:
    return parse(infer_recipe(rows, name=name))


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        ("price", 9.5, "double"),
        ("price", "9.5", "double"),
        ("stock", 3, "long"),
        ("stock", "-3", "long"),
        ("mixed", lambda n: [1, 1.5][n % 2], "double"),
        ("sold", True, "boolean"),
        ("sold", "false", "boolean"),
        ("added", "2024-01-31", "date"),
        ("added", "2024-01-31T10:20:30Z", "date"),
        ("code", "00123", "text"),
        ("url", "https://shop.example/p", "keyword"),
        ("front", "a/b.JPG", "photo"),
        ("front", "https://shop.example/p.png?w=3", "photo"),
        ("front", ["a.jpg", "b.jpg"], "photo"),
        ("front", "data:image/png;base64,AAAA", "photo"),
        ("photo", "A" * 600, "photo"),
        ("photo", "yes", "text"),
    ],
)
def test_the_type_of_a_field(name: str, value: Any, kind: str) -> None:
    assert guessed(products(title="t", **{name: value})).fields[name].type == kind


def test_the_parts_that_texts_play() -> None:
    fields = guessed(
        products(
            product_name=lambda n: f"Shoe {n}",
            brand=lambda n: f"Maker {n}",
            colour=lambda n: ["red", "blue"][n % 2],
            series=lambda n: f"series {n}",
            about=LONG,
        )
    ).fields
    assert (fields["product_name"].boost, fields["product_name"].embed) == (3, 1)
    assert (fields["brand"].boost, fields["brand"].facet) == (2, True)
    assert fields["colour"].facet
    assert not fields["series"].facet
    assert (fields["about"].embed, fields["about"].facet) == (0.5, False)


def test_objects_and_empty_columns_are_left_out() -> None:
    assert guessed(products(title="t", maker={"name": "x"}, nothing=None, blank="", none=[])).fields.keys() == {"title"}


def test_without_photos_or_texts_the_parts_are_left_out() -> None:
    assert guessed(products(title="t")).image is None
    assert guessed(products(title="t", front="a.jpg")).image is not None


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([{"title": "a", "sku": "1", "id": "x"}, {"title": "b", "sku": "2", "id": "x"}], "sku"),
        ([{"title": "a", "SKU": "1", "asin": "x"}, {"title": "b", "SKU": "2", "asin": "y"}], "SKU"),
        ([{"title": "a", "nr": 1}, {"title": "a", "nr": 2}], "nr"),
        ([{"title": "a", "id": "1", "nr": 1}, {"title": "a", "nr": 2}], "nr"),
    ],
)
def test_the_id_is_there_in_every_product_with_another_value(rows: list[dict[str, Any]], expected: str) -> None:
    assert guessed(rows).index.id == expected


def test_no_field_could_be_the_id() -> None:
    with pytest.raises(CatalogueError, match="no field could be the id") as caught:
        infer_recipe([{"title": "a"}, {"title": "a"}], name="shop")
    assert "index.id" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "index"), [("My Shop 2024", "my-shop-2024"), ("Ünïcode", "n-code"), ("靴", "products"), ("_-x-_", "x")]
)
def test_the_index_name_is_one_that_elasticsearch_takes(name: str, index: str) -> None:
    assert guessed(products(title="t"), name).index.name == index


@pytest.mark.parametrize("name", ['a "b"', "a.b", "ü", "a b", "back\\slash"])
def test_odd_field_names_stay(name: str) -> None:
    assert name in guessed(products(title="t", **{name: "x"})).fields


def test_the_commented_default_is_a_sound_recipe_and_shows_the_true_defaults() -> None:
    text = recipe_text(DEFAULT_FIELDS, name="products", id_field="id")
    recipe = parse(text)
    assert recipe.vectors().keys() == {"text", "image"}
    settings = re.compile(r"^# (\[\w+\]|\w+ = )", re.MULTILINE)
    without_default = re.compile(r"^# (weights|dims|space|photos|saturation) = ", re.MULTILINE)
    shown = parse(settings.sub(r"\1", without_default.sub(r"## \1 = ", text)))
    assert shown.model_dump() == recipe.model_dump()
    assert shown.model_fields_set > recipe.model_fields_set


def test_a_few_spoilt_lines_change_no_guess() -> None:
    products: list[dict[str, Any]] = [{"sku": f"S{n}", "name": f"Shoe {n}", "price": n / 2} for n in range(30)]
    products[3]["sku"] = None
    products[4]["sku"] = "S5"
    products[5]["price"] = "cheap"
    guessed = parse(infer_recipe(products, name="shoes"))
    assert guessed.index.id == "sku"
    assert guessed.fields["price"].type == "double"
