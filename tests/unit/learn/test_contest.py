"""The contest: what is kept, how sure that is, and that no question is ever both learned from and measured on."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from planted import UNTUNED, VECTORS, planted, scored, table

from esmm.learn.contest import FOLDS, INNER, Outcome, Verdict, chosen, decided, folds, held
from esmm.learn.rivals import Column, Field, InForce, Ranks, Rival, rivals
from esmm.learn.scores import FORM, Table
from esmm.learn.stack import Stack
from esmm.query.fusion import KEYWORD, Fusion, Window
from esmm.query.gate import FACTS, Gate


def contest(stack: Stack, *, few: bool = False, only: Sequence[str] = ()) -> Verdict:
    forms = tuple(name for name in stack.clauses if name.startswith(FORM))
    clauses = tuple(name for name in stack.clauses if name not in forms)
    entered = Field(clauses, tuple(name for name in clauses if name in VECTORS), UNTUNED, forms)
    models = [m for m in rivals(entered, few=few) if not only or m.name in only or m.name in (KEYWORD, *forms)]
    return decided(held(stack, models, seed=1), models, forms)


def of(truth: dict[str, float], count: int = 30) -> Stack:
    return Stack.of(planted(truth, count, products=16))


# Planted truths.


def test_a_useless_vector_keeps_the_keyword() -> None:
    verdict = contest(of({"keyword": 1.0, "text": 0.0}), only=("equal weights", "one weight"))
    assert (verdict.contender, verdict.kept, verdict.label) == ("keyword", None, "kept")
    assert "no model is better than the keyword" in verdict.why


def test_a_good_vector_is_kept_and_proven() -> None:
    verdict = contest(of({"keyword": 0.4, "text": 1.0}), only=("equal weights", "one weight", "global weights"))
    assert verdict.kept in ("one weight", "global weights")
    assert verdict.label == "proven"
    assert verdict.p < 0.01
    assert 0 < verdict.low < verdict.gain < verdict.high
    means = {row["model"]: row["ndcg"] for row in verdict.table}
    assert verdict.gain == pytest.approx(means[verdict.kept] - means["keyword"])


def test_every_model_can_take_part() -> None:
    verdict = contest(of({"keyword": 0.5, "text": 1.0, "phrase": 0.3}, 10))
    names = [row["model"] for row in verdict.table]
    wanted = ["keyword", "RRF", "as it is", "equal weights", "one weight", "global weights", "gate"]
    assert names[: len(wanted)] == wanted
    assert all(0 <= row["ndcg"] <= 1 and row["low"] <= row["gain"] <= row["high"] for row in verdict.table)
    assert [row["model"] for row in verdict.table if "p" in row] == [
        "equal weights",
        "one weight",
        "global weights",
        "gate",
    ]


def test_few_questions_allow_only_what_is_shrunk_hard() -> None:
    names = [model.name for model in rivals(Field(("keyword", "text"), ("text",), UNTUNED), few=True)]
    assert names == ["keyword", "RRF", "as it is", "equal weights", "calibrated weights"]
    verdict = contest(of({"keyword": 0.4, "text": 1.0}, 12), few=True)
    assert verdict.kept in ("equal weights", "calibrated weights")


# Folds.


@pytest.mark.parametrize("count", [10, 11, 23])
def test_folds_cut_all_questions_into_equal_parts(count: int) -> None:
    parts = folds(count, FOLDS, 3)
    assert sorted(np.concatenate(parts)) == list(range(count))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    assert [part.tolist() for part in folds(count, FOLDS, 3)] == [part.tolist() for part in parts]
    assert [part.tolist() for part in folds(count, FOLDS, 4)] != [part.tolist() for part in parts]


@dataclass
class Witness:
    """Writes down what it learned from, and what it then had to score."""

    seen: list[tuple[set[str], set[str]]] = field(default_factory=list)

    def learn(self, stack: Stack, option: float) -> "Knower":
        return Knower(self, set(stack.names), option)


@dataclass
class Knower:
    witness: Witness
    learned: set[str]
    option: float

    def scores(self, stack: Stack) -> np.ndarray:
        self.witness.seen.append((self.learned, set(stack.names)))
        return stack.column("text") if self.option == 2 else -stack.column("text")


def test_no_question_is_both_learned_from_and_measured_on() -> None:
    witness, stack = Witness(), of({"keyword": 0.0, "text": 1.0}, 23)
    rival = Rival("witness", witness.learn, (1.0, 2.0, 3.0))
    outcome = held(stack, [rival], seed=5)
    assert len(witness.seen) == FOLDS * (3 * INNER + 1)
    assert all(not learned & measured for learned, measured in witness.seen)
    outer = [measured for learned, measured in witness.seen if len(learned | measured) == len(stack)]
    assert len(outer) == FOLDS
    assert sorted(name for part in outer for name in part) == sorted(stack.names)
    for start in range(0, len(witness.seen), 3 * INNER + 1):
        *inner, (_, test) = witness.seen[start : start + 3 * INNER + 1]
        assert all(not (learned | measured) & test for learned, measured in inner), "options are chosen without it"
    assert outcome.options["witness"] == (2.0,) * FOLDS
    assert outcome.values["witness"] == pytest.approx(stack.ndcg(stack.column("text")))


def test_the_best_option_of_the_inner_folds_is_chosen() -> None:
    stack = of({"keyword": 0.0, "text": 1.0}, 12)
    assert chosen(stack, Rival("r", Witness().learn, (1.0, 2.0)), 1) == 2
    assert chosen(stack, Rival("r", Witness().learn, (3.0, 1.0)), 1) == 3, "of equal ones the first"
    untouched = Witness()
    assert chosen(stack, Rival("r", untouched.learn, (9.0,)), 1) == 9
    assert untouched.seen == []


def test_the_same_seed_gives_the_same_outcome() -> None:
    stack = of({"keyword": 0.5, "text": 1.0}, 12)
    entered = Field(("keyword", "text"), ("text",), UNTUNED)
    models = [model for model in rivals(entered, few=False) if model.name in ("keyword", "one weight")]
    first, again, other = (held(stack, models, seed=seed) for seed in (1, 1, 2))
    assert first.options == again.options
    assert {name: v.tobytes() for name, v in first.values.items()} == {
        name: v.tobytes() for name, v in again.values.items()
    }
    assert any(first.values[name].tobytes() != other.values[name].tobytes() for name in first.values)


def test_steps_are_told() -> None:
    told: list[tuple[int, int]] = []
    held(
        of({"keyword": 1.0}, 10), [Rival("w", lambda *_: Column("keyword"))], seed=1, on_step=lambda *s: told.append(s)
    )
    assert told == [(number, 5) for number in range(6)]


# The verdict, from measured values.

NOISE = np.random.default_rng(3).normal(0, 0.1, 100)
NOISE -= NOISE.mean()
MODELS = [
    Rival("keyword", lambda *_: Column("keyword"), rank=0),
    Rival(FORM + "best_fields", lambda *_: Column("keyword")),
    Rival("simple", lambda *_: Column("text"), rank=1),
    Rival("rich", lambda *_: Column("text"), rank=2),
    Rival("trees", lambda *_: Column("text")),
]


def verdict_of(**gains: float) -> Verdict:
    """The verdict where each model gains so much on average over the keyword, with the same spread."""
    base = np.full(100, 0.5)
    spread = {"simple": NOISE, "rich": np.roll(NOISE, 7), "best_fields": np.roll(NOISE, 13), "trees": NOISE}
    values = {name: base + gain + spread[name] for name, gain in gains.items()}
    outcome = {"keyword": base} | {FORM + n if n == "best_fields" else n: v for n, v in values.items()}
    models = [model for model in MODELS if model.name in outcome]
    forms = [name for name in outcome if name.startswith(FORM)]
    return decided(Outcome(outcome, {name: () for name in outcome}, 1), models, forms)


def test_the_simplest_within_one_standard_error_of_the_best() -> None:
    error = (NOISE - np.roll(NOISE, 7)).std(ddof=1) / 10
    near, far = verdict_of(simple=0.08, rich=0.08 + 0.9 * error), verdict_of(simple=0.08, rich=0.08 + 1.1 * error)
    assert (near.kept, far.kept) == ("simple", "rich")
    assert near.gain == pytest.approx(0.08)
    assert near.why == "simple is the simplest model within one standard error of the best"


def test_a_yardstick_is_never_kept_nor_the_best() -> None:
    verdict = verdict_of(simple=0.05, trees=0.4)
    assert verdict.kept == "simple"
    assert "trees" in [row["model"] for row in verdict.table]


def test_the_strongest_keyword_form_counts() -> None:
    weak, strong = verdict_of(simple=0.05), verdict_of(simple=0.05, best_fields=0.07)
    assert (weak.kept, weak.baseline) == ("simple", "keyword")
    assert (strong.kept, strong.label) == (None, "kept")
    assert strong.baseline == FORM + "best_fields"
    assert strong.gain == pytest.approx(-0.02)
    assert strong.why == f"simple does not beat {FORM}best_fields"


def test_what_may_lose_is_not_kept() -> None:
    wide = np.tile([1.0, -1.0], 50)
    outcome = Outcome({"keyword": np.full(100, 0.5), "simple": 0.5 + 0.11 + wide}, {}, 1)
    verdict = decided(outcome, [MODELS[0], MODELS[2]], ())
    assert verdict.contender == "simple"
    assert verdict.gain > 0
    assert verdict.low < -0.01
    assert verdict.kept is None
    assert "may lose" in verdict.why


def test_proven_or_promising() -> None:
    error = NOISE.std(ddof=1) / 10
    sure, hopeful = verdict_of(simple=4 * error), verdict_of(simple=1.5 * error)
    assert (sure.kept, sure.label) == ("simple", "proven")
    assert (hopeful.kept, hopeful.label) == ("simple", "promising")
    assert sure.p < 0.05 <= hopeful.p


def test_p_is_corrected_for_the_models_tried() -> None:
    error = NOISE.std(ddof=1) / 10
    alone, among = verdict_of(simple=2.2 * error), verdict_of(simple=2.2 * error, rich=0.0)
    assert alone.p < among.p <= 2 * alone.p + 0.001
    assert (alone.label, among.label) == ("proven", "promising")
    assert verdict_of(simple=2.2 * error, trees=0.0).p == alone.p, "yardsticks are not tried"


# Rivals by hand.


def test_ranks_by_hand() -> None:
    found = Ranks(("keyword", "text")).scores(Stack.of(_two()))
    assert found[0] == pytest.approx([1 / 61 + 1 / 63, 1 / 62 + 1 / 61, 1 / 62])


def test_the_fusion_in_force_scores_by_its_own_arithmetic() -> None:
    middles, scales = dict.fromkeys(FACTS, 1.0), dict.fromkeys(FACTS, 2.0)
    gate = Gate({"text": {"words": 0.7}}, middles, scales)
    fusion = Fusion({"keyword": 2.0, "text": 0.5}, 4.0, {"text": Window(-0.2, 0.6)}, gate=gate)
    found = _two()
    scores = InForce(fusion, ("keyword", "text")).scores(Stack.of(found))
    for row, question in enumerate(found.questions):
        facts = gate.facts(question.question.text, photo=False)
        factors = gate.factors(facts)
        for place, raws in enumerate(question.raws):
            named = dict(zip(found.clauses, raws, strict=True))
            parts = (
                fusion.weight(name) * factors.get(name, 1.0) * fusion.normalise(name, raw)
                for name, raw in named.items()
                if not np.isnan(raw)
            )
            assert scores[row, place] == pytest.approx(sum(parts))


def _two() -> Table:
    raws = {"keyword": [9, 5, None], "text": [0.1, 0.9, 0.5]}
    return table(scored("big red shoe", raws, [1, 0, 0], words=3), scored("shoe", raws, [1, 0, 0], words=1))
