"""What is compressed: the encoders of a recipe as torch has them, each as one module from inputs to unit vectors."""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import nn

from esmm.encoders import load_encoder
from esmm.encoders.backbone import normalised
from esmm.encoders.base import Encoder
from esmm.encoders.onnx import CONFIG, OnnxConfig
from esmm.encoders.sentence import SentenceEncoder
from esmm.encoders.tower import TowerEncoder
from esmm.encoders.vision import SIDE, VisionEncoder
from esmm.errors import EncoderError

if TYPE_CHECKING:
    from esmm.encoders.base import Matrix
    from esmm.recipe import VectorField

_KNOWN = {"Transformer", "Pooling", "Dense", "Normalize"}


@dataclass(frozen=True)
class Original:
    """An encoder, its module with inputs to trace it by, and what is known of its compressed form.

    ``tokenizer`` is the text of a tokenizer.json; ``rotation`` turns its vectors.
    """

    encoder: Encoder
    module: nn.Module
    inputs: dict[str, torch.Tensor]
    config: OnnxConfig
    tokenizer: str = ""
    rotation: "Matrix | None" = None

    def encode(self, items: Any) -> "Matrix":
        """Return the vectors that the compressed encoder should make."""
        rows = self.encoder.encode(items)
        return rows if self.rotation is None else rows @ self.rotation

    def rotated(self, rotation: "Matrix", name: str) -> "Original":
        """Return the same with vectors turned into a space of another name."""
        module = Rotated(self.module, torch.from_numpy(rotation.copy()))
        return replace(self, module=module, rotation=rotation, config=replace(self.config, space=name))


class TextGraph(nn.Module):
    """Token numbers to unit vectors."""

    def __init__(self, model: Any, *, types: bool) -> None:
        super().__init__()
        self.model, self.types = model, types

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Return one row for each text."""
        features = {"input_ids": input_ids, "attention_mask": attention_mask}
        if self.types:
            features["token_type_ids"] = torch.zeros_like(input_ids)
        for part in self.model:
            features = part(features)
        return nn.functional.normalize(features["sentence_embedding"], dim=1)


class PhotoGraph(nn.Module):
    """Pixels (uint8, photos x side x side x 3) to unit vectors."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return one row for each photo."""
        return nn.functional.normalize(self.model(normalised(pixels)), dim=1)


class Rotated(nn.Module):
    """Another graph, with its vectors turned."""

    def __init__(self, graph: nn.Module, rotation: torch.Tensor) -> None:
        super().__init__()
        self.graph = graph
        self.register_buffer("rotation", rotation)

    def forward(self, *inputs: torch.Tensor) -> Any:
        """Return one row for each input."""
        return self.graph(*inputs) @ self.rotation


def original(vector: "VectorField") -> Original:
    """Load what a recipe names for one vector, to be compressed. Raises EncoderError for what cannot be."""
    if (Path(vector.model).expanduser() / CONFIG).is_file():
        raise EncoderError(f"{vector.model} is compressed already", "name the model that it was made from")
    if re.fullmatch(r"digest-\d+", vector.model):
        raise EncoderError(f"{vector.model} has no weights to compress", "name a model in the recipe")
    bare = {"dims": None, "space": None, "query_prefix": "", "passage_prefix": ""}
    encoder = load_encoder(vector.model_copy(update=bare), device="cpu")
    if isinstance(encoder, SentenceEncoder):
        return _text(encoder)
    if isinstance(encoder, TowerEncoder):
        return _photo(encoder, encoder.tower, encoder.tower.config.side, "fitted")
    return _photo(encoder, cast("VisionEncoder", encoder).model, SIDE, "stretched")


def _text(encoder: SentenceEncoder) -> Original:
    model, name = encoder.model, encoder.info.id
    kinds = [type(part).__name__ for part in model]
    if "photo" in encoder.info.takes or kinds[0] != "Transformer" or not set(kinds) <= _KNOWN:
        raise EncoderError(
            f"{name} is made of {' and '.join(kinds)} and cannot be compressed",
            "text models of a transformer, a pooling and dense layers can; take any other as it is, by torch",
        )
    tokens = model.tokenizer(["a red shoe", "shirt"], padding=True, return_tensors="pt")
    backend = getattr(model.tokenizer, "backend_tokenizer", None)
    if backend is None or model.default_prompt_name:
        what = "its tokenizer is written in Python" if backend is None else "it adds a prompt of its own"
        raise EncoderError(f"{name} cannot be compressed: {what}", "use it as it is, by torch")
    config = _config(encoder, model, "text")
    config = replace(config, max_length=model.max_seq_length or 512, pad=model.tokenizer.pad_token_id or 0)
    inputs = {key: tokens[key] for key in ("input_ids", "attention_mask")}
    graph = TextGraph(model, types="token_type_ids" in tokens)
    return Original(encoder, graph.eval(), inputs, config, tokenizer=backend.to_str())


def _photo(encoder: Encoder, model: nn.Module, side: int, fit: str) -> Original:
    config = replace(_config(encoder, model, "photo"), side=side, fit=fit)
    pixels = torch.zeros(2, side, side, 3, dtype=torch.uint8)
    return Original(encoder, PhotoGraph(model).eval(), {"pixels": pixels}, config)


def _config(encoder: Encoder, model: nn.Module, takes: Any) -> OnnxConfig:
    info, weights = encoder.info, model.state_dict().values()
    size = sum(weight.numel() * weight.element_size() for weight in weights)
    return OnnxConfig(f"{info.id}-int8", f"{info.id}@{info.revision}", info.dims, info.space, takes, size)
