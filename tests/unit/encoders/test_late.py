"""Models that are loaded when the first item is encoded."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tiny_models

from esmm.encoders import load_encoder, load_encoders
from esmm.encoders.late import LateEncoder
from esmm.errors import EncoderError
from esmm.recipe import ImageVector, VectorField, parse

KNOWS = """
import sys
from esmm.encoders import load_encoder
from esmm.recipe import VectorField
info = load_encoder(VectorField(model=sys.argv[1], vector="v"), late=True).info
print(info.revision, "torch" in sys.modules)
"""


@pytest.fixture(autouse=True)
def notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ESMM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "encoders"


@pytest.fixture
def model(tiny_bert: Path, tmp_path: Path) -> VectorField:
    return VectorField(model=str(shutil.copytree(tiny_bert, tmp_path / "bert")), vector="v")


def is_late(vector: VectorField, device: str = "auto") -> bool:
    return isinstance(load_encoder(vector, late=True, device=device), LateEncoder)


def test_a_model_is_known_again_and_makes_the_same_vectors(model: VectorField) -> None:
    first, again = (load_encoder(model, late=True) for _ in range(2))
    assert (type(first).__name__, type(again).__name__) == ("SentenceEncoder", "LateEncoder")
    assert again.info == first.info
    texts = ["red shirt", "blue lamp"]
    assert np.array_equal(again.encode(texts), first.encode(texts))
    assert np.array_equal(again.encode(texts[:1]), first.encode(texts[:1]))


def test_what_a_recipe_asks_of_a_model_is_no_part_of_what_is_known(model: VectorField) -> None:
    is_late(model)
    cut = load_encoder(model.model_copy(update={"dims": 8, "passage_prefix": "a "}), late=True)
    assert (cut.info.dims, cut.info.passage_prefix) == (8, "a ")
    assert np.allclose(np.linalg.norm(cut.encode(["shirt"]), axis=1), 1)


def test_no_torch_for_a_model_that_is_known(model: VectorField) -> None:
    told = [
        subprocess.run([sys.executable, "-c", KNOWS, model.model], capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    ]
    revision, loaded = told[0].split()
    assert loaded == "True"
    assert told[1].split() == [revision, "False"]


def test_a_changed_model_is_loaded(model: VectorField) -> None:
    assert [is_late(model) for _ in range(2)] == [False, True]
    config = Path(model.model, "config.json")
    os.utime(config, (1, 1))
    assert [is_late(model) for _ in range(2)] == [False, True]
    Path(model.model, "new.txt").write_text("word\n")
    assert not is_late(model)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"id": "a"}'])
def test_a_damaged_note_is_written_anew(model: VectorField, notes: Path, text: str) -> None:
    info = load_encoder(model, late=True).info
    (note,) = notes.glob("*.json")
    note.write_text(text)
    assert not is_late(model)
    assert json.loads(note.read_text())["revision"] == info.revision


def test_a_model_that_changes_at_the_last_moment(model: VectorField) -> None:
    load_encoder(model, late=True)
    encoder = load_encoder(model, late=True)
    Path(model.model, "new.txt").write_text("word\n")
    with pytest.raises(EncoderError, match="bert was changed a moment ago"):
        encoder.encode(["shirt"])


def test_where_nothing_can_be_noted_models_are_loaded(
    model: VectorField, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("ESMM_CACHE", str(tmp_path / "file"))
    assert [is_late(model) for _ in range(2)] == [False, False]


def test_a_photo_tower_and_a_backbone(tmp_path: Path) -> None:
    tower = ImageVector(model="esmm-tower", vector="v")
    assert [is_late(tower) for _ in range(2)] == [False, True]
    weights = tiny_models.backbone(tmp_path / "small.pth")
    backbone = ImageVector(model="mobilenet_v3_small", weights=str(weights), vector="v")
    assert [is_late(backbone) for _ in range(2)] == [False, True]


def test_made_up_vectors_need_no_note(notes: Path) -> None:
    assert [is_late(VectorField(model="digest-8", vector="v")) for _ in range(2)] == [False, False]
    assert not notes.exists()


def test_a_device_by_name_is_tried_at_once(model: VectorField) -> None:
    is_late(model)
    with pytest.raises(EncoderError, match="device mps is not available here"):
        load_encoder(model, late=True, device="mps")


def test_a_missing_model_is_told_at_once(tmp_path: Path) -> None:
    recipe = parse(
        f'[index]\nname = "a"\n[fields]\nt = {{ type = "text", embed = 1 }}\n[text]\nmodel = "{tmp_path}/nosuch"\n'
    )
    loaded, faults = load_encoders(recipe, late=True)
    assert not loaded
    assert faults["text"].message == f"no model folder {tmp_path}/nosuch"
