"""Texts to encode in batches of like length, each distinct text once."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from esmm.encoders.base import Matrix


Each = Callable[["Callable[[list[int]], Matrix]", list[list[int]]], "Iterable[Matrix]"]


def encoded_once(
    tokens: Sequence[Sequence[int]],
    encode: "Callable[[list[int]], Matrix]",
    *,
    dims: int,
    budget: int,
    each: Each = map,
) -> "Matrix":
    """Return one row for each text, float32, shape (len(tokens), dims).

    ``encode`` gets the numbers of some texts; ``each`` calls it for every batch, longest texts first. Texts that are
    the same to the model, as they often are but for case and white space, are encoded once.
    """
    import numpy as np

    first: dict[tuple[int, ...], int] = {}
    same = [first.setdefault(tuple(ids), number) for number, ids in enumerate(tokens)]
    rows: Matrix = np.empty((len(tokens), dims), dtype=np.float32)
    distinct = list(first.values())
    places = [*batches([len(tokens[number]) for number in distinct], budget=budget)][::-1]
    groups = [[distinct[place] for place in batch] for batch in places]
    for numbers, made in zip(groups, each(encode, groups), strict=True):
        rows[numbers] = made
    return rows[same]


def batches(lengths: Sequence[int], *, budget: int) -> Iterator[list[int]]:
    """Group the numbers of texts of like lengths, shortest first, so that a padded batch is within the budget.

    A text that is longer than the budget makes a batch of its own.
    """
    batch: list[int] = []
    for number in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and (len(batch) + 1) * lengths[number] > budget:
            yield batch
            batch = []
        batch.append(number)
    if batch:
        yield batch
