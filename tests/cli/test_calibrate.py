"""`esmm calibrate`: the constant is printed, kept beside the recipe, and used by `esmm upgrade`."""

import json
from pathlib import Path
from typing import Any

import pytest
from shell import Esmm

from esmm.query.calibrate import Calibration

pytestmark = pytest.mark.usefixtures("painless")


def written(folder: Path, **query: Any) -> str:
    (folder / "query.json").write_text(json.dumps({"query": query}), encoding="utf-8")
    return str(folder / "query.json")


@pytest.fixture
def calibrate(esmm: Esmm, loaded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Esmm:
    """Calibrate in a folder of its own, which has the recipe of the loaded shop."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "esmm.toml").write_text((loaded / "esmm.toml").read_text("utf-8"), encoding="utf-8")
    (tmp_path / "queries.txt").write_text("red shirt\n\nblue lamp\nkettle\n", encoding="utf-8")
    return lambda *args: esmm("calibrate", *args)


def test_the_constant_is_kept_and_used(calibrate: Esmm, esmm: Esmm, tmp_path: Path) -> None:
    body = written(tmp_path, intervals={"title": {"match": {"query": "scarf"}}})
    assert "never calibrated" in esmm("upgrade", body, "--explain").err
    shown = calibrate(body, "queries.txt", "--print")
    assert shown.out.startswith("k = ")
    assert shown.out.endswith(": the median score at rank 10 over 3 queries\n")
    assert not (tmp_path / Calibration.FILE).exists()
    stored = calibrate(body, "queries.txt")
    assert stored.out == shown.out + f"stored in {Calibration.FILE}\n"
    constant = Calibration.load(tmp_path / Calibration.FILE).saturation(
        {"intervals": {"title": {"match": {"query": "x"}}}}
    )
    assert constant is not None
    assert shown.out.startswith(f"k = {constant:g}:")
    done = esmm("upgrade", body, "--explain")
    assert "never calibrated" not in done.err
    assert str(constant) in done.out


def test_placeholders_stand_wherever_the_words_stood(calibrate: Esmm, esmm: Esmm, tmp_path: Path) -> None:
    rule = {"all_of": {"intervals": [{"match": {"query": "scarf"}}]}}
    body = written(tmp_path, constant_score={"filter": {"intervals": {"title": rule}}})
    done = esmm("upgrade", body, "--placeholders")
    assert done.code == 0
    assert ("scarf" in done.out, '"query": "<query_text>"' in done.out) == (False, True)


def test_what_cannot_be_calibrated(calibrate: Esmm, tmp_path: Path) -> None:
    calibrate(written(tmp_path, term={"brand": "Ostra"}), "queries.txt").fatal("asks for no text", "as sent")
    calibrate(written(tmp_path, match={"title": "red"}), "nowhere.txt").fatal("nowhere.txt", "")
    (tmp_path / "queries.txt").write_text("zeppelin\n", encoding="utf-8")
    calibrate(written(tmp_path, match={"title": "red"}), "queries.txt").fatal("no query of the log", "customers")
    (tmp_path / "query.json").write_text('{"size": 3}', encoding="utf-8")
    calibrate("query.json", "queries.txt").fatal("query.json has no query", "search body")
