"""Photo encoders in a text encoder's space: a torchvision backbone and a projection, as ``esmm align`` trains them.

A tower is a folder: ``tower.json`` says what it is built of and whose space it shares, ``tower.safetensors`` holds
its weights: the tables of the projection as 8-bit integers with a scale for each row, the rest as 16-bit floats.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from esmm.encoders.backbone import as_seen, empty_backbone, normalised
from esmm.encoders.base import EncoderInfo
from esmm.encoders.palette import Palette
from esmm.encoders.pixels import fitted
from esmm.encoders.resolve import TOWER_CONFIG, digest
from esmm.errors import EncoderError
from esmm.paths import whole

if TYPE_CHECKING:
    from PIL.Image import Image

    from esmm.encoders.base import Matrix

WEIGHTS = "tower.safetensors"
_BATCH = 32
FORMAT = 3  # 2 had 16-bit floats for all, and is read as well; 1 had no palette
_READ = (2, 3)
_TABLES, _SCALE = ("widen.weight", "out.weight"), ".scale"
_REMEDY = "name a folder that esmm align wrote"


@dataclass(frozen=True)
class TowerConfig:
    """What a tower is built of.

    ``backbone`` is a classification model of torchvision, ``side`` the pixels of the square that a photo is fitted
    into, ``hidden`` the width of the projection, ``dims`` the length of a vector. ``text`` and ``space`` name the text
    encoder (with its revision) that it was trained against, and the space they share.
    """

    name: str
    backbone: str
    side: int
    hidden: int
    dims: int
    text: str
    space: str
    format: int = FORMAT


class Tower(nn.Module):
    """A backbone and a projection that also sees the backbone's early stages and the colours themselves.

    The last layer of a classifier has forgotten colour. So the projection takes the photo's palette, the mean over the
    photo of each stage (a stage ends where the picture gets smaller), the maximum of the last one, and the classifier's
    own features.
    """

    def __init__(self, config: TowerConfig, backbone: nn.Module | None = None) -> None:
        super().__init__()
        self.config = config
        self.backbone = backbone if backbone is not None else empty_backbone(config.backbone)
        self.palette = Palette()
        self._seen: dict[str, torch.Tensor] = {}
        self._own = 0
        names = _stages(self.backbone)
        for name in names:
            self.backbone.get_submodule(name).register_forward_hook(self._keep(name, last=name == names[-1]))
        width = self._width()
        self.norm = nn.BatchNorm1d(width)  # the stages speak in very different scales
        self.draw_projection()

    def draw_projection(self) -> None:
        """Take new random weights for the projection, as wide as the config says."""
        self.widen = nn.Linear(self.norm.num_features, self.config.hidden)
        self.out = nn.Linear(self.config.hidden, self.config.dims)

    def _width(self) -> int:
        """Return how many features a photo has. Raises EncoderError if the backbone takes no photos of this side."""
        side = self.config.side
        try:
            with torch.inference_mode():
                return self.features(torch.zeros(1, 3, side, side)).shape[1]
        except (RuntimeError, AssertionError) as error:  # vision transformers assert their own side
            reason = " ".join(str(error).split())[:200]
            raise EncoderError(
                f"{self.config.backbone} takes no photos of {side} pixels: {reason}",
                "train it with the side it was made for (--side 224 for most), or name another backbone",
            ) from None

    def _keep(self, name: str, *, last: bool) -> Any:
        def hook(_module: nn.Module, _given: Any, made: torch.Tensor) -> None:
            self._seen[name] = made.amax((2, 3)) if last else made.mean((2, 3))

        return hook

    def features(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return what the projection takes: float, shape (photos, width)."""
        final = self.backbone(pixels)
        self._own = final.shape[1]
        return torch.cat([self.palette(as_seen(pixels)), *self._seen.values(), final], dim=1)

    def own(self, features: torch.Tensor) -> torch.Tensor:
        """Return what of the features is the classifier's own, around its mean: unit rows."""
        middle = self.norm.state_dict()["running_mean"]
        return nn.functional.normalize((features.float() - middle)[:, -self._own :], dim=1)

    def project(self, features: torch.Tensor) -> torch.Tensor:
        """Bring features into the text encoder's space: unit rows, shape (photos, dims)."""
        return nn.functional.normalize(self.out(self.hidden(features)), dim=1)

    def hidden(self, features: torch.Tensor) -> torch.Tensor:
        """Return what the projection makes of features on its way: shape (photos, hidden)."""
        return nn.functional.gelu(self.widen(self.norm(features.float())))

    def train(self, mode: bool = True) -> "Tower":  # torch's own signature
        """Switch to training; the statistics of all batch norms stay as they are.

        Those of the backbone are from its own training, those of the projection from :meth:`standardise`: a training
        batch with scenes in it looks unlike the catalogue that the tower will see.
        """
        super().train(mode)
        self.backbone.eval()
        self.norm.eval()
        return self

    def standardise(self, features: torch.Tensor) -> None:
        """Bring each number of the features to mean 0 and variance 1, as they are for these photos."""
        scale = {"running_mean": features.mean(0), "running_var": features.var(0, unbiased=False)}
        self.norm.load_state_dict({**self.norm.state_dict(), **scale, "num_batches_tracked": torch.tensor(1)})

    @property
    def is_standardised(self) -> bool:
        """Whether :meth:`standardise` has set the scale of the features."""
        return bool(self.norm.state_dict()["num_batches_tracked"])

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return a unit row for each photo; pixels are normalised floats, shape (photos, 3, side, side)."""
        return self.project(self.features(pixels))


class TowerEncoder:
    """A trained tower as a photo encoder."""

    def __init__(self, folder: Path, *, device: str = "cpu") -> None:
        self.tower = load_tower(folder).to(device)
        self._device = device
        config = self.tower.config
        revision = digest([(folder / WEIGHTS).read_bytes(), (folder / TOWER_CONFIG).read_bytes()])
        self.info = EncoderInfo(config.name, revision, config.dims, config.space, ("photo",))

    def encode(self, items: "Sequence[str] | Sequence[Image]") -> "Matrix":
        """Return one row of length 1 for each photo: float32, shape (len(items), dims)."""
        import numpy as np

        rows: list[Matrix] = [np.zeros((0, self.info.dims), dtype=np.float32)]
        with torch.inference_mode():
            for start in range(0, len(items), _BATCH):
                photos: Any = items[start : start + _BATCH]
                pixels = np.stack([fitted(photo, self.tower.config.side) for photo in photos])
                rows.append(self.tower(normalised(pixels).to(self._device)).cpu().numpy())
        return np.concatenate(rows)


def load_tower(folder: Path) -> Tower:
    """Read a tower from its folder. Raises EncoderError."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    config = read_config(folder)
    try:
        tower = Tower(config)
        tower.load_state_dict(_unpacked(load_file(folder / WEIGHTS)))
    except (OSError, RuntimeError, ValueError, SafetensorError, EncoderError) as error:
        reason = " ".join(getattr(error, "message", str(error)).split())[:200]
        raise EncoderError(f"{folder} does not load as a photo tower: {reason}", _REMEDY) from None
    return tower.eval().to(memory_format=torch.channels_last)


