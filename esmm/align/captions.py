"""Captions: what a catalogue says about a photo, and which captions may be true of the same photo."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from esmm.ingest.records import value_of

if TYPE_CHECKING:
    from torch import Tensor

    from esmm.ingest.records import Record
    from esmm.recipe import Recipe

# A word must name at least this share of the products: nobody sees a brand or a model number in a photo.
_COMMON = 1 / 500
_SHORT = 3  # words of a field that people would type beside the thing
_LONGEST = 16  # words; what follows in a description is seldom about the looks
_WORD = re.compile(r"[^\W_]+")
_SENTENCE = re.compile(r"(?<=[.!?])\s")
# What shops call colours, in English.
_COLOURS = frozenset(
    _WORD.findall(
        "aqua beige black blue bronze brown burgundy charcoal coffee copper coral cream gold golden gray green grey "
        "indigo khaki lavender lime magenta maroon mauve metallic multi mustard navy nude off olive orange peach pink "
        "purple red rose rust silver steel tan teal turquoise violet white yellow"
    )
)


def words_of(text: str) -> list[str]:
    """Return the words of a text in lower case, without the possessive s."""
    return _WORD.findall(re.sub(r"['’]s\b", "", text.lower()))


def colour_of(caption: str) -> str:
    """Return the words of a caption that name a colour, as they follow each other; "" if it names none."""
    words = [word for word in words_of(caption) if word in _COLOURS]
    return " ".join(words) if words != ["off"] else ""


def caption_fields(recipe: "Recipe") -> list[str]:
    """Return the fields that tell what a photo shows, the heaviest of the text vector first: the title."""
    return [name for names in recipe.embedded.values() for name in names]


def parts_of(record: "Record", names: Sequence[str]) -> list[str]:
    """Return what each field says in short: the last step of a path, the first sentence of a description."""
    values = [value_of(record.fields, name) for name in names]
    first = [value[0] if isinstance(value, list) and value else value for value in values]
    return [_short(str(value)) for value in first if isinstance(value, (str, int, float)) and str(value).strip()]


def _short(value: str) -> str:
    leaf = value.rsplit(" > ", maxsplit=1)[-1].strip()
    return " ".join(_SENTENCE.split(leaf)[0].split()[:_LONGEST])


class Captioner:
    """Makes captions of the parts that :func:`parts_of` found, by what all products say together."""

    def __init__(self, products: Sequence[Sequence[str]]) -> None:
        counts = Counter(word for parts in products if parts for word in set(words_of(parts[0])))
        least = math.ceil(len(products) * _COMMON)
        self._common = {word for word, count in counts.items() if count >= least}

    def captions(self, parts: Sequence[str]) -> tuple[str, ...]:
        """Return the captions of one product: what can be seen of its title, and of its other parts.

        The others are as short as what people type: the colour and the thing (the last words of the title), and these
        with each other part.
        """
        title, *others = parts
        visible = " ".join(piece for piece in title.split() if self._visible(piece))
        made = [visible, " ".join(reversed(others)), *(_asked(visible, others) if visible else [])]
        return tuple(dict.fromkeys(caption for caption in made if caption)) or (title,)

    def _visible(self, piece: str) -> bool:
        words = words_of(piece)
        return not words or all(word in self._common or word in _COLOURS for word in words)


def _asked(visible: str, others: Sequence[str]) -> list[str]:
    """Return the colour with the last word or two, and with the last word beside each of the other parts."""
    said = {word for other in others for word in words_of(other)}
    pieces = [piece for piece in visible.split() if not colour_of(piece)]
    if not pieces:
        return []
    colour, thing = colour_of(visible), pieces[-1]
    before = [piece for piece in pieces[:-1] if not said.issuperset(words_of(piece))][-1:]
    beside = [other for other in others if len(words_of(other)) <= _SHORT and words_of(other) != words_of(thing)]
    asked = [[colour, thing], [colour, *before, thing], *([other, colour, thing] for other in beside)]
    return [" ".join(word for word in words if word) for words in asked]


class Vocabulary:
    """The words of all captions, as sets that can be compared in bulk."""

    def __init__(self, captions: Sequence[str]) -> None:
        import torch

        numbers: dict[str, int] = {}
        sets = [sorted({numbers.setdefault(word, len(numbers)) for word in words_of(text)}) for text in captions]
        self._size = len(numbers)
        self._sets = [torch.tensor(found, dtype=torch.long) for found in sets]

    def compatible(self, rows: Iterable[int], columns: Iterable[int]) -> "Tensor":
        """Say which captions say the same and more: bool, shape (rows, columns).

        "men shoes" and "men blue shoes" may be about one photo, so neither is a wrong answer to the other.
        """
        import torch
        from torch.nn.functional import embedding_bag

        (left, few), (right, many) = self._words(rows), self._words(columns)
        has = torch.zeros(self._size, len(many))  # (words, columns)
        has[right, torch.repeat_interleave(torch.arange(len(many)), many)] = 1
        # A caption has few words: their rows are added up, where a product of matrices would visit all words.
        shared = embedding_bag(left, has, few.cumsum(0) - few, mode="sum")
        return (shared >= few[:, None]) | (shared >= many)

    def _words(self, numbers: Iterable[int]) -> "tuple[Tensor, Tensor]":
        """Return the words of captions, one after the other, and how many each has."""
        import torch

        chosen = [self._sets[number] for number in numbers]
        return torch.cat(chosen), torch.tensor([len(found) for found in chosen])


def bm25_neighbours(captions: Sequence[str], *, count: int, sample: int, seed: int) -> dict[int, list[int]]:
    """Return, for a sample of captions, the numbers of the captions that BM25 finds nearest to them: hard negatives."""
    import numpy as np
    from rank_bm25 import BM25Okapi

    index = BM25Okapi([words_of(caption) or [""] for caption in captions])
    drawn = np.random.default_rng(seed).permutation(len(captions))[:sample]
    found = {}
    for number in map(int, drawn):
        scores = index.get_scores(words_of(captions[number]))
        best = np.argsort(-scores, kind="stable")[: count + 1]
        found[number] = [int(other) for other in best if other != number and scores[other] > 0][:count]
    return found
