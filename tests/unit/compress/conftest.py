"""Recipes whose encoders are tiny or small, with weights made on the spot."""

from pathlib import Path

import pytest
import tiny_models

from esmm.recipe import Recipe, parse

FIELDS = '[index]\nname = "a"\n[fields]\nt = { type = "text", embed = 1 }\np = { type = "photo" }\n'


def recipe_of(text: str = "", image: str = "") -> Recipe:
    """A recipe with the lines of [text] and [image] that are given."""
    parts = [f"[{name}]\n{lines}\n" for name, lines in (("text", text), ("image", image)) if lines]
    return parse(FIELDS + "".join(parts), source="a.toml")


@pytest.fixture(scope="session")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.bert(tmp_path_factory.mktemp("models") / "bert")


@pytest.fixture(scope="session")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.twin(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="session")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of mobilenet_v3_small, drawn at random."""
    return tiny_models.backbone(tmp_path_factory.mktemp("weights") / "small.pth")
