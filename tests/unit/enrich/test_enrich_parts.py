"""The pure steps of an enrichment: what a hit is, what it lacks, what is sent, and how fast."""

import json
import time
from dataclasses import replace
from typing import Any

import pytest

from esmm.encoders import EncoderInfo, load_encoders
from esmm.enrich.documents import Reader, State, bare, readable, vector_names
from esmm.enrich.report import EnrichReport, Survey
from esmm.enrich.scan import _in_turn
from esmm.enrich.update import paced, update
from esmm.ingest.records import BadRecord
from tests.conftest import tiny_recipe

RECIPE = tiny_recipe()
INFOS = {clause: encoder.info for clause, encoder in load_encoders(RECIPE)[0].items()}
SOURCE = {"title": "red shoe", "image": ["a.png", "b.png"]}


def hit(source: dict[str, Any], *held: str, fingerprint: str = "", **more: Any) -> dict[str, Any]:
    ours = {"esmm": {"fingerprint": fingerprint}} if fingerprint else {}
    there = {"_id": "p1", "_index": "shop", "_seq_no": 7, "_primary_term": 2, "_source": source | ours}
    return there | ({"matched_queries": list(held)} if held else {}) | more


def state(source: dict[str, Any], *held: str, fingerprint: str = "", infos: Any = None) -> State:
    reader = Reader(RECIPE, infos or INFOS)
    return reader.state(reader.document(hit(source, *held, fingerprint=fingerprint)))


def fingerprint(source: dict[str, Any], used: int | None = None, infos: Any = None) -> str:
    reader = Reader(RECIPE, infos or INFOS)
    return reader.fingerprint(reader.document(hit(source)), used)


def test_a_hit_becomes_a_document() -> None:
    document = Reader(RECIPE, INFOS).document(hit(SOURCE, "text", _routing="r"))
    assert (document.id, document.seq_no, document.primary_term, document.routing) == ("p1", 7, 2, "r")
    assert document.passages == ((1.0, "red shoe"),)
    assert document.photos == ("a.png", "b.png")
    assert document.held == {"text"}
    assert document.content == {"text", "image"}


def test_only_what_vectors_are_made_of_is_read_and_judged() -> None:
    reader = Reader(RECIPE, INFOS)
    assert reader.search["_source"] == ["title", "image", "esmm.fingerprint"]
    assert reader.document(hit({"title": "x", "price": "dear"})).passages
    with pytest.raises(BadRecord, match="title must be text"):
        reader.document(hit({"title": {"en": "x"}}))


def test_states() -> None:
    now = fingerprint(SOURCE)
    both = ("text", "image")
    assert state(SOURCE) == State.LACKING
    assert state(SOURCE, *both, fingerprint=now) == State.CURRENT
    assert state(SOURCE, "text", fingerprint=now) == State.LACKING
    assert state(SOURCE, *both, fingerprint=fingerprint({"title": "blue shoe"})) == State.STALE
    assert state(SOURCE, *both, fingerprint=fingerprint(SOURCE, 1)) == State.PARTIAL
    assert state(SOURCE, "text", fingerprint=fingerprint(SOURCE, 0)) == State.PARTIAL
    assert state(SOURCE, "image", fingerprint=fingerprint(SOURCE, 1)) == State.LACKING
    assert state({}) == State.EMPTY
    assert state({}, "text", fingerprint=now) == State.STALE
    assert state({}, fingerprint=fingerprint({})) == State.CURRENT


def test_what_a_fingerprint_covers() -> None:
    made = {
        fingerprint(source, infos=infos)
        for source in (SOURCE, {**SOURCE, "title": "blue"}, {**SOURCE, "image": ["b.png", "a.png"]})
        for infos in (
            INFOS,
            INFOS | {"text": replace(INFOS["text"], revision="2")},
            INFOS | {"text": replace(INFOS["text"], passage_prefix="passage: ")},
            {"text": INFOS["text"]},
        )
    }
    assert len(made) == 3 * 4 - 1  # without a photo encoder, photos do not count
    assert fingerprint(SOURCE) == fingerprint({**SOURCE, "price": 3, "brand": "Ostra"})
    assert fingerprint(SOURCE, infos=INFOS | {"text": replace(INFOS["text"], query_prefix="query: ")}) == fingerprint(
        SOURCE
    )
    assert len(fingerprint(SOURCE)) == 32
    assert fingerprint(SOURCE, 2) == fingerprint(SOURCE)
    assert fingerprint(SOURCE, 1) == f"{fingerprint(SOURCE)}-1of2"


def test_what_vectors_depend_on() -> None:
    info = EncoderInfo("m", "r", 4, "s", ("text",))
    assert info.passages == "m@r/4"
    assert replace(info, passage_prefix="p: ").passages == "m@r/4 'p: '"
    assert replace(info, query_prefix="q: ").passages == info.passages


def test_an_update_meets_the_document_as_it_was_read() -> None:
    import numpy as np

    vector = np.array([0.5, 0.25], dtype=np.float32)
    out = update(bare(hit({}, _routing="r")), {"doc": {"v": vector, "w": None}}, vectors=("v",))
    action, change = out.lines.decode().splitlines()
    assert json.loads(action) == {"update": {"_id": "p1", "if_seq_no": 7, "if_primary_term": 2, "routing": "r"}}
    assert json.loads(change) == {"doc": {"v": [0.5, 0.25], "w": None}}
    assert out.lines.endswith(b"\n")
    assert b"routing" not in update(bare(hit({})), {}).lines


def test_the_rate_is_kept_and_empty_batches_are_left_out() -> None:
    out = update(bare(hit({})), {})
    begun = time.monotonic()
    parts = list(paced([[out] * 25, [], [out] * 5], 50))
    assert time.monotonic() - begun >= 25 / 50
    assert [len(part) for part in parts] == [25, 5]
    assert [len(part) for part in paced([[out] * 5], 2)] == [2, 2, 1]
    assert list(paced([[], [out]], None)) == [[out]]


def test_slices_take_turns() -> None:
    pages = [iter([[{"n": 1}, {"n": 2}], [{"n": 5}]]), iter([[{"n": 3}]])]
    assert [found["n"] for found in _in_turn(pages)] == [1, 2, 3, 5]


def test_the_fields_of_a_note_are_removed_too() -> None:
    note = {"clauses": {"text": {"field": "older_vector"}}}
    assert vector_names(RECIPE, note) == ["image_vector", "older_vector", "text_vector"]
    assert vector_names(RECIPE, {}) == ["image_vector", "text_vector"]


def test_a_search_names_the_vectors_that_a_document_has() -> None:
    should = readable({"text": "text_vector"})["query"]["bool"]["should"]
    assert should == [{"exists": {"field": "text_vector", "_name": "text"}}]


def test_what_is_left_makes_the_exit_code() -> None:
    assert EnrichReport(read=3, stored=2, gone=1).exit_code == 0
    assert EnrichReport(conflicts=1).exit_code == 3
    assert EnrichReport(rejected=1).exit_code == 3
    assert Survey(states={"lacking": 1, "stale": 2, "partial": 4}).to_do == 3
    assert Survey(cosines={"v": [1.0, 0.9], "w": [0.5]}).wrong == 2
