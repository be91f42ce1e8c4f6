"""From records to bulk lines: what is encoded, what comes from the cache, what a bad photo costs."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from esmm.encoders.digest import DigestEncoder
from esmm.ingest.batches import BATCH, Batch, Preparer, batch_size, chunked, encode, outgoing
from esmm.ingest.records import Record
from esmm.ingest.report import Ledger, LoadReport
from esmm.ingest.vectors import VectorCache
from esmm.photos import Photos

FIELDS = {"text": "text_vector", "image": "image_vector"}


class Counting(DigestEncoder):
    """A digest encoder that remembers what it was given."""

    def __init__(self, dims: int) -> None:
        super().__init__(dims)
        self.given: list[Any] = []

    def encode(self, items: Sequence[Any]) -> Any:
        self.given.extend(items)
        return super().encode(items)


def record(identity: str, *passages: tuple[float, str], photos: tuple[str, ...] = ()) -> Record:
    return Record(identity, {"id": identity}, passages, photos, "s", 1)


@dataclass
class Line:
    """The middle of a load in a folder with two photos."""

    folder: Path
    text: Counting
    image: Counting
    report: LoadReport
    cache: VectorCache
    ledger: Ledger
    photos: Photos
    prints: list[str] = field(default_factory=list)

    def run(self, records: list[Record], **only: Any) -> list[tuple[dict[str, Any], tuple[str, ...]]]:
        """Return document and vector fields of each record."""
        encoders = only.get("encoders", {"text": self.text, "image": self.image})
        made = []
        for batch in Preparer(encoders, self.photos, self.cache, self.ledger).prepared(chunked(records)):
            encode(batch, encoders, self.cache, self.report)
            made += outgoing(batch, FIELDS, packed=False, shape="s")
        documents = [json.loads(out.lines.splitlines()[1]) for out in made]
        self.prints = [document.pop("esmm")["fingerprint"] for document in documents]
        return [(document, out.vectors) for document, out in zip(documents, made, strict=True)]


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    for colour in ("red", "blue"):
        Image.new("RGB", (400, 300), colour).save(tmp_path / f"{colour}.png")
    report = LoadReport()
    with (
        VectorCache(tmp_path / "v.sqlite") as cache,
        Ledger(report, tmp_path, "s") as ledger,
        Photos([tmp_path]) as photos,
    ):
        yield Line(tmp_path, Counting(8), Counting(4), report, cache, ledger, photos)


def test_a_product_with_passages_and_photos(line: Line) -> None:
    ((document, fields),) = line.run([record("a", (2.0, "red"), (1.0, "shoe"), photos=("red.png", "blue.png"))])
    red, shoe = DigestEncoder(8).encode(["red", "shoe"])
    mean = 2 * red + shoe
    assert document["text_vector"] == pytest.approx((mean / np.linalg.norm(mean)).tolist(), abs=1e-6)
    assert fields == ("text_vector", "image_vector")
    seen = DigestEncoder(4).encode(line.image.given)
    mean = seen.sum(axis=0)
    assert document["image_vector"] == pytest.approx((mean / np.linalg.norm(mean)).tolist(), abs=1e-6)
    assert max(line.image.given[0].size) == 320, "photos are made small before they wait"


def test_what_occurs_twice_is_encoded_once(line: Line) -> None:
    line.run([record("a", (1.0, "red"), photos=("red.png",)), record("b", (1.0, "red"), photos=("red.png",))])
    assert line.text.given == ["red"]
    assert len(line.image.given) == 1
    assert (line.report.encoded, line.report.cached) == ({"text": 1, "image": 1}, {"text": 0, "image": 0})


def test_a_second_run_encodes_only_what_is_new(line: Line) -> None:
    first = line.run([record("a", (1.0, "red"), photos=("red.png",))])
    second = line.run([record("a", (1.0, "red"), photos=("red.png",)), record("b", (1.0, "blue"))])
    assert line.text.given == ["red", "blue"]
    assert len(line.image.given) == 1
    assert (line.report.encoded, line.report.cached) == ({"text": 2, "image": 1}, {"text": 1, "image": 1})
    assert second[0] == first[0]


def test_a_bad_photo_costs_its_product_only_that_photo(line: Line) -> None:
    (line.folder / "bad.png").write_bytes(b"no photo")
    made = line.run(
        [
            record("a", (1.0, "x"), photos=("missing.png",)),
            record("b", (1.0, "y"), photos=("bad.png", "blue.png")),
            record("c", (1.0, "z"), photos=("red.png",)),
        ]
    )
    assert [fields for _, fields in made] == [("text_vector",), (*FIELDS.values(),), (*FIELDS.values(),)]
    assert line.report.photo_faults == 2
    line.ledger.close()
    faults = [json.loads(text) for text in Path(str(line.report.photo_faults_file)).read_text("utf-8").splitlines()]
    assert [(fault["id"], fault["photo"]) for fault in faults] == [("a", "missing.png"), ("b", "bad.png")]
    blue, red = (DigestEncoder(4).encode([photo])[0] for photo in line.image.given)
    assert made[1][0]["image_vector"] == pytest.approx(blue.tolist(), abs=1e-6)
    assert made[2][0]["image_vector"] == pytest.approx(red.tolist(), abs=1e-6)


def test_a_product_with_nothing_to_encode(line: Line) -> None:
    assert line.run([record("a")]) == [({"id": "a"}, ())]


def test_without_an_encoder_its_clause_is_left_out(line: Line) -> None:
    made = line.run([record("a", (1.0, "x"), photos=("red.png",))], encoders={"text": line.text})
    assert made[0][1] == ("text_vector",)
    assert line.run([record("a", (1.0, "x"), photos=("red.png",))], encoders={})[0][1] == ()


def test_batches_keep_order_and_size(line: Line) -> None:
    records = [record(str(number)) for number in range(BATCH + 3)]
    batches: list[Batch] = list(Preparer({}, line.photos, line.cache, line.ledger).prepared(chunked(records)))
    assert [len(batch.records) for batch in batches] == [BATCH, 3]
    assert [len(batch.records) for batch in chunked(records, batch_size(["text"]))] == [BATCH + 3]
    assert batch_size(["text", "image"]) == BATCH
    assert [found.id for batch in batches for found in batch.records] == [found.id for found in records]


def test_a_batch_is_made_only_when_it_is_asked_for(line: Line) -> None:
    taken: list[int] = []

    def endless() -> Iterator[Record]:
        while True:
            taken.append(1)
            yield record(str(len(taken)))

    next(iter(Preparer({}, line.photos, line.cache, line.ledger).prepared(chunked(endless()))))
    assert len(taken) == BATCH
