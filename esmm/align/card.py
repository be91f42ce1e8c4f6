"""The model card of a tower: what it was made from, how, and how good it is."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from esmm.paths import whole

if TYPE_CHECKING:
    from esmm.align.train import Training

CARD = "README.md"

_CARD = """# {name}

A photo encoder in the space of the text encoder {text}: a photo of a product and words that tell what it shows get
near vectors. Made by `esmm align`; use it as `image.model` in a recipe.

- Backbone: torchvision's {backbone}, photos fitted into {side} x {side} pixels; with the projection {size:.1f} million
  parameters, stored as 16-bit floats; the projection's tables as bytes.
- Data: {pairs:,} pairs of photo and text ({validation:,} kept for validation), {captions:,} captions. Photos told
  {told}.
- Settings: {settings}.
- Epochs: {last}, the best of them {best}.{refit}

## On the validation pairs

Which caption belongs to which photo, among {validation:,}; equal captions are equally right.{when}

| | Recall@1 | Recall@5 | Recall@10 | MRR | MAP |
|---|---|---|---|---|---|
{rows}

## What it is bad at

Anything its catalogue has no words for: it knows the kinds of products, colours and patterns that the captions name.
Brands and model numbers are left out of the captions, because a photo seldom shows them. Text in the photo is not read.
"""


def write_card(training: "Training", folder: Path) -> None:
    """Write the model card into the folder."""
    config, corpus, history = training.tower.config, training.corpus, training.history
    parameters = sum(parameter.numel() for parameter in training.tower.parameters())
    rows = [
        f"| {way.replace('_', ' ')}, {when} | "
        + " | ".join(f"{v:.3f}" for v in asdict(getattr(epoch, way)).values())
        + " |"
        for when, epoch in (("before", history[0]), ("after", training.best))
        for way in ("text_to_photo", "photo_to_text")
    ]
    text = _CARD.format(
        name=config.name,
        text=config.text,
        backbone=config.backbone,
        side=config.side,
        size=parameters / 1e6,
        pairs=len(corpus.training) + len(corpus.validation),
        validation=len(corpus.validation),
        captions=len(corpus.texts),
        told=training.told,
        settings=", ".join(f"{name} {value}" for name, value in training.settings.as_json().items()),
        last=history[-1].number,
        best=training.best.number,
        rows="\n".join(rows),
        refit=" Its projection was then fitted to all pairs." if training.settings.refit else "",
        when=" Measured before that last fit." if training.settings.refit else "",
    )
    with whole(folder / CARD) as beside:
        beside.write_text(text, encoding="utf-8")
