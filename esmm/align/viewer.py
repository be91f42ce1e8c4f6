"""What a tower in training sees: the photos of a corpus as catalogues show them and in made-up scenes, as features."""

import math

import numpy as np
import torch

from esmm.align.augment import as_floats, catalogue_view, scene_view
from esmm.align.corpus import Batch, Corpus
from esmm.align.stored import Stored
from esmm.encoders.backbone import standardised
from esmm.encoders.tower import Tower

_SCENE_SHARE = 4  # one photo in so many is also seen in a scene
_AT_ONCE = 128
_STANDARD = 2000  # photos that the scale of the features is taken from


class Viewer:
    """Shows photos of a corpus to a tower; with ``scenes`` some of them in made-up scenes too."""

    def __init__(self, tower: Tower, corpus: Corpus, *, scenes: bool, device: torch.device) -> None:
        self._tower, self._corpus, self._scenes, self._device = tower, corpus, scenes, device

    def in_scenes(self, count: int) -> int:
        """Return how many of so many photos are also seen in scenes."""
        return max(2, count // _SCENE_SHARE) if self._scenes else 0

    def views(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Return each photo of a batch as a catalogue shows it, and the first of them in made-up scenes."""
        photos = self._photos(batch.pairs)
        shown = self.in_scenes(len(photos))
        return catalogue_view(photos), scene_view(photos[:shown]) if shown else photos[:0, :3]

    def features(self, views: torch.Tensor) -> torch.Tensor:
        """Return what the projection takes of such views."""
        half = self._device.type == "cuda" and torch.cuda.is_bf16_supported()
        with torch.autocast(self._device.type, dtype=torch.bfloat16, enabled=half):
            return self._tower.features(standardised(views))

    def stored(self, batch: Batch) -> Stored:
        """Return the features of a batch's views, to be kept."""
        with torch.inference_mode():
            return Stored(batch.pairs, *(self._kept(view) for view in self.views(batch)))

    def stored_all(self, rng: np.random.Generator) -> Stored:
        """Return the features of every photo as it is, then of a view of each, and of half as many in scenes.

        ``pairs`` are those in scenes.
        """
        everything = np.arange(self._corpus.count)
        shown = self._corpus.drawn(len(everything) // 2, rng) if self._scenes else everything[:0]
        photos = [self.plain(everything)]
        with torch.inference_mode():
            photos += [self._kept(catalogue_view(self._photos(part))) for part in _parts(everything)]
            scenes = [self._kept(scene_view(self._photos(part))) for part in _parts(shown)]
        return Stored(shown, torch.cat(photos), torch.cat(scenes or [photos[0][:0]]))

    def plain(self, pairs: np.ndarray) -> torch.Tensor:
        """Return the features of photos as they are in the catalogue: 16-bit floats, (n, width)."""
        self._tower.eval()
        with torch.inference_mode():
            return torch.cat([self._kept(self._photos(part)[:, :3]) for part in _parts(pairs)])

    def vectors_of(self, pairs: np.ndarray) -> np.ndarray:
        """Return a unit row for the photo of each pair, as it is in the catalogue."""
        self._tower.eval()
        with torch.inference_mode():
            rows = [self._tower(standardised(self._photos(part)[:, :3])).cpu().numpy() for part in _parts(pairs)]
        return np.concatenate(rows)

    def standardise(self, pairs: np.ndarray, seed: int) -> None:
        """Set the scale of the features by some of these photos."""
        chosen = np.sort(np.random.default_rng(seed).permutation(pairs)[:_STANDARD])
        self._tower.standardise(self.plain(chosen).float().to(self._device))

    def _kept(self, view: torch.Tensor) -> torch.Tensor:
        return self.features(view).half().cpu()

    def _photos(self, pairs: np.ndarray) -> torch.Tensor:
        return as_floats(torch.from_numpy(self._corpus.photos[pairs]).to(self._device))


def _parts(pairs: np.ndarray) -> list[np.ndarray]:
    return np.array_split(pairs, math.ceil(len(pairs) / _AT_ONCE)) if len(pairs) else []
