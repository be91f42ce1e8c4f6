"""`esmm clicks`: a log in, judgements out, and what was left out is told."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from benchmarks.click_logs import searches, world, written
from esmm.cli import cli
from esmm.cli.clicks import REJECTED
from esmm.errors import LearnError
from esmm.learn.judgements import read_judgements


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return written(tmp_path / "log.jsonl", searches(world(2, queries=8), 2_000, swaps=0.9))


def run(*args: str) -> Result:
    return CliRunner().invoke(cli, ["clicks", "log.jsonl", *args], standalone_mode=False)


def test_judgements_are_written(log: Path) -> None:
    done = run()
    assert done.exception is None
    assert not done.return_value
    assert done.stdout == ""
    assert "2000 searches" in done.stderr
    assert "chance of a look by position: 1: 1.00, 2: 0." in done.stderr
    assert "written to judgements.tsv, and how they were made to judgements.provenance.json" in done.stderr
    assert len(read_judgements(log.parent / "judgements.tsv").gains) == 8
    run("-o", "mine.tsv", "--model", "swaps")
    assert json.loads((log.parent / "mine.provenance.json").read_text("utf-8"))["curve"]["method"] == "swaps"


def test_printing_writes_nothing(log: Path) -> None:
    printed = run("--print").stdout
    assert printed.startswith("query\tproduct_id\tgain\nquery 0\tp0-")
    assert [path.name for path in log.parent.iterdir()] == ["log.jsonl"]
    run()
    assert (log.parent / "judgements.tsv").read_text("utf-8") == printed


@pytest.mark.parametrize(
    "flags",
    [
        ["--min-looks", "90"],
        ["--cart-weight", "0"],
        ["--purchase-weight", "0"],
        ["--max-searches", "5"],
        ["--max-share", "0.1"],
        ["--max-repeats", "1"],
        ["--k-anonymity", "200"],
        ["--epsilon", "1"],
        ["--model", "swaps"],
    ],
)
def test_each_option_changes_the_judgements(log: Path, flags: list[str]) -> None:
    plain, changed = run("--print"), run("--print", *flags)
    assert changed.exception is None, changed.exception
    assert changed.stdout != plain.stdout


def test_noise_is_explained(log: Path) -> None:
    told = run("--epsilon", "2", "--print").stderr
    assert "noise: Laplace, epsilon 2 for what one search did with one product" in told
    assert "noise" not in run("--print").stderr


def test_bad_lines_are_told_and_the_rest_is_used(log: Path) -> None:
    with log.open("a", encoding="utf-8") as file:
        file.write("{\n" + '{"query": "hushed words"}\n' * 12)
    done = run()
    assert done.return_value == REJECTED
    assert "line 2001: not JSON" in done.stderr
    assert "line 2002: shown is no list of products" in done.stderr
    assert "and 3 more lines that cannot be read" in done.stderr
    assert "hushed" not in done.stderr
    assert Path("judgements.tsv").exists()


def test_faults_end_in_one_sentence(log: Path) -> None:
    log.write_text('{"query": "x", "shown": ["a"]}\n', encoding="utf-8")
    done = run()
    assert isinstance(done.exception, LearnError)
    assert "no judgement is left of 1 searches" in str(done.exception)
    assert "hint: take a longer log" in str(done.exception)
    assert not Path("judgements.tsv").exists()


def test_a_file_that_cannot_be_written(log: Path) -> None:
    assert "nowhere/j.tsv cannot be written" in str(run("-o", "nowhere/j.tsv").exception)
