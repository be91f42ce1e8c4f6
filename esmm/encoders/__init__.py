"""Text and photo encoders behind one small protocol. Nothing heavy is imported before an encoder is loaded."""

import re
from functools import partial
from typing import TYPE_CHECKING

from esmm.encoders.base import Encoder, EncoderInfo, Modality, Role
from esmm.encoders.onnx import load_onnx, onnx_folder
from esmm.encoders.resolve import tower_folder
from esmm.errors import EncoderError

if TYPE_CHECKING:
    from esmm.recipe import Recipe, VectorField

__all__ = ["Encoder", "EncoderInfo", "Modality", "ModelKey", "Role", "load_encoder", "load_encoders", "pick_device"]

ModelKey = tuple[str, str | None, str]


def load_encoder(
    vector: "VectorField",
    *,
    device: str = "auto",
    role: Role = "passage",
    models: dict[ModelKey, Encoder] | None = None,
    late: bool = False,
) -> Encoder:
    """Load the encoder that a recipe names for one vector field, for products or for questions. Raises EncoderError.

    ``digest-32`` is the encoder without meaning; a torchvision model name gives that backbone; ``esmm-tower`` and
    folders that ``esmm align`` wrote are photo towers; those that ``esmm compress`` wrote, and any model on the device
    ``onnx``, run without torch; everything else is a sentence-transformers model. What is in ``models`` is not loaded
    again. A device that is not ``auto`` overrides the recipe's. With ``late`` a model that this machine loaded before
    is loaded when it is needed, and may then raise EncoderError.
    """
    from esmm.encoders.late import loaded_late
    from esmm.encoders.tailored import tailored

    known = {} if models is None else models
    device = vector.device if device == "auto" else device
    key = (vector.model, vector.weights, device)
    if key not in known:
        load = partial(_load_model, vector, device)
        known[key] = loaded_late(vector, device, load) if late else load()
    return tailored(known[key], vector, role=role)


def _load_model(vector: "VectorField", device: str) -> Encoder:
    if match := re.fullmatch(r"digest-(\d+)", vector.model):
        from esmm.encoders.digest import DigestEncoder

        return DigestEncoder(int(match[1]))
    if folder := onnx_folder(vector, device):
        return load_onnx(folder)
    device = pick_device(device)
    if folder := tower_folder(vector.model):
        from esmm.encoders.tower import TowerEncoder

        return TowerEncoder(folder, device=device)
    if _is_torchvision(vector.model):
        from esmm.encoders.vision import VisionEncoder

        return VisionEncoder(vector.model, weights=vector.weights_path, device=device)
    from esmm.encoders.sentence import SentenceEncoder

    return SentenceEncoder(vector.model, device=device)


def load_encoders(
    recipe: "Recipe", *, device: str = "auto", role: Role = "passage", late: bool = False
) -> tuple[dict[str, Encoder], dict[str, EncoderError]]:
    """Load every encoder of a recipe; return those that load and the faults of those that do not, by clause.

    A model named by both vectors is loaded once; ``late`` as for :func:`load_encoder`.
    """
    loaded: dict[str, Encoder] = {}
    faults: dict[str, EncoderError] = {}
    models: dict[ModelKey, Encoder] = {}
    for clause, vector in recipe.vectors().items():
        try:
            loaded[clause] = load_encoder(vector, device=device, role=role, models=models, late=late)
            _check_takes(clause, loaded[clause].info)
        except EncoderError as error:
            loaded.pop(clause, None)
            faults[clause] = error
    return loaded, faults


def pick_device(wanted: str) -> str:
    """Return the torch device for ``auto``, ``cpu``, ``cuda`` or ``mps``. Raises EncoderError if it is not there."""
    if wanted == "cpu":
        return wanted
    try:
        import torch
    except ImportError:
        raise EncoderError("torch is not installed, so nothing can be encoded", 'pip install "esmm[models]"') from None
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if wanted == "auto":
        return next(device for device, available in there.items() if available)
    if not there.get(wanted):
        raise EncoderError(f"device {wanted} is not available here", "use --device auto or --device cpu")
    return wanted


def _is_torchvision(name: str) -> bool:
    try:
        from torchvision import models
    except ImportError:
        raise EncoderError(
            f"{name} needs torch and torchvision, which are not installed", 'pip install "esmm[models]"'
        ) from None
    return name in models.list_models(module=models)  # classification only: no detection, no video


def _check_takes(clause: str, info: EncoderInfo) -> None:
    needed: Modality = "photo" if clause == "image" else "text"
    if needed not in info.takes:
        raise EncoderError(
            f"{info.id} takes no {needed}, so it cannot make the {clause} vector",
            f"name a model that takes {needed}s as {clause}.model",
        )
