"""Prefixes, fewer dims and shared spaces: what a recipe asks of a model beyond its name."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from esmm.encoders import Encoder, Role, load_encoder
from esmm.encoders.digest import DigestEncoder
from esmm.encoders.sentence import SentenceEncoder
from esmm.errors import EncoderError
from esmm.recipe import VectorField

PREFIXES = {"query_prefix": "query: ", "passage_prefix": "passage: "}
RED = Image.new("RGB", (20, 20), "red")


def encoder(model: Path | str, *, role: Role = "passage", **settings: Any) -> Encoder:
    return load_encoder(VectorField(model=str(model), vector="v", **settings), device="cpu", role=role)


@pytest.mark.parametrize("role", ["query", "passage"])
def test_a_prefix_stands_before_each_text_of_its_role(tiny_bert: Path, role: Role) -> None:
    plain = encoder(tiny_bert)
    made = encoder(tiny_bert, role=role, **PREFIXES)
    np.testing.assert_allclose(made.encode(["red shoe"]), plain.encode([f"{role}: red shoe"]), atol=1e-6)
    assert not np.allclose(made.encode(["red shoe"]), plain.encode(["red shoe"]), atol=1e-3)
    assert (made.info.query_prefix, made.info.passage_prefix) == ("query: ", "passage: ")


def test_both_roles_have_one_identity(tiny_bert: Path) -> None:
    assert encoder(tiny_bert, role="query", **PREFIXES).info == encoder(tiny_bert, **PREFIXES).info


def test_a_photo_takes_no_prefix(tiny_clip: Path) -> None:
    made = encoder(tiny_clip, role="query", query_prefix="a photo of ")
    plain = encoder(tiny_clip)
    np.testing.assert_array_equal(made.encode([RED]), plain.encode([RED]))
    np.testing.assert_allclose(made.encode(["a shoe"]), plain.encode(["a photo of a shoe"]), atol=1e-6)


@pytest.mark.parametrize("dims", [1, 5, 16])
def test_the_first_numbers_are_kept_and_brought_to_length_one(tiny_bert: Path, dims: int) -> None:
    whole, cut = encoder(tiny_bert), encoder(tiny_bert, dims=dims)
    texts = ["red shoe", "blue shirt"]
    expected = whole.encode(texts)[:, :dims]
    expected = expected / np.linalg.norm(expected, axis=1, keepdims=True)
    rows = cut.encode(texts)
    np.testing.assert_allclose(rows, expected, atol=1e-6)
    assert rows.dtype == np.float32
    assert cut.info.dims == dims
    assert cut.encode([]).shape == (0, dims)


def test_more_dims_than_the_model_has(tiny_bert: Path) -> None:
    with pytest.raises(EncoderError, match="dims = 17 is more than tiny-bert makes: its vectors have 16") as caught:
        encoder(tiny_bert, dims=17)
    assert "16 or fewer" in caught.value.hint


def test_a_row_without_length_becomes_no_nonsense() -> None:
    class Zeros(DigestEncoder):
        def encode(self, items: Any) -> Any:
            return np.zeros((len(items), 8), dtype=np.float32)

    models: Any = {("digest-8", None, "auto"): Zeros(8)}
    made = load_encoder(VectorField(model="digest-8", vector="v", dims=4), models=models)
    np.testing.assert_array_equal(made.encode(["a"]), np.zeros((1, 4)))


def test_a_model_that_is_wanted_as_it_is_comes_back_itself() -> None:
    assert type(encoder("digest-8", dims=8)) is DigestEncoder


def test_a_twin_shares_the_space_that_the_recipe_names(tiny_clip: Path, tiny_twin: Path) -> None:
    photos, texts = encoder(tiny_clip, space="clip").info, encoder(tiny_twin, space="clip").info
    assert photos.comparable(texts)
    assert not encoder(tiny_clip).info.comparable(encoder(tiny_twin).info)
    assert not photos.comparable(encoder(tiny_twin, space="clip", dims=8).info)


def test_two_folders_of_one_name_share_no_space(tiny_bert: Path, tmp_path: Path) -> None:
    import torch
    from transformers import BertModel

    model = BertModel.from_pretrained(tiny_bert)
    with torch.no_grad():
        model.embeddings.word_embeddings.weight.mul_(2)
    other = tmp_path / tiny_bert.name
    model.save_pretrained(other)
    for file in tiny_bert.glob("tokenizer*"):
        (other / file.name).write_bytes(file.read_bytes())
    one, two = SentenceEncoder(str(tiny_bert)).info, SentenceEncoder(str(other)).info
    assert one.id == two.id
    assert not one.comparable(two)
