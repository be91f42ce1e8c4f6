"""From a log to judgements: the true order is found again, and nothing personal is stored."""

import json
from pathlib import Path

import pytest

from benchmarks.click_logs import accuracy, click_through, searches, world, written
from esmm.errors import LearnError
from esmm.learn.clicks import Settings, judge, store
from esmm.learn.clicks.privacy import SALT
from esmm.learn.judgements import read_judgements


@pytest.mark.parametrize("model", ["pbm", "swaps"])
def test_the_true_order_is_found_better_than_by_raw_rates(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    margins = []
    for seed in range(3):
        truth = world(seed)
        path = written(tmp_path / "log.jsonl", searches(truth, 10_000, swaps=0.2))
        gains = judge(path, Settings(model)).gains
        raw, found = accuracy(click_through(path, gains), truth), accuracy(gains, truth)
        margins.append(found - raw)
        with capsys.disabled():
            print(f"\n{model}, seed {seed}: {found:.3f} of pairs in order, raw rates {raw:.3f}")  # noqa: T201
    assert min(margins) > 0
    assert sum(margins) / len(margins) > 0.015


def test_programs_do_not_spoil_it(tmp_path: Path) -> None:
    truth = world(5)
    lines = list(searches(truth, 4_000))
    bots = [line | {"user": "bot", "clicks": line["shown"][-6:], "carts": [], "purchases": []} for line in lines[:1500]]
    clean = judge(written(tmp_path / "clean.jsonl", iter(lines)))
    spoilt = judge(written(tmp_path / "spoilt.jsonl", iter([*lines, *bots])))
    assert spoilt.gains == clean.gains
    assert spoilt.provenance["dropped"]["by users with too many searches in a day"] == 1500


def test_what_is_stored_is_read_again_and_holds_nothing_personal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SALT, "salt-of-the-shop")
    lines = list(searches(world(1), 3_000))
    private = "ann@example.org", "+49 170 1234567", "4111 1111 1111 1111"
    for number, line in enumerate(lines[:900]):
        line["query"] += " " + private[number % 3]
    lines += [line | {"query": "Ann Smith Elm Street 5", "user": "ann"} for line in lines[:40]]
    log = written(tmp_path / "log.jsonl", iter(lines))
    judged = judge(log)
    made = tmp_path / "out"
    made.mkdir()
    beside = store(judged, made / "judgements.tsv")
    assert sorted(path.name for path in made.iterdir()) == ["judgements.provenance.json", "judgements.tsv"]
    stored = "".join(path.read_text("utf-8") for path in made.iterdir()).lower()
    told = ("salt-of-the-shop", "user-", '"ann"', "example.org", "170 1234567", "1111 1111", "smith", "elm")
    assert [word for word in told if word in stored] == []
    assert read_judgements(made / "judgements.tsv").by_name == judged.gains
    facts = json.loads(beside.read_text("utf-8"))
    assert facts["queries_scrubbed"] == 900 + sum("@" in line["query"] for line in lines[3000:])
    assert facts["dropped"]["of queries too rare to be anonymous"] >= 10
    assert facts["curve"]["method"] == "pbm"
    assert "hashed" in facts["users"]


def test_a_log_without_users(tmp_path: Path) -> None:
    lines = [{key: line[key] for key in ("query", "shown", "clicks")} for line in searches(world(1), 2_000)]
    judged = judge(written(tmp_path / "log.jsonl", iter(lines)))
    assert judged.provenance["users"] == "none in the log: k-anonymity counted searches"
    with pytest.raises(LearnError, match="2000 of queries too rare to be anonymous"):
        judge(tmp_path / "log.jsonl", Settings(k_anonymity=5_000))


def test_what_cannot_be_judged(tmp_path: Path) -> None:
    with pytest.raises(LearnError, match="no judgement is left of 2 searches: 1 unreadable, 1 of queries too rare"):
        judge(written(tmp_path / "log.jsonl", iter([{"query": "x", "shown": ["a"]}, {}])))
    with pytest.raises(LearnError, match="no model 'cascade'"):
        judge(tmp_path / "log.jsonl", Settings(model="cascade"))
