"""Fingerprints: what changes one, and what does not."""

from dataclasses import replace
from typing import Any

import pytest

from esmm.ingest.fingerprints import UNUSABLE, fingerprint
from esmm.ingest.records import Record

ONE = Record("a", {"title": "red", "price": 1.0, "tags": ["x", "y"]}, ((1.0, "red"),), ("a.png",), "s", 1)


def of(record: Record, photos: tuple[bytes, ...] = (b"1", b"2"), shape: str = "s") -> str:
    return fingerprint(record, photos, shape=shape)


@pytest.mark.parametrize(
    "change",
    [
        {"fields": {**ONE.fields, "price": 1.5}},
        {"fields": {**ONE.fields, "tags": ["y", "x"]}},
        {"fields": {**ONE.fields, "new": 0}},
        {"passages": ((2.0, "red"),)},
        {"passages": ((1.0, "red "),)},
    ],
)
def test_what_changes_a_document_changes_it(change: dict[str, Any]) -> None:
    assert of(replace(ONE, **change)) != of(ONE)


@pytest.mark.parametrize("photos", [(), (b"1",), (b"2", b"1"), (b"1", UNUSABLE), (b"12",)])
def test_so_does_another_photo(photos: tuple[bytes, ...]) -> None:
    assert of(ONE, photos) != of(ONE)


def test_so_does_another_shape() -> None:
    assert of(ONE, shape="t") != of(ONE)


def test_what_leaves_a_document_as_it_is_does_not() -> None:
    fields = {"gone": None, **dict(reversed(ONE.fields.items()))}
    assert of(replace(ONE, fields=fields, number=7, source="other")) == of(ONE)
