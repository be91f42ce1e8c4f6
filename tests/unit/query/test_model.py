"""fusion.json: read back as it was written, and every fault told."""

import json
from pathlib import Path
from typing import Any

import pytest

from esmm.errors import LearnError
from esmm.query.calibrate import shape_of
from esmm.query.fusion import Fusion, Window, untuned_fusion
from esmm.query.gate import FACTS
from esmm.query.model import FORMAT, ClauseModel, FusionModel, GateModel, digest_of, fusion_in_force, model_beside
from esmm.recipe import Recipe, load
from tests.conftest import TINY, tiny_recipe

GATE = GateModel(
    coefficients={"text": {"words": 0.25, "rarity": -0.125}},
    middles=dict.fromkeys(FACTS, 0.5),
    scales=dict.fromkeys(FACTS, 2.0),
    shares={"red": 0.25, "été": 0.001},
    least=1e-5,
)
CLAUSES = {
    "keyword": ClauseModel(weight=1.0, saturation=7.25),
    "text": ClauseModel(weight=0.4, low=0.1, high=0.8, floor=0.3, boost=4.5),
    "phrase": ClauseModel(weight=0.1, saturation=3.5, boost=0.25),
}
DECLARED = '[clauses.phrase]\nphrase = "title"\n'


def recipe_in(folder: Path, *, text: str = "") -> Recipe:
    (folder / "esmm.toml").write_text(text or TINY.format(name="tiny", analyzer="english") + DECLARED, "utf-8")
    return load(folder / "esmm.toml")


def model_for(recipe: Recipe, **more: Any) -> FusionModel:
    given: dict[str, Any] = {"kind": "gate", "label": "proven", "clauses": CLAUSES, "gate": GATE}
    provenance = {"judgements": "judged.tsv", "seed": 1, "interval_90": [0.01, 0.09]}
    return FusionModel(**given | {"made_for": digest_of(recipe), "provenance": provenance} | more)


def raw_of(model: FusionModel) -> dict[str, Any]:
    return model.model_dump(exclude_none=True)


def test_it_comes_back_as_it_was(tmp_path: Path) -> None:
    model = model_for(recipe_in(tmp_path))
    model.save(tmp_path / "fusion.json")
    assert FusionModel.load(tmp_path / "fusion.json") == model
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["esmm.toml", "fusion.json"]
    again = model_for(recipe_in(tmp_path))
    again.save(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "fusion.json").read_bytes()


def test_it_tells_its_own_query_from_others(tmp_path: Path) -> None:
    shape = shape_of({"match": {"title": {"query": "red", "boost": 2}}})
    model = model_for(recipe_in(tmp_path), provenance={"query_shape": shape})
    assert model.cautions({"match": {"title": {"query": "blue lamp", "boost": 2}}}) == ()
    assert model.cautions(None) == ()
    (told,) = model.cautions({"match": {"title": {"query": "red", "boost": 3}}}, name="other.json")
    assert told.startswith("other.json was tuned with another keyword query")
    assert model_for(recipe_in(tmp_path)).cautions({"match": {"title": "red"}}) == ()


def test_the_fusion_that_searches_use(tmp_path: Path) -> None:
    recipe = recipe_in(tmp_path)
    untuned = untuned_fusion(recipe, 12.5)
    fusion = model_for(recipe).fusion(untuned)
    assert fusion.weights == {**untuned.weights, "keyword": 1.0, "text": 0.4, "phrase": 0.1}
    assert (fusion.saturation, fusion.constant("phrase"), fusion.constant("text")) == (7.25, 3.5, None)
    assert (fusion.window("text"), fusion.window("image")) == (Window(0.1, 0.8), Window())
    assert (fusion.floors, fusion.boosts) == ({"text": 0.3}, {"text": 4.5, "phrase": 0.25})
    assert fusion.gate is not None
    assert fusion.gate.rarity.shares == GATE.shares
    plain = model_for(recipe, gate=None, clauses={"text": ClauseModel(weight=0.4)}).fusion(untuned)
    assert (plain.gate, plain.saturation, plain.constant("phrase")) == (None, 12.5, 10.0)
    raws = {"keyword": 7.25, "text": 0.45, "phrase": 3.5}
    assert fusion.score(raws) == pytest.approx(1.0 / 2 + 0.4 / 2 + 0.1 / 2)


def test_the_one_beside_the_recipe_is_in_force(tmp_path: Path) -> None:
    recipe = recipe_in(tmp_path)
    assert model_beside(recipe) is None
    assert fusion_in_force(recipe, 3.0) == untuned_fusion(recipe, 3.0)
    model = model_for(recipe)
    model.save(tmp_path / "fusion.json")
    assert model_beside(recipe) == model
    assert fusion_in_force(recipe, 3.0) == model.fusion(untuned_fusion(recipe, 3.0))


