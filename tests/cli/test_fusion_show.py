"""`esmm fusion show`: weights, normalisers, provenance, and what each query would get."""

import math
from pathlib import Path

import pytest
from shell import Esmm

from esmm.query.gate import FACTS
from esmm.query.model import ClauseModel, FusionModel, GateModel, digest_of
from esmm.recipe import load
from tests.conftest import TINY

PROVENANCE = {"judgements": "judged.tsv", "questions": 100, "folds": 5, "gain": 0.051, "interval_90": [0.012, 0.09]}
CLAUSES = {
    "keyword": ClauseModel(weight=1.0, saturation=20.0),
    "text": ClauseModel(weight=0.5, low=0.1, high=0.8, floor=0.35, boost=4.5),
    "image": ClauseModel(weight=0.0),
}


@pytest.fixture
def recipe_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "esmm.toml").write_text(TINY.format(name="tiny", analyzer="english"), encoding="utf-8")
    return tmp_path / "esmm.toml"


def stored(recipe_file: Path, *, gate: bool = True, name: str = "fusion.json", made_for: str = "") -> FusionModel:
    words = {"text": {"words": -math.log(2)}}
    flat = {fact: 0.0 for fact in FACTS} | {"words": 2.0}
    found = GateModel(coefficients=words, middles=flat, scales=dict.fromkeys(FACTS, 1.0), shares={"red": 0.5})
    model = FusionModel(
        kind="gate",
        label="proven",
        made_for=made_for or digest_of(load(recipe_file)),
        clauses=CLAUSES,
        gate=found if gate else None,
        provenance=PROVENANCE,
    )
    model.save(recipe_file.parent / name)
    return model


def lines(out: str) -> dict[str, list[str]]:
    """The cells of each row by its first word."""
    return {cells[0]: cells[1:] for line in out.splitlines() if (cells := line.split())}


def test_weights_and_provenance_are_drawn(esmm: Esmm, recipe_file: Path) -> None:
    stored(recipe_file)
    done = esmm("fusion", "show")
    assert (done.code, done.err) == (0, "")
    rows = lines(done.out)
    assert rows["label"] == ["proven"]
    assert rows["interval"] == ["90", "0.012", "..", "0.09"]
    assert rows["gain"] == ["0.051"]
    assert rows["folds"] == ["5"]
    assert rows["judgements"] == ["judged.tsv"]
    assert rows["keyword"] == ["1.000", "█" * 16, "s", "/", "(s", "+", "20)", "tune"]
    assert rows["text"] == ["0.500", "█" * 8, "cosine", "0.1", "..", "0.8", "0.35", "4.5", "tune"]
    assert rows["image"][0] == "0.000"
    assert rows["text_to_image"][-1] == "recipe"


def test_what_each_query_would_get(esmm: Esmm, recipe_file: Path) -> None:
    stored(recipe_file)
    done = esmm("fusion", "show", "--query", "red shoes", "--query", "red running shoes", "--query", "xj9")
    rows = lines(done.out.partition("red running shoes")[2])
    assert rows["text"] == ["0.500", "(x", "1.00)", "0.250", "(x", "0.50)", "1.000", "(x", "2.00)"]
    assert rows["keyword"] == ["1.000", "(x", "1.00)"] * 3
    assert rows["words"] == ["2.00", "3.00", "1.00"]
    assert rows["codes"] == ["0.00", "0.00", "1.00"]
    assert rows["unknown"] == ["0.50", "0.67", "1.00"]


def test_as_json(esmm: Esmm, recipe_file: Path) -> None:
    model = stored(recipe_file)
    told = esmm("fusion", "show", "--query", "red running shoes", "--json").json()
    assert told["provenance"] == PROVENANCE
    assert (told["label"], told["kind"], told["made_for"]) == ("proven", "gate", model.made_for)
    assert told["clauses"]["text"] == {"weight": 0.5, "low": 0.1, "high": 0.8, "floor": 0.35, "boost": 4.5}
    assert "shares" not in told["gate"]
    (query,) = told["queries"]
    assert query["weights"]["text"] == pytest.approx(0.25)
    assert query["facts"]["words"] == 3
    assert told["weights"]["text"] == 0.5


def test_without_a_gate_all_queries_are_equal(esmm: Esmm, recipe_file: Path) -> None:
    stored(recipe_file, gate=False)
    done = esmm("fusion", "show", "--query", "red")
    assert "there is no gate" in done.out
    assert "there is no gate" not in esmm("fusion", "show").out


def test_faults_are_told(esmm: Esmm, recipe_file: Path) -> None:
    esmm("fusion", "show").fatal("there is no fusion.json", "esmm tune")
    stored(recipe_file, name="other.json", made_for="0" * 16)
    done = esmm("fusion", "show", "other.json")
    assert done.code == 0
    assert "tuned for another recipe" in done.err
    esmm("fusion", "show", "nowhere.json").fatal("nowhere.json cannot be read", "esmm tune")
