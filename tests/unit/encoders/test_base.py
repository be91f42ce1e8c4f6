"""The identity of an encoder, as an index remembers it."""

import json

import pytest

from esmm.encoders import EncoderInfo

INFO = EncoderInfo("m", "abc", 3, "s", ("text", "photo"))


def test_the_note_in_an_index_gives_the_identity_back() -> None:
    assert EncoderInfo.from_meta(json.loads(json.dumps(INFO.as_meta()))) == INFO
    assert str(INFO) == "m (abc, 3 dims)"


@pytest.mark.parametrize(("part", "same"), [("id", False), ("revision", False), ("dims", False), ("space", True)])
def test_what_makes_other_vectors(part: str, same: bool) -> None:
    other = EncoderInfo.from_meta(INFO.as_meta() | {part: 4})
    assert INFO.same_vectors(other) is same
