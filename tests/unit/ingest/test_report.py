"""The report of a load and the files of its faults."""

import json
import threading
from pathlib import Path

from esmm.ingest.catalogue import Rejected
from esmm.ingest.report import Ledger, LoadReport


def rejected(number: int) -> Rejected:
    return Rejected("shop.jsonl", number, "no id", '{"é": 1}')


def lines(file: str | None) -> list[dict[str, object]]:
    assert file
    return [json.loads(line) for line in Path(file).read_text("utf-8").splitlines()]


def test_without_faults_there_are_no_files(tmp_path: Path) -> None:
    report = LoadReport()
    with Ledger(report, tmp_path, "shop"):
        pass
    assert list(tmp_path.iterdir()) == []
    assert (report.exit_code, report.rejected_file) == (0, None)


def test_each_fault_is_written_down_at_once(tmp_path: Path) -> None:
    report = LoadReport()
    with Ledger(report, tmp_path, "shop") as ledger:
        for number in range(7):
            ledger.reject(rejected(number))
        ledger.photo("a", "x" * 5000, "not a photo")
    assert (report.rejected, report.photo_faults, report.exit_code) == (7, 1, 3)
    assert report.rejected_file == str(tmp_path / "shop.rejected.jsonl")
    assert lines(report.rejected_file)[6] == {
        "file": "shop.jsonl", "line": 6, "reason": "no id", "text": '{"é": 1}'
    }  # fmt: skip
    assert lines(report.photo_faults_file) == [{"id": "a", "photo": "x" * 200, "reason": "not a photo"}]
    assert report.reasons == [f"shop.jsonl, line {number}: no id" for number in range(5)]


def test_a_photo_fault_alone_is_no_failure(tmp_path: Path) -> None:
    report = LoadReport()
    with Ledger(report, tmp_path, "shop") as ledger:
        ledger.photo("a", "p.jpg", "missing")
    assert report.exit_code == 0


def test_what_an_earlier_run_left_is_removed_and_other_files_stay(tmp_path: Path) -> None:
    for name in ("shop.rejected.jsonl", "shop.photo-faults.jsonl", "other.rejected.jsonl"):
        (tmp_path / name).write_text("old\n")
    with Ledger(LoadReport(), tmp_path, "shop"):
        pass
    assert [file.name for file in tmp_path.iterdir()] == ["other.rejected.jsonl"]


def test_faults_from_several_threads_are_whole_lines(tmp_path: Path) -> None:
    report = LoadReport()
    with Ledger(report, tmp_path, "shop") as ledger:

        def work() -> None:
            for _ in range(200):
                ledger.photo("a", "p.jpg", "missing")

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert report.photo_faults == len(lines(report.photo_faults_file)) == 800


def test_the_report_as_json() -> None:
    report = LoadReport(index="shop-1", read=4, new=1, unchanged=2, rejected=1, seconds=1.23456)
    found = json.loads(json.dumps(report.as_json()))
    assert found["seconds"] == 1.23
    assert found["read"] == found["stored"] + found["rejected"]
    assert "started" not in found