TEXT = TINY.format(name="tiny", analyzer="english") + DECLARED


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("boost = 3", "boost = 4", False),
        ("embed = 1", "embed = 0.5", False),
        ("digest-16", "digest-32", False),
        ('"english"', '"standard"', False),
        ('phrase = "title"', 'phrase = "brand"', False),
        ('phrase = "title"', 'phrase = "title"\nslop = 1', False),
        ('phrase = "title"', 'number = "price"', False),
        (DECLARED, "", False),
        ("[text]", '[search]\nform = "best_fields"\n[text]', False),
        ("[text]", '[text]\nquery_prefix = "query: "', False),
        ("[text]", "[search]\nk = 50\n[text]", True),
        ('phrase = "title"', 'phrase = "title"\nweight = 0.5\nsaturation = 4', True),
        ("facet = true", "facet = false", True),
        ('"tiny"', '"other"', True),
        ("[text]", "[fusion]\nkeyword = 0.5\n[text]", True),
    ],
)
def test_a_fusion_is_of_one_recipe(tmp_path: Path, old: str, new: str, same: bool) -> None:
    model_for(recipe_in(tmp_path)).save(tmp_path / "fusion.json")
    changed = recipe_in(tmp_path, text=TEXT.replace(old, new))
    assert changed.toml != TEXT
    if same:
        assert model_beside(changed) is not None
        return
    with pytest.raises(LearnError, match=r"fusion\.json was tuned for another recipe than .*esmm\.toml") as told:
        model_beside(changed)
    assert "esmm tune" in told.value.hint


@pytest.mark.parametrize(
    ("where", "value", "fault"),
    [
        (("clauses", "text", "weight"), -1, "clauses.text.weight: Input should be greater than or equal to 0"),
        (("clauses", "text", "weight"), "much", "clauses.text.weight: Input should be a valid number"),
        (("clauses", "text", "weigth"), 1, "clauses.text.weigth: Extra inputs are not permitted"),
        (("clauses", "keyword", "saturation"), 0, "clauses.keyword.saturation: Input should be greater than 0"),
        (("clauses", "text", "floor"), 2, "clauses.text.floor: Input should be less than or equal to 1"),
        (("clauses", "text", "high"), 0.1, "high is not above low in text"),
        (("clauses", "text", "low"), None, "clauses.text.low: Input should be a valid number"),
        (("gate", "scales", "words"), 0, "gate.scales.words: Input should be greater than 0"),
        (("gate", "shares", "red"), -0.5, "gate.shares.red: Input should be greater than 0"),
        (("label",), "certain", "label: Input should be 'proven'"),
        (("clauses",), [], "clauses: Input should be a valid dictionary"),
        (("format",), 0, "format: Input should be 1"),
        (("format",), FORMAT + 1, f"was written by a later esmm (format {FORMAT + 1})"),
    ],
)
def test_what_was_edited_by_hand_is_told(tmp_path: Path, where: tuple[str, ...], value: Any, fault: str) -> None:
    raw = raw_of(model_for(tiny_recipe()))
    inside = raw
    for name in where[:-1]:
        inside = inside[name]
    inside[where[-1]] = value
    path = tmp_path / "fusion.json"
    path.write_text(json.dumps(raw), encoding="utf-8")
    with pytest.raises(LearnError) as told:
        FusionModel.load(path)
    assert fault in told.value.message
    assert "fusion.json" in told.value.message
    assert told.value.hint


def test_a_gate_without_the_measure_of_a_fact_is_told(tmp_path: Path) -> None:
    """Else the search would fail at the first query."""
    raw = raw_of(model_for(tiny_recipe()))
    del raw["gate"]["middles"]["words"], raw["gate"]["scales"]["rarity"]
    path = tmp_path / "fusion.json"
    path.write_text(json.dumps(raw), encoding="utf-8")
    with pytest.raises(LearnError, match="gate: no middle or scale of rarity, words"):
        FusionModel.load(path)


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    raw = raw_of(model_for(tiny_recipe()))
    raw["label"], raw["clauses"]["text"]["weight"], raw["extra"] = "sure", -1, 1
    (tmp_path / "fusion.json").write_text(json.dumps(raw), encoding="utf-8")
    with pytest.raises(LearnError) as told:
        FusionModel.load(tmp_path / "fusion.json")
    assert all(name in told.value.message for name in ("label", "clauses.text.weight", "extra"))


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "null", '{"weight": NaN}', "\x00", '{"format": "1"}'])
def test_what_is_no_fusion_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "fusion.json").write_text(text, encoding="utf-8")
    with pytest.raises(LearnError, match=r"fusion\.json"):
        FusionModel.load(tmp_path / "fusion.json")


def test_numbers_that_are_none_are_told(tmp_path: Path) -> None:
    text = json.dumps(raw_of(model_for(tiny_recipe()))).replace("0.4", "NaN").replace("4.5", "Infinity")
    (tmp_path / "fusion.json").write_text(text, encoding="utf-8")
    with pytest.raises(LearnError) as told:
        FusionModel.load(tmp_path / "fusion.json")
    assert "clauses.text.weight" in told.value.message
    assert "clauses.text.boost" in told.value.message


@pytest.mark.parametrize("centres", [[], [[1.0, 0.0], [1.0]]])
def test_centres_that_cannot_be_compared_with_are_told(centres: list[list[float]]) -> None:
    with pytest.raises(ValueError, match="centres are not equally long, or there are none"):
        GateModel(coefficients={}, middles={}, scales={}, centres=centres)


def test_an_untuned_fusion_has_no_gate() -> None:
    assert untuned_fusion(tiny_recipe(), None) == Fusion(tiny_recipe().fusion.model_dump(exclude={"saturation"}))
