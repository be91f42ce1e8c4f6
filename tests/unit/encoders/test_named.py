"""What the names in a recipe tell of its encoders, against what the loaded encoders say themselves."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import tiny_models

from esmm.encoders import load_encoders
from esmm.encoders.named import named_infos
from esmm.errors import EncoderError
from esmm.index_meta import new_meta
from esmm.query.encode import Source, sources_named, sources_of
from esmm.recipe import Recipe
from tests.conftest import tiny_recipe


def recipe_of(text: str, image: str) -> Recipe:
    return tiny_recipe(**{'model = "digest-32"': text, 'model = "digest-16"': image})


def tower(folder: Path, space: str = "all-MiniLM-L6-v2") -> Path:
    """The description of a tower; nothing else of it is read here."""
    folder.mkdir()
    (folder / "tower.json").write_text(json.dumps({"space": space, "dims": 384}), encoding="utf-8")
    return folder


def clauses(sources: Sequence[Source]) -> dict[str, str]:
    return {source.clause: source.encoder for source in sources}


APART = {"text": "text", "image": "image"}


@pytest.mark.parametrize(
    ("text", "image", "words_find_photos_by", "photos_find_words_by"),
    [
        ('model = "all-MiniLM-L6-v2"', 'model = "TOWER"', "text", "image"),
        ('model = "sentence-transformers/all-MiniLM-L6-v2"', 'model = "TOWER"', "text", "image"),
        ('model = "all-MiniLM-L6-v2"\ndims = 384', 'model = "TOWER"', "text", "image"),
        ('model = "all-MiniLM-L6-v2"\ndims = 256', 'model = "TOWER"\ndims = 256', "text", "image"),
        ('model = "all-MiniLM-L6-v2"\ndims = 256', 'model = "TOWER"', None, None),
        ('model = "all-MiniLM-L6-v2"', 'model = "TOWER"\ndims = 256', None, None),
        ('model = "all-MiniLM-L6-v2"\nspace = "own"', 'model = "TOWER"', None, None),
        ('model = "all-MiniLM-L6-v2"\nspace = "own"', 'model = "TOWER"\nspace = "own"', "text", "image"),
        ('model = "intfloat/e5-small"', 'model = "TOWER"', None, None),
        ('model = "all-MiniLM-L6-v2"', 'model = "mobilenet_v2"', None, None),
        ('model = "all-MiniLM-L6-v2"', 'model = "clip-ViT-B-32"', "image", None),
        ('model = "clip-ViT-B-32"', 'model = "clip-ViT-B-32"', "text", "image"),
        ('model = "clip-ViT-B-32"', 'model = "clip-ViT-B-32"\nquery_prefix = "a photo of "', "image", "image"),
        ('model = "clip-ViT-B-32-multilingual-v1"', 'model = "clip-ViT-B-32"', "text", "image"),
        ('model = "digest-32"', 'model = "digest-32"', "text", "image"),
        ('model = "digest-32"', 'model = "digest-16"', "image", "text"),
    ],
)
def test_what_is_compared_across(
    tmp_path: Path, text: str, image: str, words_find_photos_by: str | None, photos_find_words_by: str | None
) -> None:
    recipe = recipe_of(text, image.replace("TOWER", str(tower(tmp_path / "tower"))))
    across = {"text_to_image": words_find_photos_by, "image_to_text": photos_find_words_by}
    assert clauses(sources_named(recipe)) == APART | {clause: encoder for clause, encoder in across.items() if encoder}


def test_names_tell_what_loaded_encoders_tell(tmp_path: Path) -> None:
    clip, twin = tiny_models.clip(tmp_path / "clip"), tiny_models.twin(tmp_path)
    space = 'space = "one"'
    for text, image in (
        (f'model = "{clip}"', f'model = "{clip}"'),
        (f'model = "{clip}"', f'model = "{clip}"\nquery_prefix = "a photo of "'),
        (f'model = "{clip}"', f'model = "{clip}"\ndims = 4'),
        (f'model = "{twin}"', f'model = "{clip}"'),
        (f'model = "{twin}"\n{space}', f'model = "{clip}"\n{space}'),
        ('model = "digest-32"\ndims = 16', 'model = "digest-32"'),
    ):
        recipe = recipe_of(text, image)
        infos = {clause: encoder.info for clause, encoder in load_encoders(recipe, device="cpu")[0].items()}
        assert sources_named(recipe) == sources_of(new_meta(recipe, infos)["clauses"], {"text", "photo"}), recipe.toml


def test_a_tower_s_broken_description(tmp_path: Path) -> None:
    folder = tower(tmp_path / "tower")
    for text in ("{", "[]", '{"space": "x"}'):
        (folder / "tower.json").write_text(text)
        with pytest.raises(EncoderError, match=r"tower\.json is no description of a tower") as caught:
            named_infos(recipe_of('model = "all-MiniLM-L6-v2"', f'model = "{folder}"'))
        assert "esmm align" in caught.value.hint


def test_no_model_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("torch", "torchvision", "sentence_transformers", "onnxruntime"):
        monkeypatch.setitem(sys.modules, name, None)
    assert clauses(sources_named(recipe_of('model = "any"', 'model = "resnet50"'))) == APART
