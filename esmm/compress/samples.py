"""Texts and photos to measure and calibrate on: those of a catalogue, or of the sample catalogue."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from esmm.errors import CatalogueError, PhotoError

if TYPE_CHECKING:
    from PIL.Image import Image

    from esmm.recipe import Recipe

_PRODUCTS, _PHOTOS = 4096, 1024


@dataclass(frozen=True)
class Samples:
    """Texts as they are encoded, and photos as they are decoded."""

    texts: list[str]
    photos: "list[Image]"

    def of(self, clause: str) -> list[Any]:
        """Return what the encoder of a clause takes."""
        return self.photos if clause == "image" else self.texts


def shipped_samples() -> Samples:
    """Return those of the catalogue that comes with esmm."""
    from esmm.recipe import load
    from esmm.shipped import shipped

    return gather(str(shipped("ingest/sample/products.jsonl")), load(shipped("ingest/sample/esmm.toml")))


def gather(catalogue: str, recipe: "Recipe") -> Samples:
    """Return texts and photos of products drawn evenly from a catalogue. Raises CatalogueError if it has none."""
    from esmm.ingest.catalogue import read
    from esmm.ingest.fill import Sample
    from esmm.ingest.records import fitting

    drawn = Sample(_PRODUCTS)
    for record in fitting(read(catalogue), recipe):
        drawn.offer(record)
    prefix = recipe.text.passage_prefix if recipe.text else ""
    texts = [prefix + text for record in drawn.records for _, text in record.passages]
    photos = _photos([ref for record in drawn.records for ref in record.photos], catalogue, recipe)
    if not (texts or photos):
        raise CatalogueError(f"{catalogue} gives no text and no photo by {recipe.source}", "use the recipe of its load")
    return Samples(texts, photos)


def _photos(references: list[str], catalogue: str, recipe: "Recipe") -> "list[Image]":
    from esmm.photos import Photos, decode

    found = []
    with Photos([Path(catalogue).parent, *(recipe.image.photo_places if recipe.image else [])]) as photos:
        for reference in references:
            try:
                found.append(decode(photos.read(reference)))
            except PhotoError:
                continue
            if len(found) == _PHOTOS:
                break
    return found