def save_tower(tower: Tower, folder: Path) -> None:
    """Write weights and config into a folder, each whole or not at all."""
    from safetensors.torch import save

    with whole(folder / WEIGHTS) as beside:
        beside.write_bytes(save(_packed(tower.state_dict())))
    with whole(folder / TOWER_CONFIG) as beside:
        beside.write_text(json.dumps(asdict(tower.config), indent=2) + "\n", encoding="utf-8")


def _packed(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the projection's tables as integers from -127 to 127 with a scale a row, and 16-bit floats otherwise.

    A backbone of 8 bits would move vectors (cosine .98), such a projection hardly does (.9999).
    """
    packed = {}
    for name, value in state.items():
        if name in _TABLES:
            packed[name + _SCALE] = scale = value.abs().amax(1).clamp(min=1e-12) / 127
            packed[name] = (value / scale[:, None]).round().to(torch.int8)
        else:
            # The scale of a feature may lie beyond what 16 bits hold.
            as_it_is = name.startswith("norm.") or not value.is_floating_point()
            packed[name] = (value if as_it_is else value.half()).contiguous()
    return packed


def _unpacked(packed: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    scales = {name.removesuffix(_SCALE): value for name, value in packed.items() if name.endswith(_SCALE)}
    state = {name: value for name, value in packed.items() if not name.endswith(_SCALE)}
    floats = {name: value.float() if value.is_floating_point() else value for name, value in state.items()}
    return floats | {name: state[name].float() * scale[:, None] for name, scale in scales.items()}


def read_config(folder: Path) -> TowerConfig:
    """Read what a tower is built of. Raises EncoderError."""
    try:
        raw = json.loads((folder / TOWER_CONFIG).read_text(encoding="utf-8"))
        config = TowerConfig(**{field.name: raw[field.name] for field in fields(TowerConfig)})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EncoderError(f"{folder / TOWER_CONFIG} is no description of a tower: {error!r}", _REMEDY) from None
    if config.format not in _READ:
        raise EncoderError(
            f"{folder} is a tower of format {config.format}, and this esmm reads formats {_READ[0]} and {_READ[1]}",
            "train it again with esmm align",
        )
    return config


def _stages(backbone: nn.Module) -> list[str]:
    """Return the names of the modules whose output is the last of its size: where each stage of the backbone ends."""
    ends: dict[int, str] = {}

    def hook(name: str) -> Any:
        def keep(_module: nn.Module, _given: Any, made: Any) -> None:
            if isinstance(made, torch.Tensor) and made.dim() == 4 and made.shape[2] == made.shape[3] > 1:
                ends[made.shape[2]] = name

        return keep

    handles = [module.register_forward_hook(hook(name)) for name, module in backbone.named_modules() if name]
    with torch.inference_mode():
        backbone(torch.zeros(1, 3, 224, 224))
    for handle in handles:
        handle.remove()
    return list(ends.values())
