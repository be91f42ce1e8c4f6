"""Catalogue lines checked against a recipe."""

from typing import Any

import pytest

from esmm.ingest.documents import bulk_lines
from esmm.ingest.records import BadRecord, Record, record_of, value_of
from esmm.recipe import parse

RECIPE = parse("""
[index]
name = "shop"
id = "sku"
[fields]
title = { type = "text", embed = 1 }
tags = { type = "keyword", embed = 0.5 }
note = { type = "text", embed = 1 }
stock = { type = "long" }
price = { type = "double" }
new = { type = "boolean" }
added = { type = "date" }
front = { type = "photo" }
"maker.name" = { type = "text", embed = 0.5 }
[text]
[image]
""")


def record(**fields: Any) -> Record:
    return record_of({"sku": "a"} | fields, RECIPE, source="shop.jsonl", number=7)


def reason(**fields: Any) -> str:
    with pytest.raises(BadRecord) as caught:
        record(**fields)
    return str(caught.value)


def test_a_whole_product() -> None:
    made = record(
        title="Red shoe",
        tags=["a", "b"],
        note="Soft.",
        stock="3",
        front=["1.jpg", "2.jpg"],
        extra=1,
        maker={"name": "M"},
    )
    assert (made.id, made.source, made.number) == ("a", "shop.jsonl", 7)
    assert made.photos == ("1.jpg", "2.jpg")
    assert list(made.passages) == [(1, "Red shoe. Soft."), (0.5, "a. b. M")]
    assert made.fields["stock"] == 3
    assert made.fields["extra"] == 1


@pytest.mark.parametrize(
    ("field", "given", "stored"),
    [
        ("title", 501, "501"),
        ("title", ["a", None, "b"], ["a", "b"]),
        ("tags", 7, "7"),
        ("stock", "12", 12),
        ("stock", 12.0, 12),
        ("stock", -(2**63), -(2**63)),
        ("stock", ["1", 2], [1, 2]),
        ("price", "1.5", 1.5),
        ("price", 3, 3.0),
        ("new", "Yes", True),
        ("new", 0, False),
        ("new", "false", False),
        ("added", "2024-01-31", "2024-01-31"),
        ("added", 1700000000000, 1700000000000),
        ("stock", None, None),
        ("price", "", ""),
    ],
)
def test_values_become_what_the_recipe_says(field: str, given: Any, stored: Any) -> None:
    value = record(**{field: given}).fields[field]
    assert (value, type(value)) == (stored, type(stored))


@pytest.mark.parametrize(
    ("field", "given", "sentence"),
    [
        ("title", {"en": "x"}, "title must be text, not {'en': 'x'}"),
        ("title", True, "title must be text, not True"),
        ("title", [["x"]], "title must be text, not [['x']]"),
        ("tags", {"a": 1}, "tags must be text, not {'a': 1}"),
        ("stock", "many", "stock must be a whole number, not 'many'"),
        ("stock", 1.5, "stock must be a whole number, not 1.5"),
        ("stock", float("inf"), "stock must be a whole number, not inf"),
        ("stock", True, "stock must be a whole number, not True"),
        ("stock", str(2**63), "stock must be a whole number, not '9223372036854775808'"),
        ("stock", 1e300, "stock must be a whole number, not 1e+300"),
        ("price", "cheap", "price must be a number, not 'cheap'"),
        ("price", float("nan"), "price must be a number, not nan"),
        ("price", "inf", "price must be a number, not 'inf'"),
        ("new", "perhaps", "new must be true or false, not 'perhaps'"),
        ("added", 1.5, "added must be a date, not 1.5"),
        ("front", 5, "front must be a path, URL, data URI or base64 text, not 5"),
        ("title", {"x": "y" * 100}, "title must be text, not {'x': 'yyyyyyyyyyyyyyyyyyyyyyyyyyyyyy..."),
    ],
)
def test_values_that_do_not_fit(field: str, given: Any, sentence: str) -> None:
    assert reason(**{field: given}) == sentence


def test_every_fault_of_a_line_is_named() -> None:
    assert reason(sku="", price="x", stock="y") == (
        "no id: field sku is missing or empty; stock must be a whole number, not 'y'; price must be a number, not 'x'"
    )


@pytest.mark.parametrize("given", [None, "", [], {}, ["a"], True])
def test_what_is_no_id(given: Any) -> None:
    assert reason(sku=given) == "no id: field sku is missing or empty"


def test_an_id_that_elasticsearch_would_refuse() -> None:
    assert record(sku="é" * 256).id == "é" * 256
    assert reason(sku="é" * 257) == "id in field sku is over 512 bytes long"
    assert record(sku=17).id == "17"


def test_nothing_to_embed() -> None:
    assert record(title=" ", note=None, tags=[]).passages == ()


@pytest.mark.parametrize(
    ("given", "stored", "photos"),
    [
        ("a.jpg", "a.jpg", 1),
        ("data:image/png;base64,AAAA", None, 1),
        (["a.jpg", "data:image/png;base64,AAAA", "A" * 3000], ["a.jpg"], 3),
        ("", "", 0),
        (None, None, 0),
    ],
)
def test_photos_inside_the_catalogue_are_used_but_not_stored(given: Any, stored: Any, photos: int) -> None:
    made = record(front=given)
    assert made.fields["front"] == stored
    assert len(made.photos) == photos


def test_the_line_given_is_not_changed() -> None:
    raw = {"sku": "a", "stock": "3", "front": ["data:image/png;base64,AAAA"]}
    record_of(raw, RECIPE, source="s", number=1)
    assert raw == {"sku": "a", "stock": "3", "front": ["data:image/png;base64,AAAA"]}


def test_whatever_passes_can_be_sent() -> None:
    made = record(stock=2**63 - 1, price=1e308, title='\u2028 \x00 "quoted" \\ 靴')
    assert bulk_lines(made, {}, packed=False, fingerprint="f").count(b"\n") == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [("a", {"b": {"c": 1}}), ("a.b", {"c": 1}), ("a.b.c", 1), ("a.b.c.d", None), ("x.y", 2), ("nothing", None)],
)
def test_dots_reach_into_objects_unless_a_field_has_that_very_name(name: str, value: Any) -> None:
    assert value_of({"a": {"b": {"c": 1}}, "x.y": 2}, name) == value
