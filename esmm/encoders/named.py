"""What the names in a recipe tell about its encoders; no model is loaded."""

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from esmm.encoders.base import EncoderInfo, Modality
from esmm.encoders.digest import DigestEncoder
from esmm.encoders.onnx import onnx_folder, read_config
from esmm.encoders.resolve import is_spelled_as_torchvision, revision_of, tower_folder, tower_space
from esmm.encoders.tailored import TWINS

if TYPE_CHECKING:
    from esmm.recipe import Recipe, VectorField

_BOTH: tuple[Modality, ...] = ("text", "photo")


def named_infos(recipe: "Recipe") -> dict[str, EncoderInfo]:
    """Return the encoder of each clause as far as it can be told: space, dims and what it takes, no revision.

    Only the dims of towers and compressed encoders are known, and those that the recipe cuts to; where spaces are one,
    the others are as long. Raises EncoderError if the description in a model's folder cannot be read.
    """
    found = {clause: _as_it_is(vector, _takes(recipe, clause)) for clause, vector in recipe.vectors().items()}
    whole = max((info.dims for info in found.values()), default=0)
    return {
        clause: replace(
            info,
            dims=vector.dims or info.dims or whole,
            space=vector.space or TWINS.get(info.space, info.space),
            query_prefix=vector.query_prefix,
            passage_prefix=vector.passage_prefix,
        )
        for (clause, vector), info in zip(recipe.vectors().items(), found.values(), strict=True)
    }


def _as_it_is(vector: "VectorField", takes: tuple[Modality, ...]) -> EncoderInfo:
    """Return what is known of a model before a recipe cuts or renames anything."""
    name = vector.model
    if match := re.fullmatch(r"digest-(\d+)", name):
        return DigestEncoder(int(match[1])).info
    if folder := onnx_folder(vector, "cpu"):
        config = read_config(folder)
        return EncoderInfo(name, "", config.dims, config.space, (config.takes,))
    if folder := tower_folder(name):
        space, dims = tower_space(folder)
        return EncoderInfo(name, "", dims, space, ("photo",))
    folder = Path(name).expanduser()
    if folder.is_dir():
        return EncoderInfo(name, "", 0, f"{folder.resolve().name}@{revision_of(folder)}", takes)
    return EncoderInfo(name, "", 0, name.removeprefix("sentence-transformers/"), takes)


def _takes(recipe: "Recipe", clause: str) -> tuple[Modality, ...]:
    """Tell what a model that must be loaded to say it seems to take.

    One that makes photo vectors takes words too, but for those of torchvision.
    """
    models = {name: vector.model for name, vector in recipe.vectors().items()}
    if clause == "text" and models["text"] != models.get("image"):
        return ("text",)
    return ("photo",) if is_spelled_as_torchvision(models[clause]) else _BOTH
