"""Texts in batches of like length, each distinct one once."""

from typing import Any

import numpy as np

from esmm.encoders.batching import encoded_once

TEXTS = [(1, 2), (7,), (1, 2), (5, 6, 7), (7,), (2, 1)]


def run(budget: int) -> tuple[Any, list[list[int]]]:
    given: list[list[int]] = []

    def encode(numbers: list[int]) -> Any:
        given.append(numbers)
        return np.array([[sum(TEXTS[n]), TEXTS[n][0]] for n in numbers], dtype=np.float32)

    return encoded_once(TEXTS, encode, dims=2, budget=budget), given


def test_each_text_gets_its_row_and_is_encoded_once() -> None:
    for budget in (1, 4, 100):
        rows, given = run(budget)
        assert rows.tolist() == [[sum(text), text[0]] for text in TEXTS]
        assert rows.dtype == np.float32
        assert sorted(number for numbers in given for number in numbers) == [0, 1, 3, 5]


def test_batches_are_sorted_by_length_and_within_the_budget() -> None:
    assert run(4)[1] == [[3], [5], [1, 0]]
    assert run(100)[1] == [[1, 0, 5, 3]]


def test_nothing_in_nothing_out() -> None:
    assert encoded_once([], lambda _: np.zeros((0, 3), np.float32), dims=3, budget=9).shape == (0, 3)
