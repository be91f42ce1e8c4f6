"""The gate against its formula, what it sees in a query, and how long it takes."""

import math
import random
import string
import timeit
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from esmm.query.fusion import Fusion
from esmm.query.gate import BOUND, FACTS, Gate, Rarity, facts_of, words_of

TITLES = ["Red shoe", "red red lamp", "blue Lamp 40", ""]
RARITY = Rarity.counted(TITLES)


def test_rarity_is_minus_the_logarithm_of_the_share_of_titles() -> None:
    assert RARITY.shares == {"red": 0.5, "lamp": 0.5, "shoe": 0.25, "blue": 0.25, "40": 0.25}
    assert RARITY.of("red") == pytest.approx(math.log(2))
    assert RARITY.of("zebra") == pytest.approx(-math.log(0.5 / 4)), "rarer than what was seen once"
    assert list(Rarity.counted(TITLES, size=2).shares) == ["lamp", "red"]
    assert Rarity.counted([]).of("red") > 0


@pytest.mark.parametrize(
    ("text", "photo", "expected"),
    [
        ("Red shoe", False, {"words": 2, "rarity": (math.log(2) + math.log(4)) / 2}),
        ("lamp 40", False, {"words": 2, "numbers": 0.5, "rarity": (math.log(2) + math.log(4)) / 2}),
        ("iphone12 case", False, {"words": 2, "codes": 0.5, "unknown": 1, "rarity": math.log(8)}),
        ("red zebra", True, {"words": 2, "unknown": 0.5, "photo": 1, "rarity": (math.log(2) + math.log(8)) / 2}),
        ("!?", False, {}),
        (None, True, {"photo": 1}),
        ("lamp " * 50, False, {"words": 12, "rarity": math.log(2)}),
        ("été rouge", False, {"words": 2, "unknown": 1, "rarity": math.log(8)}),
    ],
)
def test_what_is_seen_in_a_query(text: str | None, photo: bool, expected: dict[str, float]) -> None:
    facts = facts_of(text, photo=photo, rarity=RARITY)
    assert tuple(facts) == FACTS
    assert facts == pytest.approx(dict.fromkeys(FACTS, 0.0) | expected)


@given(st.text(max_size=80))
def test_facts_are_finite_for_any_text(text: str) -> None:
    facts = facts_of(text, photo=False, rarity=RARITY)
    assert all(math.isfinite(fact) and fact >= 0 for fact in facts.values())
    assert all(0 <= facts[name] <= 1 for name in ("numbers", "codes", "unknown"))
    assert all(word == word.lower() for word in words_of(text) if word.isascii())


def gate(**coefficients: dict[str, float]) -> Gate:
    return Gate(coefficients, dict.fromkeys(FACTS, 1.0), dict.fromkeys(FACTS, 2.0), rarity=RARITY)


def test_a_weight_is_moved_by_the_exponential_of_the_weighted_facts() -> None:
    fusion = Fusion({"keyword": 1.0, "text": 0.5, "image": 0.0}, gate=gate(text={"words": 0.6, "photo": -0.4}))
    moved = fusion.at("red shoe lamp")
    assert moved.gate is None
    assert moved.weights["text"] == pytest.approx(0.5 * math.exp(0.6 * (3 - 1) / 2 - 0.4 * (0 - 1) / 2))
    assert (moved.weights["keyword"], moved.weights["image"]) == (1.0, 0.0)
    photo = fusion.at(None, photo=True)
    assert photo.weights["text"] == pytest.approx(0.5 * math.exp(0.6 * (0 - 1) / 2))
    assert fusion.weights["text"] == 0.5
    assert fusion.given(facts_of("red shoe lamp", photo=False, rarity=RARITY)) == moved


def test_nearness_to_centres_is_the_cosine_with_the_vector_of_the_words() -> None:
    centres = np.array([[1.0, 0.0], [0.6, 0.8]])
    flat = {"near_1": 0.5, "near_2": 0.25}
    near = Gate({"text": {"near_1": 2.0, "near_2": 1.0}}, flat, dict.fromkeys(flat, 4.0), centres=centres)
    assert near.facts("red", photo=False, vector=(0.0, 1.0)).items() >= {"near_1": 0.0, "near_2": 0.8}.items()
    fusion = Fusion({"text": 1.0}, gate=near)
    moved = fusion.at("red", vector=(0.0, 1.0)).weights["text"]
    assert moved == pytest.approx(math.exp(2 * (0 - 0.5) / 4 + (0.8 - 0.25) / 4))


def test_what_is_not_known_of_a_query_moves_nothing() -> None:
    near = Gate({"text": {"near_1": 2.0}}, {"near_1": 0.5}, {"near_1": 1.0}, centres=np.eye(2))
    assert Fusion({"text": 0.7}, gate=near).at(None, photo=True).weights == {"text": 0.7}


def test_no_query_moves_a_weight_beyond_the_bound() -> None:
    for sign in (1, -1):
        fusion = Fusion({"text": 1.0}, gate=gate(text={"words": sign * 1000.0}))
        assert fusion.at("red shoe lamp").weights["text"] == pytest.approx(math.exp(sign * BOUND))


def test_without_a_gate_a_fusion_is_the_same_for_all() -> None:
    fusion = Fusion({"text": 1.0})
    assert fusion.at("red") is fusion
    assert fusion.given({"words": 1.0}) is fusion


def test_it_takes_at_most_50_microseconds() -> None:
    """With full tables and all facts for ten clauses; the least of many rounds, because machines are busy.

    A machine that takes more than 11 µs for 200 square roots is slower than those meant, and is given its share.
    """
    draw = random.Random(3)
    words = ["".join(draw.choices(string.ascii_lowercase, k=7)) for _ in range(2000)]
    rarity = Rarity({word: draw.uniform(1e-4, 0.3) for word in words}, 1e-4)
    clauses = [f"clause{number}" for number in range(10)]
    facts = (*FACTS, "near_1", "near_2", "near_3", "near_4")
    ones, centres, vector = dict.fromkeys(facts, 1.0), np.eye(4, 384), np.ones(384) / math.sqrt(384)
    found = Gate({clause: dict.fromkeys(facts, 0.1) for clause in clauses}, ones, ones, rarity=rarity, centres=centres)
    fusion = Fusion(dict.fromkeys(clauses, 0.5), gate=found)
    query = " ".join([*words[:3], "unknown", "xj900"])
    assert fusion.at(query, vector=vector).weights[clauses[0]] != fusion.at(query).weights[clauses[0]] != 0.5
    slower = max(1.0, _seconds(lambda: sum(math.sqrt(number) for number in range(200))) / 11e-6)
    assert _seconds(lambda: fusion.at(query, vector=vector)) <= 50e-6 * slower


def _seconds(call: Callable[[], object]) -> float:
    return min(timeit.repeat(call, number=200, repeat=50)) / 200
