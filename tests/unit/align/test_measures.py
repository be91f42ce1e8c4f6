"""Recall, MRR and MAP against ir_measures, an implementation of other people."""

from collections.abc import Sequence

import ir_measures
import numpy as np
import pytest
from ir_measures import AP, RR, Qrel, ScoredDoc, Success
from training import epoch

from esmm.align.measures import Epoch, both_ways, measured

NAMES = {Success @ 1: "recall_1", Success @ 5: "recall_5", Success @ 10: "recall_10", RR: "mrr", AP: "map"}


def unit(count: int, dims: int, seed: int) -> np.ndarray:
    made = np.random.default_rng(seed).normal(size=(count, dims))
    rows: np.ndarray = (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)
    return rows


def reference(queries: np.ndarray, answers: np.ndarray, right: np.ndarray) -> dict[str, float]:
    run = [
        ScoredDoc(str(query), str(answer), float(cosine))
        for query, row in enumerate(queries @ answers.T)
        for answer, cosine in enumerate(row)
    ]
    qrels = [Qrel(str(query), str(answer), 1) for query, answer in np.argwhere(right)]
    found = ir_measures.calc_aggregate(list(NAMES), qrels, run)
    return {NAMES[measure]: value for measure, value in found.items()}


@pytest.mark.parametrize(("seed", "queries", "answers"), [(1, 30, 40), (2, 7, 100), (3, 25, 3), (4, 1, 1)])
def test_measured(seed: int, queries: int, answers: int) -> None:
    asked, known = unit(queries, 8, seed), unit(answers, 8, seed + 50)
    right = np.random.default_rng(seed).random((queries, answers)) < 0.1
    right[np.arange(queries), np.arange(queries) % answers] = True
    found = measured(asked, known, right)
    for name, value in reference(asked, known, right).items():
        assert getattr(found, name) == pytest.approx(value, abs=1e-6), name


def names_of(captions: Sequence[str]) -> tuple[list[str], np.ndarray]:
    once = sorted(set(captions))
    return once, np.array([[one == other for other in captions] for one in once])


@pytest.mark.parametrize("kinds", [40, 12, 3])
def test_both_ways_with_equal_captions(kinds: int) -> None:
    numbers = np.random.default_rng(kinds).integers(kinds, size=40)
    captions = [f"caption {number}" for number in numbers]
    texts, photos = unit(kinds, 8, 5)[numbers], unit(40, 8, 6)
    to_photo, to_text = both_ways(photos, texts, captions)
    once, right = names_of(captions)
    vectors = np.stack([texts[captions.index(one)] for one in once])
    for found, expected in (
        (to_photo, reference(vectors, photos, right)),
        (to_text, reference(photos, vectors, right.T)),
    ):
        for name, value in expected.items():
            assert getattr(found, name) == pytest.approx(value, abs=1e-6), name


def test_a_perfect_tower_scores_one_and_a_reversed_one_does_not() -> None:
    texts = np.eye(12, dtype=np.float32)
    captions = [str(number) for number in range(12)]
    for found in both_ways(texts, texts, captions):
        assert (found.recall_1, found.recall_5, found.recall_10, found.mrr, found.map) == (1, 1, 1, 1, 1)
    for found in both_ways(-texts, texts, captions):
        assert found.recall_10 == 0
        assert found.mrr == pytest.approx(1 / 12)


def test_an_epoch_survives_json_and_its_score_is_the_mean_of_both_ways() -> None:
    one = epoch(3, 0.5)
    assert Epoch.from_json(one.as_json()) == one
    assert one.score == pytest.approx((one.text_to_photo.map + one.photo_to_text.map) / 2)
    assert Epoch.from_json(epoch(0, 0.1).as_json()).loss is None
