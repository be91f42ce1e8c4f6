"""Lines of a log: what they say, and what is wrong with those that say nothing."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from esmm.errors import LearnError
from esmm.learn.clicks.log import Impression, Log, read_log


@pytest.fixture
def log(tmp_path: Path) -> Any:
    def make(*lines: object) -> Log:
        text = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
        (tmp_path / "log.jsonl").write_text(text, encoding="utf-8")
        return read_log(tmp_path / "log.jsonl")

    return make


def test_a_line_with_everything(log: Any) -> None:
    line = {
        "query": "Red Shoe", "shown": ["a", "b", 3], "clicks": ["b"], "carts": ["3"], "purchases": ["a"],
        "user": 7, "time": "2025-03-01T23:30:00+01:00", "swapped": [3, 1], "page": 2,
    }  # fmt: skip
    (one,) = log(line).impressions
    assert one.user is not None
    assert len(one.user) == 16
    assert one == Impression(
        "red shoe", ("a", "b", "3"), (1, 2, 3), frozenset("ab3"), frozenset("3"), frozenset("a"), one.user,
        "2025-03-01", (1, 3),
    )  # fmt: skip


def test_a_line_with_little(log: Any) -> None:
    shown = [{"id": "a", "position": 25}, {"id": "b", "position": 26}]
    one, two = log(
        {"query": "shoe", "shown": shown}, {"query": "shoe", "shown": ["a"], "user": "", "time": 0}
    ).impressions
    assert one == Impression("shoe", ("a", "b"), (25, 26), frozenset())
    assert (two.user, two.day) == (None, "1970-01-01")
    (later,) = log({"query": "shoe", "shown": ["a"], "time": 1_740_787_200_000}).impressions
    assert later.day == "2025-03-01"


BAD = {
    "{": "not JSON", '{"query": "x", "shown": [NaN]}': "not JSON",
    "[1]": "not an object",
    '{"shown": ["a"]}': "query is no text",
    '{"query": " ", "shown": ["a"]}': "query is no text",
    '{"query": ["x"], "shown": ["a"]}': "query is no text",
    '{"query": "photo: a.jpg", "shown": ["a"]}': "query is a photo's",
    '{"query": "x"}': "shown is no list",
    '{"query": "x", "shown": []}': "shown is no list",
    '{"query": "x", "shown": ["a", null]}': "shown has something that is no product's id",
    '{"query": "x", "shown": ["a", {"id": "b"}]}': "shown has something that is no product's id",
    '{"query": "x", "shown": ["a\\tb"]}': "shown has something that is no product's id",
    '{"query": "x", "shown": ["a", "a"]}': "a product or a position twice",
    '{"query": "x", "shown": [{"id": "a", "position": 1}, {"id": "b", "position": 1}]}': "a position twice",
    '{"query": "x", "shown": [{"id": "a", "position": 0}]}': "no whole number from 1",
    '{"query": "x", "shown": [{"id": "a", "position": [1]}]}': "no whole number from 1",
    '{"query": "x", "shown": [{"id": "a"}]}': "no whole number from 1",
    '{"query": "x", "shown": ["a"], "clicks": "a"}': "clicks is no list",
    '{"query": "x", "shown": ["a"], "carts": ["z"]}': "carts has a product that was not shown",
    '{"query": "x", "shown": ["a"], "purchases": [["a"]]}': "purchases has something that is no",
    '{"query": "x", "shown": ["a"], "user": ["u"]}': "user is no text",
    '{"query": "x", "shown": ["a"], "time": "yesterday"}': "time is neither",
    '{"query": "x", "shown": ["a"], "time": true}': "time is neither",
    '{"query": "x", "shown": ["a"], "time": 1e300}': "time is neither",
    '{"query": "x", "shown": ["a", "b"], "swapped": [1, 3]}': "swapped is not two positions",
    '{"query": "x", "shown": ["a", "b"], "swapped": [1, 1]}': "swapped is not two positions",
    '{"query": "x", "shown": ["a", "b"], "swapped": [[1], 2]}': "swapped is not two positions",
    '{"query": "x", "shown": ["a", "b"], "swapped": true}': "swapped is not two positions",
}  # fmt: skip


def test_bad_lines_are_told_by_number_and_without_their_words(log: Any) -> None:
    found = log({"query": "good", "shown": ["a"]}, "", *BAD)
    assert [one.query for one in found.impressions] == ["good"]
    assert [number for number, _ in found.faults] == list(range(3, 3 + len(BAD)))
    for (_, reason), (line, told) in zip(found.faults, BAD.items(), strict=True):
        assert told in reason, line
    secret = log('{"query": "jane@example.org", "shown": ["a"], "clicks": ["jane@example.org"], "user": "jane"}')
    assert "jane" not in str(secret.faults)


def test_what_is_cut_out_is_counted(log: Any) -> None:
    found = log({"query": "shoe a@b.com", "shown": ["a"]}, {"query": "a@b.com", "shown": ["a"]})
    assert ([one.query for one in found.impressions], found.scrubbed, found.emptied) == (["shoe"], 2, 1)


def test_logs_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(LearnError, match="does not exist"):
        read_log(tmp_path / "no.jsonl")
    (tmp_path / "empty.jsonl").touch()
    with pytest.raises(LearnError, match="holds no search"):
        read_log(tmp_path / "empty.jsonl")
    (tmp_path / "log.jsonl.gz").write_bytes(gzip.compress(b'{"query": "x", "shown": ["a"]}\n'))
    assert len(read_log(tmp_path / "log.jsonl.gz").impressions) == 1
