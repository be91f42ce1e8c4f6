"""Questions side by side: nDCG against the formula written out, ties, candidates and judged products."""

import math
from dataclasses import replace

import numpy as np
import pytest
from planted import scored, table

from esmm.learn.stack import Stack, dcg
from esmm.query.gate import FACTS


def by_hand(gains: list[float]) -> float:
    return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains[:10], start=1))


def test_ndcg_by_hand() -> None:
    stack = Stack.of(table(scored("shoe", {"keyword": [5, 4, 3, 2], "text": [0.1, 0.9, 0.5, 0.2]}, [0, 1, None, 0.1])))
    assert stack.ideal == pytest.approx([by_hand([1, 0.1])])
    assert stack.ndcg(stack.column("keyword")) == pytest.approx([by_hand([0, 1, 0, 0.1]) / by_hand([1, 0.1])])
    assert stack.ndcg(stack.column("text")) == pytest.approx([by_hand([1, 0, 0.1, 0]) / by_hand([1, 0.1])])


def test_only_the_first_ten_count() -> None:
    gains = [0.0] * 10 + [1.0] * 12
    stack = Stack.of(table(scored("shoe", {"keyword": range(22, 0, -1)}, gains), clauses=("keyword",)))
    assert stack.ideal == pytest.approx([by_hand([1.0] * 10)])
    assert stack.ndcg(stack.column("keyword")) == [0.0]
    assert stack.ndcg(-stack.column("keyword")) == pytest.approx([1.0])
    assert dcg(np.array([[1.0, 1.0]])) == pytest.approx([1 + 1 / math.log2(3)])


def test_equal_scores_stay_in_the_order_of_the_ids() -> None:
    stack = Stack.of(table(scored("shoe", {"keyword": [7, 7, 9, 7]}, [0, 1, 0, 0]), clauses=("keyword",)))
    assert stack.ranked(stack.column("keyword"), 4).tolist() == [[2, 0, 1, 3]]
    assert stack.ndcg(stack.column("keyword")) == pytest.approx([by_hand([0, 0, 1])])


def test_what_no_search_finds_is_not_ranked_but_is_in_the_ideal() -> None:
    columns = {"keyword": [9.0, 5.0, 4.0]}
    stack = Stack.of(table(scored("shoe", columns, [1, 0, 1], candidate=[False, True, True]), clauses=("keyword",)))
    assert stack.ideal == pytest.approx([by_hand([1, 1])])
    assert stack.ranked(stack.column("keyword"), 2).tolist() == [[1, 2]]
    assert stack.ndcg(stack.column("keyword")) == pytest.approx([by_hand([0, 1]) / by_hand([1, 1])])


def test_a_product_without_a_score_is_not_found() -> None:
    """Keyword search alone does not return what only the vectors know, good or not."""
    stack = Stack.of(table(scored("shoe", {"keyword": [3, None, None], "text": [0.1, 0.9, 0.8]}, [0, 1, 1])))
    assert stack.ndcg(stack.column("keyword")) == [0.0]
    assert stack.ndcg(stack.column("text")) == pytest.approx([1.0])
    assert stack.ndcg(np.full((1, 3), np.nan)) == [0.0]


def test_no_good_product_counts_nothing() -> None:
    stack = Stack.of(table(scored("shoe", {"keyword": [3, 2]}, [0, None]), clauses=("keyword",)))
    assert stack.ideal == [0.0]
    assert stack.ndcg(stack.column("keyword")) == [0.0]


def test_short_lists_are_padded_and_padding_is_never_found() -> None:
    short = scored("lamp", {"keyword": [1.0], "text": [-0.5]}, [1], words=2)
    long = scored("shoe", {"keyword": [3, None, 1], "text": [0.1, 0.2, 0.3]}, [0, 1, None], words=5)
    stack = Stack.of(table(short, long))
    assert (len(stack), stack.names, stack.raws.shape) == (2, ("lamp", "shoe"), (2, 3, 2))
    assert stack.candidates.tolist() == [[True, False, False], [True, True, True]]
    assert np.isnan(stack.raws[0, 1:]).all()
    assert stack.gains.tolist() == [[1, 0, 0], [0, 1, 0]]
    assert stack.facts[:, 0].tolist() == [2, 5]
    assert stack.ndcg(np.full((2, 3), -1.0))[0] == pytest.approx(1.0)


def test_a_fact_that_is_not_known_of_a_question_is_as_with_the_others() -> None:
    asked = [scored(name, {"keyword": [1], "text": [0]}, [1]) for name in "abc"]
    near = [replace(each, facts={**each.facts, "near_1": at}) for each, at in zip(asked, (0.2, 0.4), strict=False)]
    stack = Stack.of(table(*near, asked[2]))
    assert stack.fact_names == (*FACTS, "near_1")
    assert stack.facts[:, -1].tolist() == pytest.approx([0.2, 0.4, 0.3])


def test_some_questions_and_some_clauses() -> None:
    questions = [scored(name, {"keyword": [at, 1], "text": [0, at / 9]}, [0, at]) for at, name in enumerate("abc")]
    stack = Stack.of(table(*questions))
    some = stack.rows([2, 0])
    assert some.names == ("c", "a")
    assert some.column("keyword")[:, 0].tolist() == [2, 0]
    assert some.ideal.tolist() == [2, 0]
    turned = stack.only(("text", "keyword"))
    assert turned.clauses == ("text", "keyword")
    assert turned.column("keyword").tolist() == stack.column("keyword").tolist()
    assert turned.raws[:, :, 0].tolist() == stack.column("text").tolist()
