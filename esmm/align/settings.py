"""What can be set about a training. The shipped tower took more time than these defaults: benchmarks/tower.py."""

from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

Part = Literal["projection", "last", "all"]
LossName = Literal["infonce", "triplet", "cosine"]


@dataclass(frozen=True)
class Settings:
    """Settings of a training.

    ``train`` says what learns: the projection, the backbone's second half too, or all of it. ``side`` is the pixels
    of the square that a photo is fitted into, ``hidden`` the width of the projection (0: that of the tower gone on
    from, or 384; another one draws the projection anew). ``probe`` is how many passes over stored features the
    projection gets alone before the epochs. ``learning_rate`` is the projection's highest; the backbone learns at
    ``backbone_rate`` times it. ``warmup`` is the share of all steps in which the rate rises. ``hard`` is the share
    of a batch drawn among the BM25 neighbours of the rest of it. ``scenes`` weighs the loss between a photo and the
    same product in a made-up scene (0 leaves it out), ``keep`` the one that keeps photos near each other in the
    probe which the backbone had near. ``colours`` is how sure a photo must make of a colour that its captions lack,
    a probability, to put it before them (1 leaves captions as they are). ``patience`` is how many epochs without
    gain end the training, and ``refit`` how many passes over all pairs the projection of the best of them gets in
    the end.
    """

    train: Part = "all"
    loss: LossName = "infonce"
    probe: int = 20
    epochs: int = 10
    batch: int = 96
    side: int = 96
    hidden: int = 0
    learning_rate: float = 6e-4
    backbone_rate: float = 0.1
    weight_decay: float = 0.02
    warmup: float = 0.1
    hard: float = 0.25
    scenes: float = 0.25
    keep: float = 1.0
    colours: float = 0.5
    validation: float = 0.05
    patience: int = 4
    refit: int = 40
    seed: int = 1

    def as_json(self) -> dict[str, Any]:
        """Return the form kept beside the tower."""
        return asdict(self)

    def differences(self, other: "Settings") -> list[str]:
        """Name the settings in which a training differs from another one."""
        return [f.name for f in fields(self) if getattr(self, f.name) != getattr(other, f.name)]
