"""Nonsense that floors are learned from, and the floor that is drawn from it."""

import numpy as np
import pytest
from planted import scored, table

from esmm.learn.floors import PHOTOS, TEXTS, _floor, noise, nonsense
from esmm.learn.stack import Stack


@pytest.mark.parametrize("seed", range(20))
def test_nonsense_is_enough_and_no_two_are_equal(seed: int) -> None:
    made = nonsense(TEXTS, seed)
    assert len(set(made)) == len(made) == TEXTS
    assert all(text == " ".join(text.split()) != "" for text in made)


def test_each_half_is_tested_on_a_hundred() -> None:
    assert TEXTS // 2 >= 100


def test_nonsense_is_the_same_by_seed() -> None:
    assert nonsense(TEXTS, 1) == nonsense(TEXTS, 1)
    assert nonsense(50, 1) == nonsense(TEXTS, 1)[:50]
    assert len(set(nonsense(TEXTS, 1)) & set(nonsense(TEXTS, 2))) < TEXTS / 20, "another seed tests on other texts"


def test_every_other_text_is_a_question() -> None:
    made = nonsense(60, 3)
    assert all(" ".join(text.split()[:2]) in STARTS or text.startswith("define") for text in made[1::2])
    assert not any(" ".join(text.split()[:2]) in STARTS for text in made[::2])


STARTS = ("how do", "why is", "when was", "who wrote", "what happens")


def test_noise_is_the_same_by_seed_and_no_two_are_equal() -> None:
    first, again = ([photo.tobytes() for photo in noise(10, 4)] for _ in range(2))
    assert first == again
    assert len(set(first)) == 10
    assert {photo.size for photo in noise(PHOTOS, 1)} == {(224, 224)}


def floor_of(cosines: list[float], good: list[float | None], words: list[float | None], *, shares: int = 1) -> tuple:
    columns = {"keyword": [*words, 5.0], "text": [*good, 0.0]}
    stack = Stack.of(table(scored("shoe", columns, [1.0] * len(good) + [0.1])))
    found = _floor(cosines, stack, "text", shares=shares)
    return found.cosine, found.answered, found.lost


def test_a_floor_by_hand() -> None:
    """Pairs of nonsense are learned from and tested on by turns; here the tested half lies higher by .3."""
    learned = np.linspace(0.0, 0.5, 100)
    cosines = [c + lift for pair in learned.reshape(-1, 2).tolist() for lift in (0.0, 0.3) for c in pair]
    cosine, answered, lost = floor_of(cosines, [0.1, 0.2, 0.6, None], [None, 4.0, None, None])
    assert cosine == pytest.approx(np.quantile(learned, 1 - 0.05 / 2), abs=1e-3)
    assert answered == pytest.approx(np.mean(learned + 0.3 >= cosine))
    assert lost == pytest.approx(1 / 3), "one lies below and has no word; what has no vector is not lost by a floor"


def test_more_clauses_share_what_may_be_answered() -> None:
    cosines = np.random.default_rng(1).uniform(0, 0.5, 200).tolist()
    one, two = (floor_of(cosines, [0.6], [None], shares=shares) for shares in (1, 2))
    assert two[0] > one[0]
    assert one[1] <= 0.05
    assert two[1] <= 0.05
