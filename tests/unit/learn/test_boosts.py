"""Boosts: the order of the fusion without its arithmetic."""

import numpy as np
import pytest
from planted import planted, scored, table

from esmm.cluster import Capabilities
from esmm.learn.boosts import fitted_boosts
from esmm.learn.fit import Fit
from esmm.learn.normalise import Normalisers
from esmm.learn.stack import Stack
from esmm.query.clauses import QueryClause, VectorClause
from esmm.query.fusion import Fusion, Window
from esmm.query.parts import Parts
from esmm.query.strategies import boosts
from tests.conftest import tiny_recipe

ALL = 10_000  # neighbours
CLAUSES = ("keyword", "text", "phrase")


def fit_of(constant: float, **weights: float) -> Fit:
    constants = {"keyword": constant, "phrase": constant / 4}
    return Fit(Normalisers(constants, {"text": Window(0.0, 1.0), "image": Window(0.0, 1.0)}), weights)


def boost_order(stack: Stack, found: dict[str, float], *, vectors: tuple[str, ...] = ("text",)) -> np.ndarray:
    """The first ten by the request's own sums: a query's score, and boost * (1 + cosine) / 2."""
    total = np.nan_to_num(stack.column("keyword"))
    for name, height in found.items():
        raw = stack.column(name)
        total = total + height * np.nan_to_num((1 + raw) / 2 if name in vectors else raw)
    return stack.ranked(total, 10)


def overlap(stack: Stack, fit: Fit, order: np.ndarray) -> float:
    wanted = stack.ranked(fit.scores(stack), 10)
    return float(np.mean([len(set(a) & set(b)) / 10 for a, b in zip(order, wanted, strict=True)]))


def test_a_linear_fusion_is_reproduced() -> None:
    """Far below its constant a saturation is a straight line, and so is a cosine inside its window."""
    stack = Stack.of(planted({"keyword": 1.0, "text": 1.0, "phrase": 0.2}, 20))
    fit = fit_of(1e7, keyword=1.0, text=4e-6, phrase=0.1)
    found, reached = fitted_boosts(stack, fit, ("text",), k=ALL)
    assert reached == 1.0
    assert set(found) == {"text", "phrase"}
    assert overlap(stack, fit, boost_order(stack, found)) == 1.0


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_better_than_the_tangents(seed: int) -> None:
    stack = Stack.of(planted({"keyword": 1.0, "text": 1.0, "phrase": 0.3}, 20, seed=seed))
    fit = fit_of(3.0, keyword=1.0, text=1.4, phrase=0.5)
    found, reached = fitted_boosts(stack, fit, ("text",), k=ALL)
    tangent = {"text": 2 * 1.4 / (1 / 12), "phrase": 0.5 / 3 / (1 / 12)}
    assert reached > overlap(stack, fit, boost_order(stack, tangent)) + 0.05
    assert overlap(stack, fit, boost_order(stack, found)) == pytest.approx(reached, abs=0.01)


def test_untuned_boosts_are_where_the_search_begins() -> None:
    """With nothing to gain, what comes out is what a request without tuned boosts has."""
    stack = Stack.of(table(scored("one", {"keyword": [1.0], "text": [0.5], "phrase": [1.0]}, [1]), clauses=CLAUSES))
    found, reached = fitted_boosts(stack, fit_of(8.0, keyword=2.0, text=0.3, phrase=0.4), ("text",), k=ALL)
    fusion = Fusion({"keyword": 2.0, "text": 0.3, "phrase": 0.4}, 8.0, {"text": Window()}, {"phrase": 2.0})
    vectors, queries = (VectorClause("text", "v", [1.0]),), (QueryClause("phrase", {}),)
    parts = Parts({"match_all": {}}, {}, vectors, fusion, tiny_recipe().search, Capabilities(), queries=queries)
    assert found == pytest.approx(boosts(parts), rel=1e-3)
    assert reached == 1.0, "a list shorter than ten can be the same too"


def test_only_neighbours_count() -> None:
    """A product that is no neighbour gets nothing from a vector, however near it is."""
    columns = {"keyword": [1.0] * 12, "text": np.linspace(0.1, 0.9, 12)}
    stack = Stack.of(table(scored("one", columns, [1] * 12)))
    fit = fit_of(5.0, keyword=1.0, text=1.0)
    assert fitted_boosts(stack, fit, ("text",), k=ALL)[1] == 1.0
    assert fitted_boosts(stack, fit, ("text",), k=1)[1] == pytest.approx(0.8)


def test_what_weighs_nothing_has_no_boost() -> None:
    stack = Stack.of(planted({"keyword": 1.0, "text": 1.0, "image": 1.0}, 5))
    found, _ = fitted_boosts(stack, fit_of(5.0, keyword=1.0, text=1.0, image=0.0), ("text", "image"), k=ALL)
    assert set(found) == {"text"}
    found, reached = fitted_boosts(stack, fit_of(5.0, keyword=0.0, text=1.0), ("text", "image"), k=ALL)
    assert (set(found), reached) == ({"text"}, 1.0)


@pytest.mark.parametrize("seed", range(4))
def test_never_below_the_tangents(seed: int) -> None:
    """Also where few neighbours count, and the tangent is all that there is to begin with."""
    stack = Stack.of(planted({"keyword": 1.0, "text": 1.0}, 6, products=15, seed=seed))
    weights = {"keyword": 1.0, "text": 0.1 + seed}
    fit = fit_of(10.0**seed, **weights)
    tangent = 2 * weights["text"] * 4 * 10.0**seed
    assert fitted_boosts(stack, fit, ("text",), k=ALL)[1] >= overlap(stack, fit, boost_order(stack, {"text": tangent}))
