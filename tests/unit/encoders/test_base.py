"""The identity of an encoder, as an index remembers it."""

import json

import pytest

from esmm.encoders import EncoderInfo

INFO = EncoderInfo("m", "abc", 3, "s", ("text", "photo"), query_prefix="query: ", passage_prefix="passage: ")


def test_the_note_in_an_index_gives_the_identity_back() -> None:
    assert EncoderInfo.from_meta(json.loads(json.dumps(INFO.as_meta()))) == INFO
    assert str(INFO) == "m (abc, 3 dims, query_prefix 'query: ', passage_prefix 'passage: ')"
    assert str(EncoderInfo("m", "abc", 3, "s", ("text",))) == "m (abc, 3 dims)"


def test_a_note_from_before_there_were_prefixes() -> None:
    old = {"id": "m", "revision": "abc", "dims": 3, "space": "s", "takes": ["text"]}
    assert EncoderInfo.from_meta(old) == EncoderInfo("m", "abc", 3, "s", ("text",), query_prefix="", passage_prefix="")


@pytest.mark.parametrize("part", ["id", "revision", "dims", "space", "query_prefix", "passage_prefix"])
def test_what_makes_other_vectors(part: str) -> None:
    other = EncoderInfo.from_meta(INFO.as_meta() | {part: 4})
    assert INFO.differences(other) == {part: (getattr(INFO, part), 4)}
    assert not INFO.differences(EncoderInfo.from_meta(INFO.as_meta() | {"takes": ["text"]}))


@pytest.mark.parametrize(("part", "same"), [("id", True), ("revision", True), ("dims", False), ("space", False)])
def test_vectors_of_one_space_and_length_can_be_compared(part: str, same: bool) -> None:
    assert INFO.comparable(EncoderInfo.from_meta(INFO.as_meta() | {part: 4})) is same
