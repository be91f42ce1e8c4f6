"""Search logs simulated from a known truth: a shop whose ranking is wrong, and people who look at the top of it."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True)
class World:
    """The truth behind a log: relevance in [0, 1] by query and product, and how likely each position is looked at."""

    relevance: np.ndarray
    looks: np.ndarray
    seed: int

    def truth(self) -> dict[str, dict[str, float]]:
        """Return the relevance by query and product."""
        return {
            f"query {q}": {f"p{q}-{d}": float(value) for d, value in enumerate(row)}
            for q, row in enumerate(self.relevance)
        }


def world(seed: int, *, queries: int = 40, products: int = 20, shown: int = 10, steepness: float = 1.0) -> World:
    """Make a truth: few products of a query are good, and the chance of a look falls with the position's power."""
    rng = np.random.default_rng(seed)
    relevance = rng.choice([0.0, 0.3, 0.6, 1.0], size=(queries, products), p=[0.4, 0.3, 0.2, 0.1])
    return World(relevance, np.arange(1, shown + 1.0) ** -steepness, seed)


def searches(truth: World, count: int, *, rankings: int = 2, swaps: float = 0.0) -> Iterator[dict[str, Any]]:
    """Yield lines of a log; ``swaps`` is the share of searches with a randomised swap of the first with another one.

    The shop ranks by poor guesses of the relevance: ``rankings`` of them one after the other, as rankings change, with
    a little jitter from search to search. Some queries are asked far more often than others.
    """
    rng = np.random.default_rng(truth.seed + 1)
    size, shown = truth.relevance.shape, len(truth.looks)
    rankers = truth.relevance + rng.normal(0, 0.7, (rankings, *size))
    often = 1 / np.arange(1, size[0] + 1.0) ** 0.7
    appeal = 0.03 + 0.5 * truth.relevance
    for number in range(count):
        query = rng.choice(size[0], p=often / often.sum())
        guess = rankers[number * len(rankers) // count, query] + rng.normal(0, 0.2, size[1])
        order = np.argsort(-guess)[:shown]
        line: dict[str, Any] = {}
        if rng.random() < swaps:
            other = int(rng.integers(1, shown))
            line["swapped"] = [1, other + 1]
            if rng.random() < 0.5:
                order[[0, other]] = order[[other, 0]]
        clicked = order[rng.random(shown) < truth.looks * appeal[query, order]]
        carted = clicked[rng.random(len(clicked)) < 0.05 + 0.4 * truth.relevance[query, clicked]]
        bought = carted[rng.random(len(carted)) < 0.5]
        names = {"shown": order, "clicks": clicked, "carts": carted, "purchases": bought}
        line |= {key: [f"p{query}-{d}" for d in found] for key, found in names.items()}
        yield {"query": f"Query {query}", "user": f"user-{rng.integers(400)}", **line}


def written(path: Path, lines: Iterator[dict[str, Any]]) -> Path:
    """Write a log."""
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def in_order(scores: Mapping[str, float], truth: Mapping[str, float]) -> tuple[float, int]:
    """Return how many pairs of unequal truth scores put in order (ties count half), and of how many."""
    given, true = (np.array([values[product] for product in scores]) for values in (scores, truth))
    unequal = true[:, None] > true[None, :]
    right = (given[:, None] > given[None, :]) + 0.5 * (given[:, None] == given[None, :])
    return float(right[unequal].sum()), int(unequal.sum())


def accuracy(found: Mapping[str, Mapping[str, float]], truth: World) -> float:
    """Return the share of product pairs of one query that are in the right order."""
    known = truth.truth()
    right, pairs = zip(*(in_order(scores, known[query]) for query, scores in found.items()), strict=True)
    return float(sum(right) / sum(pairs))


def click_through(path: Path, like: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Return clicks over views of the same pairs: what a log says where nobody thinks of positions."""
    views, clicks = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for line in map(json.loads, path.read_text("utf-8").splitlines()):
        query = line["query"].lower()
        views.update((query, product) for product in line["shown"])
        clicks.update((query, product) for product in line["clicks"])
    return {query: {p: clicks[query, p] / views[query, p] for p in products} for query, products in like.items()}
