"""Normalisers measured on questions: the score at rank 10, the percentiles of the cosines, and their use."""

import numpy as np
import pytest
from planted import UNTUNED, scored, table

from esmm.learn.normalise import Normalisers, measured
from esmm.learn.stack import Stack
from esmm.query.fusion import Fusion, Window


def test_the_constant_is_the_median_score_at_rank_ten() -> None:
    many = scored("many", {"keyword": range(30, 0, -1)}, [1] * 30)
    few = scored("few", {"keyword": [8, 7, 6]}, [1] * 3)
    none = scored("none", {"keyword": [None, None]}, [1] * 2)
    stack = Stack.of(table(many, few, none, clauses=("keyword",)))
    assert measured(stack, (), UNTUNED).constants == {"keyword": (21 + 6) / 2}


def test_only_candidates_are_measured() -> None:
    columns = {"keyword": [500, 20, 10], "text": [0.99, 0.2, 0.4]}
    stack = Stack.of(table(scored("shoe", columns, [1, 0, 0], candidate=[False, True, True])))
    found = measured(stack, ("text",), UNTUNED)
    assert found.constants == {"keyword": 10}
    assert found.windows["text"].high == pytest.approx(np.percentile([0.2, 0.4], 99.5), abs=1e-4)


def test_the_window_holds_nearly_all_cosines() -> None:
    cosines = np.linspace(0.1, 0.5, 1001)
    stack = Stack.of(table(scored("shoe", {"text": cosines}, [0] * 1001), clauses=("text",)))
    assert measured(stack, ("text",), UNTUNED).windows["text"] == Window(0.12, 0.498)


def test_equal_cosines_still_have_a_window() -> None:
    stack = Stack.of(table(scored("shoe", {"text": [0.3] * 5}, [0] * 5), clauses=("text",)))
    window = measured(stack, ("text",), UNTUNED).windows["text"]
    assert (window.low, window.width) == pytest.approx((0.3, 0.05))


def test_a_clause_that_never_matches_keeps_what_it_had() -> None:
    columns = {"keyword": [None], "text": [None], "phrase": [None], "other": [None]}
    stack = Stack.of(table(scored("shoe", columns, [1]), clauses=tuple(columns)))
    found = measured(stack, ("text",), Fusion({}, 33.0, saturations={"phrase": 5.0}))
    assert found.constants == {"keyword": 33, "phrase": 5, "other": 33}
    assert found.windows == {"text": Window()}


def test_applied_by_hand() -> None:
    columns = {"keyword": [10, 30, None, 0], "text": [0.5, 0.9, -0.3, None]}
    stack = Stack.of(table(scored("shoe", columns, [1, 0, 0, 0])))
    found = Normalisers({"keyword": 10.0}, {"text": Window(0.1, 0.6)}).applied(stack)
    assert found[0, :, 0] == pytest.approx([0.5, 0.75, 0, 0])
    assert found[0, :, 1] == pytest.approx([0.8, 1, 0, 0])
