"""Sentence-transformers models: the bundled one, and tiny ones of random weights."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from esmm.encoders.resolve import revision_of
from esmm.encoders.sentence import SentenceEncoder
from esmm.errors import EncoderError

RED, BLUE = Image.new("RGB", (40, 20), "red"), Image.new("RGB", (20, 40), "blue")


def lengths(rows: np.ndarray[tuple[int, int], np.dtype[np.float32]]) -> list[float]:
    return [float(np.linalg.norm(row)) for row in rows]


def test_the_bundled_model_knows_what_is_alike() -> None:
    encoder = SentenceEncoder("all-MiniLM-L6-v2")
    rows = encoder.encode(["warm winter coat", "jacket for cold weather", "stainless steel saucepan"])
    assert rows.shape == (3, 384)
    assert rows.dtype == np.float32
    assert lengths(rows) == pytest.approx([1, 1, 1], abs=1e-5)
    assert float(rows[0] @ rows[1]) > 0.5
    assert float(rows[0] @ rows[2]) < 0.3
    assert (encoder.info.id, encoder.info.dims, encoder.info.takes) == ("all-MiniLM-L6-v2", 384, ("text",))
    assert SentenceEncoder("sentence-transformers/all-MiniLM-L6-v2").info == encoder.info


def test_a_text_model_from_a_folder(tiny_bert: Path) -> None:
    encoder = SentenceEncoder(str(tiny_bert), batch=2)
    rows = encoder.encode(["red shoe", "blue shirt", "red shoe"])
    assert rows.shape == (3, 16)
    assert lengths(rows) == pytest.approx([1, 1, 1], abs=1e-5)
    np.testing.assert_allclose(rows[0], rows[2], atol=1e-6)
    assert not np.allclose(rows[0], rows[1], atol=1e-3)
    assert (encoder.info.id, encoder.info.takes) == ("tiny-bert", ("text",))


def test_a_very_long_text_costs_no_more_than_its_beginning(tiny_bert: Path) -> None:
    rows = SentenceEncoder(str(tiny_bert)).encode(["red shoe " * 100, "red shoe " * 200_000])
    np.testing.assert_allclose(rows[0], rows[1], atol=1e-6)


def test_texts_that_are_one_to_the_model_are_encoded_once(tiny_bert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = SentenceEncoder(str(tiny_bert))
    alone = encoder.encode(["red shoe"])
    own, given = encoder.model.encode, list[str]()

    def encode(items: list[str], **options: Any) -> Any:
        given.extend(items)
        return own(items, **options)

    monkeypatch.setattr(encoder.model, "encode", encode)
    rows = encoder.encode(["red shoe", " Red\tSHOE  ", "shoe", "red shoe"])
    assert sorted(given) == ["red shoe", "shoe"]
    for number in (0, 1, 3):
        np.testing.assert_allclose(rows[number], alone[0], atol=1e-6)
        assert rows[number].tobytes() == rows[0].tobytes()


def test_a_clip_model_puts_texts_and_photos_into_one_space(tiny_clip: Path) -> None:
    encoder = SentenceEncoder(str(tiny_clip))
    texts, photos = encoder.encode(["a red shoe", "blue shirt " * 100]), encoder.encode([RED, BLUE])
    assert texts.shape == photos.shape == (2, 12)
    assert lengths(texts) + lengths(photos) == pytest.approx([1] * 4, abs=1e-5)
    assert not np.allclose(photos[0], photos[1], atol=1e-4)
    assert encoder.info.takes == ("text", "photo")
    assert encoder.info.space == f"tiny-clip@{encoder.info.revision}"


def copy(model: Path, folder: Path) -> Path:
    return shutil.copytree(model, folder / model.name)


def test_the_revision_changes_with_the_weights_and_not_with_the_place(tiny_bert: Path, tmp_path: Path) -> None:
    import torch
    from transformers import BertModel

    moved = copy(tiny_bert, tmp_path)
    before = SentenceEncoder(str(tiny_bert)).info
    assert SentenceEncoder(str(moved)).info == before
    model = BertModel.from_pretrained(moved)
    with torch.no_grad():
        model.embeddings.word_embeddings.weight[5, 0] += 0.01
    model.save_pretrained(moved)
    after = SentenceEncoder(str(moved)).info
    assert after.revision != before.revision
    assert after.space != before.space


@pytest.mark.parametrize(
    "file", ["config.json", "modules.json", "1_Pooling/config.json", "2_Dense/config.json", "tokenizer.json"]
)
def test_the_revision_changes_with_what_else_makes_the_vectors(tiny_twin: Path, tmp_path: Path, file: str) -> None:
    moved = copy(tiny_twin, tmp_path)
    before = revision_of(moved)
    (moved / file).write_text((moved / file).read_text("utf-8") + " ", encoding="utf-8")
    assert revision_of(moved) != before


def test_pooling_is_part_of_who_made_a_vector(tiny_twin: Path, tmp_path: Path) -> None:
    moved = copy(tiny_twin, tmp_path)
    settings = json.loads((moved / "1_Pooling/config.json").read_text("utf-8"))
    (moved / "1_Pooling/config.json").write_text(json.dumps(settings | {"pooling_mode": "cls"}), encoding="utf-8")
    mean, first = SentenceEncoder(str(tiny_twin)), SentenceEncoder(str(moved))
    assert not np.allclose(mean.encode(["red shoe"]), first.encode(["red shoe"]), atol=1e-3)
    assert mean.info.differences(first.info).keys() == {"revision", "space"}


def test_a_text_model_of_several_modules_from_a_folder(tiny_twin: Path) -> None:
    from sentence_transformers import SentenceTransformer

    texts = ["rot schuh", "blue shirt"]
    encoder = SentenceEncoder(str(tiny_twin))
    whole = SentenceTransformer(str(tiny_twin), device="cpu").encode(texts, show_progress_bar=False)
    np.testing.assert_allclose(encoder.encode(texts), whole / np.linalg.norm(whole, axis=1, keepdims=True), atol=1e-6)
    assert (encoder.info.dims, encoder.info.takes) == (12, ("text",))


def test_a_clip_model_that_sentence_transformers_saved(tiny_clip: Path, tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    SentenceTransformer(str(tiny_clip), device="cpu").save(str(tmp_path / "saved"))
    one, two = SentenceEncoder(str(tiny_clip)), SentenceEncoder(str(tmp_path / "saved"))
    assert two.info.takes == ("text", "photo")
    np.testing.assert_allclose(one.encode(["a red shoe"]), two.encode(["a red shoe"]), atol=1e-6)
    np.testing.assert_allclose(one.encode([RED, BLUE]), two.encode([RED, BLUE]), atol=1e-6)


def _empty(folder: Path) -> None:
    for file in folder.iterdir():
        file.unlink()


def _cut(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[: weights.stat().st_size // 2])


def _other_shape(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text("utf-8"))
    (folder / "config.json").write_text(json.dumps(config | {"hidden_size": 32}), encoding="utf-8")


def _no_tokenizer(folder: Path) -> None:
    for file in folder.glob("tokenizer*"):
        file.unlink()


BROKEN: dict[str, Callable[[Path], object]] = {
    "empty": _empty,
    "cut weights": _cut,
    "no weights": lambda folder: (folder / "model.safetensors").unlink(),
    "weights of another model": _other_shape,
    "config": lambda folder: (folder / "config.json").write_text("{", encoding="utf-8"),
    "no tokenizer": _no_tokenizer,
    "unknown kind": lambda folder: (folder / "config.json").write_text('{"model_type": "nosuch"}', encoding="utf-8"),
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_folder_that_does_not_load_is_one_sentence(tiny_bert: Path, tmp_path: Path, how: str) -> None:
    folder = copy(tiny_bert, tmp_path)
    BROKEN[how](folder)
    with pytest.raises(EncoderError) as caught:
        SentenceEncoder(str(folder))
    assert caught.value.message.startswith(str(folder))
    assert "\n" not in caught.value.message
    assert "SentenceTransformer.save" in caught.value.hint


def test_groups_encoded_side_by_side_make_the_same_vectors_in_the_same_order(tiny_bert: Path) -> None:
    import torch

    encoder = SentenceEncoder(str(tiny_bert))
    texts = [" ".join(["shirt"] * (1 + number % 50)) + f" {number}" for number in range(400)]
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        many = [encoder.encode(texts) for _ in range(3)]
        left = torch.get_num_threads()
        torch.set_num_threads(1)
        one = encoder.encode(texts)
    finally:
        torch.set_num_threads(before)
    assert left == 3
    assert all(np.array_equal(made, one) for made in many)
    alone = [encoder.encode([text])[0] for text in texts[:60]]
    assert np.allclose(one[:60], alone, atol=1e-5)
