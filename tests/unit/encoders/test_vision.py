"""Torchvision backbones with weights made on the spot."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import models

from esmm.encoders.vision import VisionEncoder
from esmm.errors import EncoderError

RED, BLUE = Image.new("RGB", (40, 20), "red"), Image.new("RGB", (20, 40), "blue")
SMALL = "mobilenet_v3_small"


def weights_of(name: str, file: Path) -> Path:
    torch.manual_seed(1)
    torch.save(models.get_model(name, weights=None).state_dict(), file)
    return file


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return weights_of(SMALL, tmp_path_factory.mktemp("weights") / "small.pth")


def reference(name: str, file: Path, photo: Image.Image) -> Any:
    """Return the input of the last linear layer, caught on its way, for a photo prepared by torchvision itself."""
    from torchvision.transforms import functional

    model = models.get_model(name, weights=None).eval()
    model.load_state_dict(torch.load(file, weights_only=True))
    last = [module for module in model.modules() if isinstance(module, torch.nn.Linear)][-1]
    caught: list[torch.Tensor] = []
    last.register_forward_pre_hook(lambda _, inputs: caught.append(inputs[0]))
    pixels = functional.normalize(
        functional.to_tensor(photo.resize((224, 224))), [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    )
    with torch.inference_mode():
        model(pixels[None])
    return torch.nn.functional.normalize(caught[0], dim=1)[0].numpy()


@pytest.mark.parametrize(("name", "dims"), [(SMALL, 1024), ("resnet18", 512), ("shufflenet_v2_x0_5", 1024)])
def test_the_features_are_what_comes_before_the_last_linear_layer(name: str, dims: int, tmp_path: Path) -> None:
    file = weights_of(name, tmp_path / "w.pth")
    encoder = VisionEncoder(name, weights=file, batch=2)
    rows = encoder.encode([RED, BLUE, RED])
    assert rows.shape == (3, dims)
    assert rows.dtype == np.float32
    assert [float(np.linalg.norm(row)) for row in rows] == pytest.approx([1, 1, 1], abs=1e-5)
    np.testing.assert_allclose(rows[2], reference(name, file, RED), atol=1e-4)
    assert not np.allclose(rows[0], rows[1], atol=1e-3)
    assert (encoder.info.id, encoder.info.dims, encoder.info.takes) == (f"torchvision/{name}", dims, ("photo",))


def test_nothing_in_nothing_out(weights: Path) -> None:
    assert VisionEncoder(SMALL, weights=weights).encode([]).shape == (0, 1024)


def test_half_precision_weights_are_read(weights: Path, tmp_path: Path) -> None:
    half = {key: v.half() if v.is_floating_point() else v for key, v in torch.load(weights, weights_only=True).items()}
    torch.save(half, tmp_path / "half.pth")
    one, other = (VisionEncoder(SMALL, weights=file) for file in (weights, tmp_path / "half.pth"))
    np.testing.assert_allclose(one.encode([RED]), other.encode([RED]), atol=1e-2)
    assert one.info.revision != other.info.revision


def test_the_revision_and_the_space_change_with_the_weights(weights: Path, tmp_path: Path) -> None:
    state = torch.load(weights, weights_only=True)
    first = next(key for key, value in state.items() if value.is_floating_point())
    torch.save(state | {first: state[first] + 1e-3}, tmp_path / "other.pth")
    one, other = (VisionEncoder(SMALL, weights=file).info for file in (weights, tmp_path / "other.pth"))
    assert one.differences(other).keys() == {"revision", "space"}
    assert one.space != other.space
    assert VisionEncoder(SMALL, weights=weights).info == one


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda _: None, "weights file {file} does not exist"),
    "empty": (lambda file: file.write_bytes(b""), "weights file {file} cannot be read: "),
    "text": (lambda file: file.write_text("no weights"), "weights file {file} cannot be read: "),
    "folder": (lambda file: file.mkdir(), "weights file {file} cannot be read: "),
    "of another model": (lambda file: weights_of("resnet18", file), "{file} do not fit torchvision's " + SMALL),
    "a list": (lambda file: torch.save([1], file), "{file} do not fit torchvision's " + SMALL),
    "a checkpoint": (lambda file: torch.save({"epoch": 3}, file), "{file} do not fit torchvision's " + SMALL),
}


@pytest.mark.parametrize("how", BROKEN)
def test_weights_that_cannot_be_used_are_one_sentence(tmp_path: Path, how: str) -> None:
    file = tmp_path / "w.pth"
    make, sentence = BROKEN[how]
    make(file)
    with pytest.raises(EncoderError) as caught:
        VisionEncoder(SMALL, weights=file)
    assert caught.value.message.startswith(sentence.format(file=file))
    assert "\n" not in caught.value.message
    assert caught.value.hint


def test_a_truncated_file(weights: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.pth"
    cut.write_bytes(weights.read_bytes()[:-5000])
    with pytest.raises(EncoderError, match=r"^weights file .*cut\.pth cannot be read: "):
        VisionEncoder(SMALL, weights=cut)


def test_a_model_without_a_last_linear_layer(tmp_path: Path) -> None:
    file = weights_of("squeezenet1_1", tmp_path / "w.pth")
    with pytest.raises(EncoderError, match="squeezenet1_1 ends without a linear layer"):
        VisionEncoder("squeezenet1_1", weights=file)


@pytest.mark.parametrize(
    ("cached", "sentence"),
    [
        (None, "are not in torchvision's cache and cannot be fetched"),
        (b"junk", "in torchvision's cache cannot be read"),
    ],
)
def test_torchvisions_own_weights(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    cached: bytes | None,
    sentence: str,
) -> None:
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # no network here, whatever the machine has
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    place = tmp_path / "hub/checkpoints" / Path(models.get_model_weights(SMALL).DEFAULT.url).name
    place.parent.mkdir(parents=True)
    if cached:
        place.write_bytes(cached)
    with pytest.raises(EncoderError, match=sentence):
        VisionEncoder(SMALL)
    assert capsys.readouterr().out == ""  # standard output is for results
    torch.save(models.get_model(SMALL, weights=None).state_dict(), place)
    assert VisionEncoder(SMALL).info.dims == 1024
