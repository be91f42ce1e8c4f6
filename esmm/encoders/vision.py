"""Photo encoders of torchvision: any classification backbone by name, without its last layer."""

import pickle
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

from esmm.encoders.base import EncoderInfo
from esmm.encoders.resolve import digest, revision_of
from esmm.errors import EncoderError

if TYPE_CHECKING:
    from PIL.Image import Image

    from esmm.encoders.base import Matrix

# The mean and standard deviation that torchvision's weights were trained with.
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_SIDE = 224
_UNREADABLE = (OSError, RuntimeError, EOFError, pickle.UnpicklingError)
_REMEDY = (
    "name a weights file as image.weights in the recipe, put torchvision's own file in its cache, "
    "or connect to the network once"
)


class VisionEncoder:
    """A torchvision backbone whose features, one vector a photo, are what comes before its last linear layer.

    Photos are resized to 224 x 224 whole: product photos fill their frame, so a crop would cut the product.
    """

    def __init__(self, name: str, *, weights: Path | None = None, device: str = "cpu", batch: int = 32) -> None:
        import torch

        state, revision = _from_file(weights) if weights else _from_torchvision(name)
        self._model = _backbone(name, state, weights).to(device)
        self._device, self._batch = device, batch
        with torch.inference_mode():
            dims = int(self._model(torch.zeros(1, 3, _SIDE, _SIDE, device=device)).shape[1])
        identity = f"torchvision/{name}"
        self.info = EncoderInfo(identity, revision, dims, f"{identity}@{revision}", ("photo",))

    def encode(self, items: "Sequence[str] | Sequence[Image]") -> "Matrix":
        """Return one row of length 1 for each photo: float32, shape (len(items), dims)."""
        import numpy as np
        import torch

        rows: list[Matrix] = [np.zeros((0, self.info.dims), dtype=np.float32)]
        with torch.inference_mode():
            for start in range(0, len(items), self._batch):
                pixels = _pixels(items[start : start + self._batch]).to(self._device)
                features = torch.nn.functional.normalize(self._model(pixels).float(), dim=1)
                rows.append(features.cpu().numpy())
        return np.concatenate(rows)


def _pixels(photos: "Sequence[Any]") -> Any:
    import numpy as np
    import torch

    resized = np.stack([np.asarray(photo.resize((_SIDE, _SIDE))) for photo in photos])
    scaled = torch.from_numpy(resized).permute(0, 3, 1, 2).float().div_(255)
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (_MEAN, _STD))
    return ((scaled - mean) / std).contiguous(memory_format=torch.channels_last)


def _backbone(name: str, state: dict[str, Any], weights: Path | None) -> Any:
    import torch
    from torchvision.models import get_model

    model = get_model(name, weights=None)
    try:
        model.load_state_dict(
            {key: value.float() if value.is_floating_point() else value for key, value in state.items()}
        )
    except (RuntimeError, AttributeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise EncoderError(
            f"{weights or 'the weights'} do not fit torchvision's {name}: {reason}",
            "use the weights of this very model",
        ) from None
    linear = [path for path, module in model.named_modules() if isinstance(module, torch.nn.Linear)]
    if not linear:
        raise EncoderError(f"{name} ends without a linear layer, so it has no features to take", "name another model")
    parent, _, last = linear[-1].rpartition(".")
    setattr(model.get_submodule(parent), last, torch.nn.Identity())
    return model.eval().to(memory_format=torch.channels_last)


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
