"""Programs that outlive their starter: recognised by number and birth, stopped with their whole group."""

import os
import time
from pathlib import Path

from esmm.node import process

ENVIRONMENT = {"PATH": os.environ["PATH"], "ES_HOME": "/"}
ME = process.Account("the present user")


def test_starts_recognises_and_stops_the_whole_group(tmp_path: Path) -> None:
    script = "sleep 60 & echo $!; wait"
    pid = process.start(["sh", "-c", script], ENVIRONMENT, tmp_path / "log", ME)
    born = process.birth(pid)
    while not (tmp_path / "log").read_text():
        time.sleep(0.01)
    child = int((tmp_path / "log").read_text())
    assert born is not None
    assert process.birth(child) is not None
    process.stop(pid, born)
    assert process.birth(pid) is None
    assert process.birth(child) is None


def test_a_number_used_again_is_left_alone(tmp_path: Path) -> None:
    pid = process.start(["sleep", "60"], ENVIRONMENT, tmp_path / "log", ME)
    born = process.birth(pid)
    process.stop(pid, "another birth")
    assert process.birth(pid) == born
    process.stop(pid, born or "")
    assert process.birth(pid) is None


def test_what_ignores_the_kind_request_is_ended_by_force(tmp_path: Path) -> None:
    script = 'trap "" TERM; echo ready; while :; do sleep 0.1; done'
    pid = process.start(["sh", "-c", script], ENVIRONMENT, tmp_path / "log", ME)
    while not (tmp_path / "log").read_text():
        time.sleep(0.01)
    process.stop(pid, process.birth(pid) or "", seconds=0.3)
    assert process.birth(pid) is None


def test_tail_shows_the_end(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("".join(f"line {number}\n\tat org.example\n\n" for number in range(50)))
    assert process.tail(tmp_path / "log", 2) == "    line 48\n    line 49"
    assert process.tail(tmp_path / "missing") == ""
