"""Photo encoders of torchvision: any classification backbone by name, nothing trained."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from esmm.encoders.backbone import load_backbone, normalised
from esmm.encoders.base import EncoderInfo
from esmm.encoders.pixels import stretched

if TYPE_CHECKING:
    from PIL.Image import Image

    from esmm.encoders.base import Matrix

SIDE = 224


class VisionEncoder:
    """A torchvision backbone whose features, one vector a photo, are what comes before its last linear layer.

    Photos are resized to 224 x 224 whole: product photos fill their frame, so a crop would cut the product.
    """

    def __init__(self, name: str, *, weights: Path | None = None, device: str = "cpu", batch: int = 32) -> None:
        import torch

        model, revision = load_backbone(name, weights)
        self.model = model.to(device)
        self._device, self._batch = device, batch
        with torch.inference_mode():
            dims = int(self.model(torch.zeros(1, 3, SIDE, SIDE, device=device)).shape[1])
        identity = f"torchvision/{name}"
        self.info = EncoderInfo(identity, revision, dims, f"{identity}@{revision}", ("photo",))

    def encode(self, items: "Sequence[str] | Sequence[Image]") -> "Matrix":
        """Return one row of length 1 for each photo: float32, shape (len(items), dims)."""
        import numpy as np
        import torch

        rows: list[Matrix] = [np.zeros((0, self.info.dims), dtype=np.float32)]
        with torch.inference_mode():
            for start in range(0, len(items), self._batch):
                photos: Any = items[start : start + self._batch]
                pixels = np.stack([stretched(photo, SIDE) for photo in photos])
                features = self.model(normalised(pixels).to(self._device))
                rows.append(torch.nn.functional.normalize(features.float(), dim=1).cpu().numpy())
        return np.concatenate(rows)
