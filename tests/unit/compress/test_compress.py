"""From a torch encoder to its compressed form: how near it comes, and what is refused."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import shop
import tiny_models
import torch
from torch import nn

from esmm.compress import compress, folders_of, quantise
from esmm.compress.originals import original
from esmm.compress.quantise import quantised
from esmm.compress.rotation import principal_axes
from esmm.compress.samples import gather, shipped_samples
from esmm.encoders import load_encoder
from esmm.encoders.onnx import GRAPH, load_onnx, read_config
from esmm.errors import CatalogueError, EncoderError, EsmmError
from esmm.recipe import VectorField

from .conftest import recipe_of

WORDS = ["red shoe", "blue", "a photo of a green lamp " * 9, "", "black shirt", "rot schuh : a black shirt"]
PHOTOS = [shop.photo(number * 9) for number in range(10)]


def field(model: Path | str, **settings: object) -> VectorField:
    return VectorField(model=str(model), vector="v", **settings)  # type: ignore[arg-type]


def cosines(one: object, other: object) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return (np.asarray(one) * np.asarray(other)).sum(axis=1)


def test_a_text_model_and_one_with_a_dense_layer(bert: Path, twin: Path, tmp_path: Path) -> None:
    for model, dims in ((bert, 16), (twin, 12)):
        folders = folders_of(recipe := recipe_of(f'model = "{model}"'), tmp_path / model.name)
        compress(recipe, folders)
        before, after = load_encoder(field(model), device="cpu"), load_encoder(field(folders["text"]))
        assert after.encode(WORDS).shape == (len(WORDS), dims)
        assert cosines(before.encode(WORDS), after.encode(WORDS)).min() > 0.97
        assert (after.info.space, after.info.takes) == (before.info.space, before.info.takes)
        assert after.info.revision != before.info.revision
        assert after.info.id == f"{model.name}-int8"
        assert read_config(folders["text"]).made_from == f"{model.name}@{before.info.revision}"


def test_other_kinds_of_transformers(bert: Path, tmp_path: Path) -> None:
    """Their positions are counted otherwise, from the padding or relative to each other; one knows no token types."""
    from transformers import DistilBertConfig, DistilBertModel, MPNetConfig, MPNetModel, XLMRobertaConfig
    from transformers import XLMRobertaModel as Roberta

    size = {"vocab_size": len(tiny_models.WORDS), "pad_token_id": 0}
    shared = {**size, **tiny_models.LAYERS, "max_position_embeddings": 40}
    distilled = DistilBertConfig(**size, dim=16, n_layers=1, n_heads=2, hidden_dim=32)
    for number, model in enumerate(
        (DistilBertModel(distilled), MPNetModel(MPNetConfig(**shared)), Roberta(XLMRobertaConfig(**shared)))
    ):
        folder = tmp_path / f"other{number}"
        torch.manual_seed(number)
        model.save_pretrained(folder)
        tiny_models.save_tokenizer(folder, 32)
        made_of = original(field(folder))
        (tmp_path / f"work{number}").mkdir()
        after = load_onnx(quantised(made_of, WORDS, tmp_path / f"work{number}"))
        assert cosines(made_of.encode(WORDS), after.encode(WORDS)).min() > 0.97


def test_a_backbone(backbone: Path, tmp_path: Path) -> None:
    recipe = recipe_of(image=f'model = "mobilenet_v3_small"\nweights = "{backbone}"')
    folders = folders_of(recipe, tmp_path)
    compress(recipe, folders)
    config = read_config(folders["image"])
    assert config.quantised in ("static", "weights")
    assert sum(file.stat().st_size for file in folders["image"].iterdir()) < 0.32 * config.bytes_before
    assert recipe.image
    before, after = load_encoder(recipe.image, device="cpu"), load_encoder(field(folders["image"]))
    assert cosines(before.encode(PHOTOS), after.encode(PHOTOS)).min() > 0.98
    assert (after.info.space, after.info.takes) == (before.info.space, ("photo",))


def test_a_tower_stays_in_the_space_of_its_texts(tmp_path: Path) -> None:
    from esmm.encoders.tower import Tower, TowerConfig, save_tower

    torch.manual_seed(3)
    config = TowerConfig("t", "mobilenet_v3_small", side=96, hidden=32, dims=16, text="bert@1", space="bert")
    (tmp_path / "tower").mkdir()
    save_tower(Tower(config).eval(), tmp_path / "tower")
    recipe = recipe_of(image=f'model = "{tmp_path / "tower"}"')
    folders = folders_of(recipe, tmp_path / "out", only="image")
    compress(recipe, folders)
    before, after = load_encoder(field(tmp_path / "tower"), device="cpu"), load_encoder(field(folders["image"]))
    photos = [*PHOTOS, shop.photo(5).resize((90, 30))]  # fitted into a square, not pulled to one
    assert cosines(before.encode(photos), after.encode(photos)).min() > 0.98
    assert after.info.space == "bert"


def test_where_sums_lose_too_much_the_weights_alone_are_int8(
    twin: Path, backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantise, "_FLOOR", {"dynamic": 1.1, "static": 1.1, "weights": 0.999})
    monkeypatch.setattr(quantise, "_SMALL", 16)
    photos = field("mobilenet_v3_small", weights=str(backbone))
    for number, (vector, items) in enumerate(((field(twin), WORDS), (photos, PHOTOS))):
        made_of = original(vector)
        (tmp_path / str(number)).mkdir()
        folder = quantised(made_of, items, tmp_path / str(number))
        assert read_config(folder).quantised == "weights"
        assert cosines(made_of.encode(items), load_onnx(folder).encode(items)).min() > 0.999
        assert (folder / GRAPH).stat().st_size < (tmp_path / str(number) / "exported.onnx").stat().st_size


def test_a_graph_that_computes_something_else_is_refused(bert: Path, tmp_path: Path) -> None:
    class Opposite(nn.Module):
        def __init__(self, graph: nn.Module) -> None:
            super().__init__()
            self.graph = graph

        def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
            return -self.graph(*inputs)

    made_of = original(field(bert))
    with pytest.raises(EncoderError, match=r"bert cannot be compressed: exported, .* cosine of -1\.000"):
        quantised(replace(made_of, module=Opposite(made_of.module)), WORDS, tmp_path)


def test_what_int8_moves_too_far_is_refused(twin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantise, "_FLOOR", {"dynamic": 1.1, "weights": 1.1})
    with pytest.raises(EncoderError, match=r"twin cannot be compressed: as int8, .* cosine of (0\.9|1)"):
        quantised(original(field(twin)), WORDS, tmp_path)


def test_turned_vectors_have_the_cosines_they_had_and_tell_most_first(twin: Path, tmp_path: Path) -> None:
    catalogue = shop.write(tmp_path / "c.jsonl", [{"id": str(n), "t": text} for n, text in enumerate(WORDS * 4)])
    recipe = recipe_of(f'model = "{twin}"')
    folders = folders_of(recipe, tmp_path / "out")
    compress(recipe, folders, pca=str(catalogue))
    before, after = (load_encoder(field(model), device="cpu") for model in (twin, folders["text"]))
    one, turned = before.encode(WORDS), after.encode(WORDS)
    np.testing.assert_allclose(turned @ turned.T, one @ one.T, atol=0.06)
    kept, had = ((rows[:, :4] ** 2).sum() for rows in (turned, one))
    assert kept > 1.2 * had
    assert after.info.space.startswith(f"{before.info.space}+pca:")
    cut = load_encoder(field(folders["text"], dims=4))
    np.testing.assert_allclose(np.linalg.norm(cut.encode(WORDS), axis=1), 1, atol=1e-5)


def test_principal_axes() -> None:
    rng = np.random.default_rng(0)
    scale = np.array([1, 5, 2, 3], dtype=np.float32)
    rows = (rng.standard_normal((500, 4)) * scale).astype(np.float32)
    axes = principal_axes([rows])
    np.testing.assert_allclose(axes.T @ axes, np.eye(4), atol=1e-5)
    assert np.abs(axes).argmax(axis=0).tolist() == [1, 3, 2, 0]
    many = principal_axes([np.repeat(rows, 3, axis=0), rows[:, ::-1]])
    np.testing.assert_allclose(np.abs(many), np.abs(principal_axes([rows, rows[:, ::-1]])), atol=1e-4)


def test_encoders_of_one_space_are_turned_as_one(bert: Path) -> None:
    from esmm.compress.rotation import rotated
    from esmm.compress.samples import Samples

    made_of = original(field(bert))
    other = replace(made_of, config=replace(made_of.config, space="other"))
    turned = rotated({"text": made_of, "image": made_of}, Samples(WORDS, WORDS[:2]))  # type: ignore[arg-type]
    assert turned["text"].config.space == turned["image"].config.space
    apart = rotated({"text": made_of, "image": other}, Samples(WORDS, WORDS[:2]))  # type: ignore[arg-type]
    assert apart["text"].config.space != turned["text"].config.space
    assert apart["image"].config.space.startswith("other+pca:")
    with pytest.raises(EsmmError, match="nothing for the image vectors"):
        rotated({"text": made_of, "image": made_of}, Samples(WORDS, []))


def test_samples(tmp_path: Path) -> None:
    shipped = shipped_samples()
    assert len(shipped.texts) > 50
    assert len(shipped.photos) > 50
    products = [{"id": "1", "t": "red", "p": "no.png"}, {"t": "no id"}, {"id": "2", "t": "blue", "p": "photos/0.png"}]
    shop.write_photos(tmp_path, 1)
    catalogue = str(shop.write(tmp_path / "c.jsonl", products))
    found = gather(catalogue, recipe_of('passage_prefix = "passage: "', 'model = "digest-8"'))
    assert (found.texts, len(found.photos)) == (["passage: red", "passage: blue"], 1)
    with pytest.raises(CatalogueError, match="gives no text and no photo"):
        gather(str(shop.write(tmp_path / "d.jsonl", [{"id": "1"}])), recipe_of('model = "digest-8"'))


def prompted(bert: Path, folder: Path) -> Path:
    from sentence_transformers import SentenceTransformer

    made = SentenceTransformer(str(bert), device="cpu", prompts={"q": "query: "}, default_prompt_name="q")
    made.save(str(folder))
    return folder


def test_what_cannot_be_compressed(bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    clip = tiny_models.clip(tmp_path / "clip")
    refused = {
        "digest-8": "digest-8 has no weights to compress",
        str(clip): "clip is made of .* and cannot be compressed",
        "nosuch": "model sentence-transformers/nosuch is not in a local folder",
        str(prompted(bert, tmp_path / "prompted")): "prompted cannot be compressed: it adds a prompt of its own",
    }
    for name, why in refused.items():
        with pytest.raises(EncoderError, match=why):
            original(field(name))
    folders = folders_of(recipe := recipe_of(f'model = "{bert}"'), tmp_path / "out")
    compress(recipe, folders)
    with pytest.raises(EncoderError, match="text is compressed already"):
        original(field(folders["text"]))
    with pytest.raises(EsmmError, match="text exists already"):
        folders_of(recipe, tmp_path / "out")
    with pytest.raises(EsmmError, match=r"a\.toml names no encoder to compress"):
        folders_of(recipe, tmp_path / "more", only="image")


def test_the_device_onnx_takes_what_was_compressed_on_this_machine(
    bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ESMM_CACHE", str(tmp_path / "cache"))
    model = shutil.copytree(bert, tmp_path / "model")
    recipe = recipe_of(f'model = "{model}"\ndevice = "onnx"')
    assert recipe.text
    with pytest.raises(EncoderError, match="model has not been compressed") as caught:
        load_encoder(recipe.text)
    assert "esmm compress" in caught.value.hint
    compress(recipe, folders_of(recipe, None))
    assert load_encoder(recipe.text).info.id == "model-int8"
    assert load_encoder(recipe.text, device="cpu").info.id == "model"
    assert load_encoder(field(model), device="onnx").info == load_encoder(recipe.text).info
    made = folders_of(recipe, None)["text"] / GRAPH
    before = made.stat().st_mtime_ns
    compress(recipe, folders_of(recipe, None))
    assert made.stat().st_mtime_ns == before
    config = json.loads((model / "config.json").read_text("utf-8"))
    (model / "config.json").write_text(json.dumps(config | {"hidden_act": "relu"}), encoding="utf-8")
    with pytest.raises(EncoderError, match="model has not been compressed"):
        load_encoder(recipe.text)


def test_the_device_onnx_and_photos(backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ESMM_CACHE", str(tmp_path / "cache"))
    lines = 'model = "mobilenet_v3_small"\ndevice = "onnx"\nweights = '
    with pytest.raises(EncoderError, match=r"weights file .*nosuch\.pth does not exist"):
        folders_of(recipe_of(image=f'{lines}"{tmp_path}/nosuch.pth"'), None)
    one, other = (recipe_of(image=made) for made in (f'{lines}"{backbone}"', lines.removesuffix("weights = ")))
    places = [folders_of(recipe, None)["image"] for recipe in (one, other)]
    assert places[0] != places[1]
    compress(one, folders_of(one, None))
    assert one.image
    assert load_encoder(one.image).info.id == "torchvision/mobilenet_v3_small-int8"
