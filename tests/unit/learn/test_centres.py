"""Centres of clusters of questions."""

import numpy as np
import pytest

from esmm.errors import LearnError
from esmm.learn.centres import centres_of


def unit(rows: np.ndarray) -> np.ndarray:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def test_planted_kinds_of_questions_are_found() -> None:
    rng = np.random.default_rng(1)
    kinds = unit(rng.normal(size=(3, 16)))
    vectors = unit(np.repeat(kinds, 20, axis=0) + rng.normal(0, 0.02, (60, 16)))
    found = centres_of(vectors.tolist(), 3)
    assert found.shape == (3, 16)
    assert np.linalg.norm(found, axis=1) == pytest.approx(1, abs=1e-5)
    cosines = kinds @ found.T
    assert sorted(cosines.argmax(axis=1).tolist()) == [0, 1, 2]
    assert cosines.max(axis=1).min() > 0.99
    assert (found == centres_of(vectors.tolist(), 3)).all(), "the same again"


def test_fewer_questions_than_centres_are_refused() -> None:
    same = [[1.0, 0.0]] * 5
    with pytest.raises(LearnError, match="1 different ones, too few for 2 centres") as fault:
        centres_of(same, 2)
    assert "--centres" in fault.value.hint
