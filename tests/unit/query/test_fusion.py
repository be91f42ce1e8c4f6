"""The fusion against its formula, written out by hand."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esmm.query.fusion import DEFAULT_SATURATION, Fusion, Window

SCORES = st.floats(0, 1e6)


def test_the_score_is_the_weighted_sum_of_the_normalised_scores() -> None:
    fusion = Fusion({"keyword": 0.7, "text": 2, "image": 0.5}, 8.0, {"image": Window(0.2, 0.6)})
    by_hand = 0.7 * 12 / (12 + 8) + 2 * 0.25 + 0.5 * (0.5 - 0.2) / (0.6 - 0.2)
    assert fusion.score({"keyword": 12, "text": 0.25, "image": 0.5}) == pytest.approx(by_hand)
    assert fusion.score({"text": 0.25}) == 0.5
    assert fusion.score({}) == 0


def test_what_is_not_named() -> None:
    fusion = Fusion({})
    assert fusion.weight("text") == 1
    assert fusion.saturation == DEFAULT_SATURATION
    assert fusion.normalise("keyword", DEFAULT_SATURATION) == 0.5
    assert fusion.window("text") == Window(0, 1)


def test_boosts_are_slopes_beside_that_of_the_keyword() -> None:
    fusion = Fusion({"keyword": 2.0, "text": 0.5, "phrase": 0.4}, 8.0, {"text": Window(0.2, 0.7)}, {"phrase": 5.0})
    keyword, text, phrase = 2 / (4 * 8), 2 * 0.5 / 0.5, 0.4 / (4 * 5)
    found = fusion.tangent(["text", "phrase"], keyword=True)
    assert found == pytest.approx({"text": text / keyword, "phrase": phrase / keyword})
    alone = pytest.approx({"text": text, "phrase": phrase})
    assert fusion.tangent(["text", "phrase"], keyword=False) == alone
    weightless = replace(fusion, weights={**fusion.weights, "keyword": 0.0})
    assert weightless.tangent(["text", "phrase"], keyword=True) == alone


@pytest.mark.parametrize(("cosine", "expected"), [(-1, 0), (0.2, 0), (0.4, 0.5), (0.6, 1), (1, 1)])
def test_a_cosine_outside_its_window_is_held(cosine: float, expected: float) -> None:
    fusion = Fusion({}, windows={"text": Window(0.2, 0.6)})
    assert fusion.normalise("text", cosine) == pytest.approx(expected)


@given(SCORES, SCORES, st.floats(1e-3, 1e3))
def test_a_higher_keyword_score_never_counts_less_and_stays_below_1(one: float, other: float, k: float) -> None:
    fusion = Fusion({}, saturation=k)
    low, high = sorted((one, other))
    assert 0 <= fusion.normalise("keyword", low) <= fusion.normalise("keyword", high) <= 1


@given(st.floats(-1, 0.4), st.floats(0.5, 1), st.floats(0, 1))
def test_a_cosine_comes_back(low: float, high: float, part: float) -> None:
    fusion = Fusion({}, windows={"text": Window(low, high)})
    cosine = low + part * (high - low)
    assert fusion.raw("text", fusion.normalise("text", cosine)) == pytest.approx(cosine, abs=1e-9)
