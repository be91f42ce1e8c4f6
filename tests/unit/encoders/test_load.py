"""From the name in a recipe to an encoder."""

import shutil
from pathlib import Path

import pytest
import tiny_models

from esmm.encoders import Encoder, ModelKey, load_encoder, load_encoders, pick_device
from esmm.errors import EncoderError
from esmm.recipe import Recipe, VectorField, parse


def recipe(text: str, image: str) -> Recipe:
    return parse(
        '[index]\nname = "a"\n[fields]\nt = { type = "text", embed = 1 }\np = { type = "photo" }\n'
        f'[text]\nmodel = "{text}"\n[image]\nmodel = "{image}"\n'
    )


def field(model: str) -> VectorField:
    return VectorField(model=model, vector="v")


def test_a_digest() -> None:
    assert load_encoder(field("digest-12")).info.dims == 12


def test_a_model_that_both_vectors_name_is_loaded_once(tiny_clip: Path) -> None:
    loaded, faults = load_encoders(recipe(str(tiny_clip), str(tiny_clip)), device="cpu")
    assert not faults
    assert loaded["text"] is loaded["image"]
    assert loaded["text"].info.takes == ("text", "photo")


def test_a_model_that_both_vectors_want_otherwise_is_loaded_once(tiny_clip: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_clip, tmp_path / "clip")
    wanted = recipe(f'{folder}"\ndims = 8\npassage_prefix = "a ', f'{folder}"\nquery_prefix = "a photo of ')
    assert wanted.text
    assert wanted.image
    models: dict[ModelKey, Encoder] = {}
    text = load_encoder(wanted.text, device="cpu", models=models)
    shutil.rmtree(folder)
    image = load_encoder(wanted.image, device="cpu", models=models)
    assert len(models) == 1
    assert (text.info.dims, image.info.dims) == (8, 12)


def test_known_twins_from_the_hubs_cache_share_a_space(
    tiny_clip: Path, tiny_twin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny_models.cached(tiny_clip, tmp_path, "sentence-transformers/clip-ViT-B-32")
    tiny_models.cached(tiny_twin, tmp_path, "sentence-transformers/clip-ViT-B-32-multilingual-v1")
    tiny_models.cached(tiny_twin, tmp_path, "someone/other")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    loaded, faults = load_encoders(recipe("clip-ViT-B-32-multilingual-v1", "clip-ViT-B-32"), device="cpu")
    assert not faults
    text, image = loaded["text"].info, loaded["image"].info
    assert (text.id, image.id) == ("clip-ViT-B-32-multilingual-v1", "clip-ViT-B-32")
    assert (text.takes, image.takes) == (("text",), ("text", "photo"))
    assert text.space == image.space == "clip-ViT-B-32"
    assert load_encoder(field("someone/other"), device="cpu").info.space == "someone/other"


def test_one_encoder_at_fault_leaves_the_other(tiny_bert: Path) -> None:
    loaded, faults = load_encoders(recipe("./nosuch", "digest-8"), device="cpu")
    assert loaded.keys() == {"image"}
    assert faults.keys() == {"text"}
    assert faults["text"].message == "no model folder ./nosuch"
    loaded, faults = load_encoders(recipe("digest-8", str(tiny_bert)), device="cpu")
    assert loaded.keys() == {"text"}
    assert faults.keys() == {"image"}
    assert faults["image"].message == "tiny-bert takes no photo, so it cannot make the image vector"


def test_a_backbone_takes_no_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torch import save
    from torchvision.models import get_model

    save(get_model("mobilenet_v3_small", weights=None).state_dict(), tmp_path / "w.pth")
    made = recipe('mobilenet_v3_small"\nweights = "w.pth', "digest-8")
    monkeypatch.chdir(tmp_path)
    loaded, faults = load_encoders(made, device="cpu")
    assert loaded.keys() == {"image"}
    assert faults["text"].message.startswith("torchvision/mobilenet_v3_small takes no text")


@pytest.mark.parametrize("name", ["fasterrcnn_resnet50_fpn", "r3d_18", "deeplabv3_resnet50"])
def test_torchvisions_other_models_are_no_photo_encoders(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(EncoderError, match=f"model sentence-transformers/{name} is not in a local folder"):
        load_encoder(field(name), device="cpu")


def test_devices() -> None:
    import torch

    assert pick_device("cpu") == "cpu"
    assert pick_device("auto") in ("cpu", "cuda", "mps")
    missing = [d for d, there in {"cuda": torch.cuda, "mps": torch.backends.mps}.items() if not there.is_available()]
    for device in [*missing, "tpu"]:
        with pytest.raises(EncoderError, match=f"device {device} is not available here"):
            pick_device(device)
