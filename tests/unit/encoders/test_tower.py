"""Photo towers: built on any backbone, saved and loaded, named in a recipe."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save

from esmm.encoders import load_encoder, load_encoders
from esmm.encoders.backbone import normalised
from esmm.encoders.digest import DigestEncoder
from esmm.encoders.pixels import fitted
from esmm.encoders.tower import Tower, TowerConfig, TowerEncoder, load_tower, read_config, save_tower
from esmm.errors import EncoderError
from esmm.recipe import parse

TEXT = DigestEncoder(32).info
CONFIG = TowerConfig("shoes", "mobilenet_v3_small", 48, 24, 32, str(TEXT), TEXT.space)
PHOTOS = [Image.new("RGB", size, colour) for size, colour in (((40, 20), "red"), ((20, 40), "blue"), ((7, 7), "green"))]
RECIPE = """
[index]
name = "tiny"
[fields]
title = {{ type = "text", embed = 1 }}
image = {{ type = "photo" }}
[text]
model = "digest-32"
[image]
model = "{}"
"""


def pixels(side: int) -> torch.Tensor:
    made: torch.Tensor = normalised(np.stack([fitted(photo, side) for photo in PHOTOS]))
    return made


def made(config: TowerConfig = CONFIG) -> Tower:
    """A tower with random weights and the statistics of the photos, so that a lost one is seen."""
    torch.manual_seed(4)
    tower = Tower(config)
    with torch.inference_mode():
        tower.standardise(tower.features(pixels(config.side)))
    return tower.eval()


@pytest.fixture(scope="module")
def tower() -> Tower:
    return made()


@pytest.fixture
def folder(tower: Tower, tmp_path: Path) -> Path:
    save_tower(tower, tmp_path)
    return tmp_path


def test_a_tower_comes_back_as_it_was_saved(tower: Tower, folder: Path) -> None:
    back = load_tower(folder)
    assert back.config == CONFIG
    assert not back.training
    with torch.inference_mode():
        before, after = tower(pixels(48)), back(pixels(48))
    assert (before * after).sum(1).min().item() > 1 - 1e-3
    assert (before[0] * after[1]).sum().item() < 0.98  # two photos are further apart than that
    assert sorted(path.name for path in folder.iterdir()) == ["tower.json", "tower.safetensors"]


def test_tables_of_the_projection_take_a_byte_a_number_and_the_rest_two(tower: Tower, folder: Path) -> None:
    tables = tower.widen.weight.numel() + tower.out.weight.numel()
    numbers = sum(value.numel() for value in tower.state_dict().values()) - tables
    assert (folder / "tower.safetensors").stat().st_size < 2 * numbers + tables + 60_000


def test_a_table_comes_back_within_half_a_step_of_its_row(tower: Tower, folder: Path) -> None:
    before, after = tower.widen.weight.detach(), load_tower(folder).widen.weight.detach()
    step = before.abs().amax(1, keepdim=True) / 127
    assert ((before - after).abs() <= step * 0.501).all()
    assert not torch.equal(before, after)


def test_a_tower_of_the_format_before_is_read(tower: Tower, folder: Path) -> None:
    halves = {name: value.half() if value.is_floating_point() else value for name, value in tower.state_dict().items()}
    (folder / "tower.safetensors").write_bytes(save({name: value.contiguous() for name, value in halves.items()}))
    config = json.loads((folder / "tower.json").read_text())
    (folder / "tower.json").write_text(json.dumps(config | {"format": 2}))
    torch.testing.assert_close(load_tower(folder).widen.weight, tower.widen.weight, atol=1e-3, rtol=0)


def test_saving_over_a_tower_replaces_it(folder: Path) -> None:
    other = made(replace(CONFIG, hidden=12))
    save_tower(other, folder)
    assert load_tower(folder).widen.out_features == 12


def test_rows_do_not_depend_on_the_company(folder: Path) -> None:
    encoder = TowerEncoder(folder)
    many = encoder.encode(PHOTOS * 15)  # more than one batch
    assert many.shape == (45, 32)
    assert many.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(many, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(many[:3], many[-3:], atol=1e-5)
    np.testing.assert_allclose(encoder.encode(PHOTOS[1:2])[0], many[1], atol=1e-5)
    assert encoder.encode([]).shape == (0, 32)


def test_training_leaves_all_statistics_alone(tower: Tower) -> None:
    tower.train()
    assert tower.training
    assert not any(module.training for module in (tower.norm, *tower.backbone.modules()))
    tower.eval()


def test_standardised_features_have_mean_0_and_variance_1_and_say_so(folder: Path) -> None:
    tower = Tower(CONFIG)
    new = tower.is_standardised
    with torch.inference_mode():
        features = tower.features(pixels(48))
        tower.standardise(features)
        seen = tower.norm(features)
    spread = features.var(0, unbiased=False) > 1e-2  # of what hardly varies, only little is made
    torch.testing.assert_close(seen.mean(0), torch.zeros(seen.shape[1]), atol=1e-2, rtol=0)
    torch.testing.assert_close(seen.var(0, unbiased=False)[spread], torch.ones(int(spread.sum())), atol=1e-2, rtol=0)
    assert spread.any()
    assert (new, tower.is_standardised) == (False, True)
    assert load_tower(folder).is_standardised


BACKBONES = ["resnet18", "efficientnet_b0", "shufflenet_v2_x0_5"]


@pytest.mark.parametrize("name", BACKBONES)
def test_any_classification_model_carries_a_tower(name: str) -> None:
    """Several stages arrive: more than the classifier's own features and one more layer."""
    tower = made(replace(CONFIG, backbone=name, side=64))
    seen = tower.features(pixels(64))
    own = tower.backbone(torch.zeros(1, 3, 64, 64)).shape[1]
    assert seen.shape[0] == 3
    assert seen.shape[1] > 2 * own
    assert torch.isfinite(seen).all()
    rows = tower.project(seen)
    assert rows.shape == (3, 32)
    torch.testing.assert_close(rows.norm(dim=1), torch.ones(3))
    assert (rows[0] * rows[1]).sum().item() < 0.999


