"""Backbones of torchvision: any classification model by name, without its last layer."""

import pickle
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from esmm.encoders.resolve import digest, revision_of
from esmm.errors import EncoderError

# The mean and standard deviation that torchvision's weights were trained with.
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

_UNREADABLE = (OSError, RuntimeError, EOFError, pickle.UnpicklingError)
_REMEDY = (
    "name a weights file as image.weights in the recipe, put torchvision's own file in its cache, "
    "or connect to the network once"
)


def load_backbone(name: str, weights: Path | None) -> tuple[Any, str]:
    """Return the features of a torchvision model as a module, and the revision of its weights.

    The weights come from a file, or from torchvision's cache or download. Raises EncoderError.
    """
    _check_name(name)
    state, revision = _from_file(weights) if weights else _from_torchvision(name)
    model = _filled(name, state, str(weights or "the weights"))
    return without_head(model, name), revision


def empty_backbone(name: str) -> Any:
    """Return the features of a torchvision model with weights drawn at random, to be filled by the caller.

    Raises EncoderError.
    """
    from torchvision.models import get_model

    _check_name(name)
    return without_head(get_model(name, weights=None), name)


def _check_name(name: str) -> None:
    """Raise EncoderError unless the name is that of a classification model: no detection, no video."""
    from torchvision import models

    if name not in models.list_models(module=models):
        raise EncoderError(f"torchvision has no classification model {name}", "name one, such as resnet50")


def without_head(model: Any, name: str) -> Any:
    """Return the model with its last linear layer taken off. Raises EncoderError if it has none."""
    import torch

    linear = [path for path, module in model.named_modules() if isinstance(module, torch.nn.Linear)]
    if not linear:
        raise EncoderError(f"{name} ends without a linear layer, so it has no features to take", "name another model")
    parent, _, last = linear[-1].rpartition(".")
    setattr(model.get_submodule(parent), last, torch.nn.Identity())
    return model.eval().to(memory_format=torch.channels_last)


def normalised(pixels: Any) -> Any:
    """Turn pixels (uint8, photos x height x width x 3) into what torchvision's models take."""
    import torch

    return standardised(torch.as_tensor(pixels).permute(0, 3, 1, 2).float().div_(255))


def standardised(photos: Any) -> Any:
    """Bring floats between 0 and 1 (photos x 3 x height x width) to the scale of torchvision's training."""
    import torch

    mean, std = _scale(photos)
    return ((photos - mean) / std).contiguous(memory_format=torch.channels_last)


def as_seen(pixels: Any) -> Any:
    """Undo :func:`standardised`: floats between 0 and 1."""
    mean, std = _scale(pixels)
    return pixels * std + mean


def _scale(photos: Any) -> Any:
    import torch

    return (torch.tensor(values, device=photos.device).view(1, 3, 1, 1) for values in (_MEAN, _STD))


def _filled(name: str, state: dict[str, Any], source: str) -> Any:
    from torchvision.models import get_model

    model = get_model(name, weights=None)
    try:
        model.load_state_dict(
            {key: value.float() if value.is_floating_point() else value for key, value in state.items()}
        )
    except (RuntimeError, AttributeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise EncoderError(
            f"{source} do not fit torchvision's {name}: {reason}", "use the weights of this very model"
        ) from None
    return model


def _from_file(path: Path) -> tuple[dict[str, Any], str]:
    import torch

    try:
        return torch.load(path, map_location="cpu", weights_only=True), revision_of(path)
    except FileNotFoundError:
        raise EncoderError(f"weights file {path} does not exist", _REMEDY) from None
    except _UNREADABLE as error:
        raise EncoderError(f"weights file {path} cannot be read: {_reason(error)}", _REMEDY) from None


def _reason(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _from_torchvision(name: str) -> tuple[dict[str, Any], str]:
    """Take torchvision's default weights from its cache, or let torchvision fetch them."""
    from torchvision.models import get_model_weights

    default = get_model_weights(name).DEFAULT
    try:
        with redirect_stdout(sys.stderr):  # torch tells of a download on standard output, where results go
            return default.get_state_dict(progress=False, check_hash=True), digest([default.url.encode()])
    except OSError as error:
        reason = getattr(error, "reason", None) or error
        raise EncoderError(
            f"weights of {name} are not in torchvision's cache and cannot be fetched: {reason}", _REMEDY
        ) from None
    except _UNREADABLE as error:
        raise EncoderError(
            f"weights of {name} in torchvision's cache cannot be read: {_reason(error)}",
            f"delete {default.url.rsplit('/', 1)[-1]} in torchvision's cache",
        ) from None
