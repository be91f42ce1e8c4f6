"""Judged questions made up by a seed, whose good products follow a fusion that the tests know."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from esmm.learn.judgements import Question
from esmm.learn.scores import Scored, Table
from esmm.query.fusion import KEYWORD, Fusion
from esmm.query.gate import FACTS

CONSTANT, LOW, HIGH = 10.0, 0.1, 0.7
VECTORS = ("text", "image")
UNTUNED = Fusion({}, saturations={"phrase": 5.0})
Draw = Callable[[np.random.Generator, int], float]


def scored(name: str, clauses: Mapping[str, Any], gains: Any, *, candidate: Any = None, **facts: float) -> Scored:
    """One question by columns; None stands for a clause that does not match, and for what nobody judged."""
    raws = np.array(list(clauses.values()), dtype=np.float64).T.reshape(-1, len(clauses))
    count = len(raws)
    found = np.ones(count, dtype=bool) if candidate is None else np.array(candidate, dtype=bool)
    told = {**dict.fromkeys(FACTS, 0.0), **facts}
    ids = tuple(f"p{place}" for place in range(count))
    return Scored(Question(name), ids, raws, np.array(gains, dtype=np.float64), found, told)


def table(*questions: Scored, clauses: tuple[str, ...] = (KEYWORD, "text")) -> Table:
    return Table(clauses, questions)


def planted(
    truth: Mapping[str, float],
    count: int = 40,
    *,
    products: int = 30,
    noise: float = 0.05,
    seed: int = 1,
    weight_of: Callable[[str, Mapping[str, float]], float] = lambda _clause, _facts: 1.0,
) -> Table:
    """Questions whose best products are those of a known fusion; ``weight_of`` moves its weights by a query's facts.

    The keyword matches four fifths of the products and a phrase one half; vectors know all.
    """
    rng = np.random.default_rng(seed)
    return Table(
        tuple(truth),
        tuple(_question(number, truth, rng, products, noise, weight_of) for number in range(count)),
    )


def _question(
    number: int,
    truth: Mapping[str, float],
    rng: np.random.Generator,
    products: int,
    noise: float,
    weight_of: Callable[[str, Mapping[str, float]], float],
) -> Scored:
    facts = {"words": float(rng.integers(1, 7)), "rarity": float(rng.uniform(2, 8))}
    columns, total = {}, rng.normal(0, noise, products)
    for clause, weight in truth.items():
        raw, normalised = _column(clause, rng, products)
        columns[clause] = raw
        total += weight * weight_of(clause, facts) * np.nan_to_num(normalised)
    order = np.argsort(-total)
    gains = np.full(products, np.nan)
    gains[order[: products // 2]] = 0.0
    gains[order[:6]], gains[order[:3]] = 0.1, 1.0
    return scored(f"question {number}", columns, gains, **facts)


def _column(clause: str, rng: np.random.Generator, products: int) -> tuple[Any, Any]:
    if clause in VECTORS:
        raw = rng.uniform(LOW, HIGH, products)
        return raw, (raw - LOW) / (HIGH - LOW)
    matches = rng.random(products) < (0.8 if clause == KEYWORD else 0.5)
    raw = np.where(matches, rng.uniform(1, 40, products), np.nan)
    return raw, raw / (raw + CONSTANT)