def test_a_photo_is_fitted_whole_with_white_borders() -> None:
    wide, tall, square = (fitted(Image.new("RGB", size, "red"), 32) for size in ((40, 20), (10, 40), (8, 8)))
    assert wide.shape == tall.shape == square.shape == (32, 32, 3)
    assert wide.dtype == np.uint8
    red = [(pixels == (255, 0, 0)).all(axis=2) for pixels in (wide, tall, square)]
    assert [(int(found.any(1).sum()), int(found.any(0).sum())) for found in red] == [(16, 32), (32, 8), (32, 32)]
    assert (wide[[0, 7, 24, 31]] == 255).all()
    assert red[0][8:24].all()
    assert red[1][:, 12:20].all()


def test_a_photo_of_one_line_keeps_one_line() -> None:
    found = fitted(Image.new("RGB", (1000, 2), "red"), 32)
    assert int((found == (255, 0, 0)).all(axis=2).any(1).sum()) == 1


@pytest.mark.parametrize(
    ("name", "side", "sentence"),
    [
        ("alexnet", 32, "alexnet takes no photos of 32 pixels"),
        ("resnet18", 0, "resnet18 takes no photos of 0 pixels"),
        ("squeezenet1_1", 64, "squeezenet1_1 ends without a linear layer"),
        ("nonet_v9", 64, "torchvision has no classification model nonet_v9"),
        ("fasterrcnn_resnet50_fpn", 64, "torchvision has no classification model fasterrcnn_resnet50_fpn"),
    ],
)
def test_what_carries_no_tower_is_one_sentence(name: str, side: int, sentence: str) -> None:
    with pytest.raises(EncoderError) as caught:
        made(replace(CONFIG, backbone=name, side=side))
    assert caught.value.message.startswith(sentence)
    assert "\n" not in caught.value.message
    assert caught.value.hint


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "no config": (lambda at: (at / "tower.json").unlink(), "tower.json is no description of a tower"),
    "config that is no JSON": (lambda at: (at / "tower.json").write_text("{"), "tower.json is no description"),
    "config that is a list": (lambda at: (at / "tower.json").write_text("[]"), "tower.json is no description"),
    "config without dims": (lambda at: _changed(at, dims=None), "tower.json is no description"),
    "another width": (lambda at: _changed(at, hidden=25), "does not load as a photo tower"),
    "another backbone": (lambda at: _changed(at, backbone="resnet18"), "does not load as a photo tower"),
    "an unknown backbone": (lambda at: _changed(at, backbone="nonet_v9"), "does not load as a photo tower"),
    "a side of 0": (lambda at: _changed(at, side=0), "does not load as a photo tower"),
    "no weights": (lambda at: (at / "tower.safetensors").unlink(), "does not load as a photo tower"),
    "weights cut": (lambda at: _cut(at / "tower.safetensors"), "does not load as a photo tower"),
    "weights that are none": (lambda at: (at / "tower.safetensors").write_text("no"), "does not load as a photo"),
}


