"""What a training draws from: pairs, the vectors of their captions, and batches with hard negatives."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from esmm.align.captions import Vocabulary, bm25_neighbours

if TYPE_CHECKING:
    from esmm.align.pairs import Pairs
    from esmm.align.settings import Settings
    from esmm.encoders import Encoder

_BANK = 1024
_NEIGHBOURS, _NEIGHBOUR_SAMPLE = 8, 1500
_MOST_VALIDATION = 2000
_FEW = 40  # a quarter of so few pairs is kept for validation: one or two would decide by chance
# A catalogue of n pairs is drawn from in proportion to n ** 0.3, so that a small one is heard beside a large one
# (as multilingual models draw languages: Conneau et al. 2020).
_SMOOTHING = 0.3


@dataclass(frozen=True)
class Batch:
    """Numbers of pairs, and of one caption for each of them, drawn at random."""

    pairs: "np.ndarray"
    captions: "np.ndarray"


class Corpus:
    """Pairs split into training and validation, and the unit vectors of all captions, shape (captions, dims)."""

    def __init__(self, pairs: "Pairs", encoder: "Encoder", settings: "Settings") -> None:
        self.photos, self.text = pairs.photos, encoder.info
        self._encoder, self._own = encoder, pairs.captions
        self.texts: list[str] = []
        self.vectors = torch.zeros(0, encoder.info.dims)
        self._catalogue = np.asarray(pairs.catalogue)
        self.training, self.validation = _split(len(pairs.captions), settings)
        self.colours: dict[int, str] = {}
        self.complete({})
        self._hard = self._neighbours(settings) if settings.hard else {}

    def complete(self, colours: "Mapping[int, str]") -> None:
        """Draw the captions of these pairs with a colour put before them; those shown in validation stay."""
        self.colours = dict(colours)
        drawn = [
            tuple(f"{self.colours[pair]} {caption}" for caption in captions) if pair in self.colours else captions
            for pair, captions in enumerate(self._own)
        ]
        self._encode({caption for captions in (*self._own, *drawn) for caption in captions})
        number = {caption: place for place, caption in enumerate(self.texts)}
        self._first = [number[captions[0]] for captions in self._own]
        self._captions = [[number[caption] for caption in captions] for captions in drawn]
        self.vocabulary = Vocabulary(self.texts)

    def _encode(self, texts: "Set[str]") -> None:
        """Hold these texts and their vectors; what has a vector is not encoded again."""
        known = dict(zip(self.texts, self.vectors, strict=True))
        new = sorted(texts - known.keys())
        known |= zip(new, torch.from_numpy(self._encoder.encode(new)), strict=True)
        self.texts = sorted(texts)
        self.vectors = torch.stack([known[text] for text in self.texts])

    @property
    def count(self) -> int:
        """How many pairs there are."""
        return len(self._own)

    @property
    def catalogues(self) -> "list[np.ndarray]":
        """The numbers of the pairs of each catalogue."""
        return self._by_catalogue(np.arange(self.count))

    def steps(self, batch: int) -> int:
        """Return how many batches make an epoch."""
        return max(1, len(self.training) // batch)

    def batches(self, settings: "Settings", rng: np.random.Generator) -> Iterator[Batch]:
        """Yield the batches of one epoch."""
        catalogues = self._by_catalogue(self.training)
        streams = [_shuffled(numbers, rng) for numbers in catalogues]
        shares = _shares(catalogues)
        size = min(settings.batch, len(self.training))
        for _ in range(self.steps(settings.batch)):
            easy = max(1, round(size * (1 - settings.hard)))
            counts = rng.multinomial(easy, shares)
            drawn = [next(stream) for stream, count in zip(streams, counts, strict=True) for _ in range(count)]
            rng.shuffle(drawn)  # the first of a batch are also seen in scenes
            yield self._batch(drawn, size, rng)

    def drawn(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Return the numbers of so many pairs, also of validation, some twice; small catalogues count more."""
        catalogues = self.catalogues
        counts = rng.multinomial(count, _shares(catalogues))
        found = [rng.choice(numbers, size=n) for numbers, n in zip(catalogues, counts, strict=True)]
        return rng.permutation(np.concatenate(found))

    def bank(self, rng: np.random.Generator) -> np.ndarray:
        """Return the numbers of captions drawn from all, to compare photos with beside those of the batch."""
        return rng.choice(len(self.texts), size=min(_BANK, len(self.texts)), replace=False)

    def redrawn(self, pairs: "Sequence[int] | np.ndarray", rng: np.random.Generator) -> np.ndarray:
        """Return the number of a caption for each pair, drawn at random."""
        return np.array([int(rng.choice(self._captions[pair])) for pair in pairs])

    def shown(self, pair: int) -> str:
        """Return the caption that stands for a pair in validation: its first, what can be seen of its title."""
        return self._own[pair][0]

    def first_vectors(self, pairs: "Sequence[int] | np.ndarray") -> "np.ndarray":
        """Return the vectors of these captions."""
        return self.vectors[[self._first[pair] for pair in pairs]].numpy()

    def _by_catalogue(self, pairs: np.ndarray) -> list[np.ndarray]:
        where = self._catalogue[pairs]
        return [pairs[where == number] for number in np.unique(where)]

    def _batch(self, drawn: list[int], size: int, rng: np.random.Generator) -> Batch:
        for pair in rng.permutation(drawn):
            if len(drawn) >= size:
                break
            drawn += self._hard.get(self.shown(pair), [])[: size - len(drawn)][:1]
        return Batch(np.asarray(drawn), self.redrawn(drawn, rng))

    def _neighbours(self, settings: "Settings") -> dict[str, list[int]]:
        """Return, for some captions, training pairs whose captions BM25 confuses with them."""
        holders = defaultdict(list)
        for pair in map(int, self.training):
            holders[self.shown(pair)].append(pair)
        firsts = sorted(holders)
        near = bm25_neighbours(firsts, count=_NEIGHBOURS, sample=_NEIGHBOUR_SAMPLE, seed=settings.seed)
        rng = np.random.default_rng(settings.seed)
        return {
            firsts[number]: [int(rng.choice(holders[firsts[other]])) for other in others]
            for number, others in near.items()
        }


def _shares(catalogues: Sequence[np.ndarray]) -> np.ndarray:
    """Return how much of a batch each catalogue gets."""
    weights = np.array([len(numbers) for numbers in catalogues]) ** _SMOOTHING
    return np.asarray(weights / weights.sum())


def _split(count: int, settings: "Settings") -> tuple[np.ndarray, np.ndarray]:
    order = np.random.default_rng(settings.seed).permutation(count)
    kept = min(max(count // 4 if count < _FEW else _FEW // 4, round(count * settings.validation)), _MOST_VALIDATION)
    return np.sort(order[kept:]), np.sort(order[:kept])


def _shuffled(numbers: np.ndarray, rng: np.random.Generator) -> Iterator[int]:
    while True:
        yield from map(int, rng.permutation(numbers))