def _changed(folder: Path, **values: object) -> None:
    raw = json.loads((folder / "tower.json").read_text()) | values
    (folder / "tower.json").write_text(json.dumps({name: value for name, value in raw.items() if value is not None}))


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


@pytest.mark.parametrize("how", BROKEN)
def test_a_folder_that_cannot_be_used_is_one_sentence(folder: Path, how: str) -> None:
    spoil, sentence = BROKEN[how]
    spoil(folder)
    with pytest.raises(EncoderError) as caught:
        TowerEncoder(folder)
    assert sentence in caught.value.message
    assert str(folder) in caught.value.message
    assert "\n" not in caught.value.message
    assert caught.value.hint


def test_read_config_reads_what_was_written(folder: Path) -> None:
    assert read_config(folder) == CONFIG


def test_a_recipe_names_a_tower_by_its_folder(folder: Path) -> None:
    loaded, faults = load_encoders(parse(RECIPE.format(folder), source="tiny.toml"), device="cpu")
    assert not faults
    text, photo = loaded["text"].info, loaded["image"].info
    assert (photo.id, photo.dims, photo.takes) == ("shoes", 32, ("photo",))
    assert photo.space == text.space  # one question's vector serves both fields
    np.testing.assert_allclose(loaded["image"].encode(PHOTOS), TowerEncoder(folder).encode(PHOTOS), atol=1e-6)


def test_a_tower_makes_no_text_vector(folder: Path) -> None:
    recipe = parse(RECIPE.format(folder).replace("digest-32", str(folder)), source="tiny.toml")
    _, faults = load_encoders(recipe, device="cpu")
    assert "takes no text" in faults["text"].message


def test_the_revision_follows_weights_and_config(folder: Path) -> None:
    first = TowerEncoder(folder).info
    assert TowerEncoder(folder).info == first
    save_tower(made(replace(CONFIG, name="boots")), folder)
    assert TowerEncoder(folder).info.revision != first.revision
    tower = made()
    tower.out.bias.data += 0.1
    save_tower(tower, folder)
    assert TowerEncoder(folder).info.revision not in (first.revision, None)


def test_a_broken_tower_in_a_recipe_is_a_fault_of_the_image_clause(folder: Path) -> None:
    (folder / "tower.safetensors").unlink()
    recipe = parse(RECIPE.format(folder), source="tiny.toml")
    loaded, faults = load_encoders(recipe, device="cpu")
    assert set(loaded) == {"text"}
    assert set(faults) == {"image"}
    assert recipe.image is not None
    with pytest.raises(EncoderError, match="does not load as a photo tower"):
        load_encoder(recipe.image, device="cpu")
