"""From judged questions to fusion.json: what is refused, what is kept, and that the file scores as the fit did."""

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from planted import UNTUNED, VECTORS, planted

from esmm.errors import LearnError
from esmm.learn.contest import Outcome, Verdict
from esmm.learn.features import Collected
from esmm.learn.fit import Plan, fitted
from esmm.learn.floors import Floor
from esmm.learn.judgements import Judgements, Question
from esmm.learn.normalise import measured
from esmm.learn.scores import FORM, Table
from esmm.learn.stack import Stack
from esmm.learn.tune import Origin, Tuned, Winner, model_of, tuned
from esmm.query.gate import Rarity, facts_of
from esmm.query.model import FusionModel, digest_of
from tests.conftest import tiny_recipe

RARITY = Rarity({"red": 0.2, "shoe": 0.1, "lamp": 0.05}, 1e-3)
JUDGED = Judgements({Question("shoe"): {"p1": 1.0}}, "judged.tsv")
CURRENT = replace(UNTUNED, weights={"image": 0.7}, saturations={"phrase": 5.0, "unseen": 2.0})
GOOD = {"keyword": 0.3, "text": 1.0}


def tune(found: Table, *, seed: int = 1) -> Tuned:
    return tuned(
        Collected(found, RARITY, {}, "the index shop"),
        CURRENT,
        loss="lambda",
        seed=seed,
        k=100,
        on_step=lambda *_: None,
    )


def model(found: Tuned, floors: dict[str, Floor] | None = None) -> FusionModel:
    assert found.winner is not None
    return model_of(found, found.winner, Origin(tiny_recipe(), JUDGED, RARITY, floors or {}))


@cache
def few() -> Tuned:
    return tune(planted(GOOD, 16, products=15))


def without_gains(found: Table, count: int) -> Table:
    """The same questions, of which so many have no good product."""
    none = [replace(q, gains=np.zeros(len(q.ids))) for q in found.questions[:count]]
    return replace(found, questions=(*none, *found.questions[count:]))


def test_below_ten_questions_nothing_is_learned() -> None:
    with pytest.raises(LearnError, match="judged questions: 9, too few to learn from") as fault:
        tune(planted(GOOD, 9))
    assert fault.value.hint == "judge 10 at least; 30 are enough"
    with pytest.raises(LearnError, match=r"questions: 9, .* \(3 more have no product with a gain above 0\)"):
        tune(without_gains(planted(GOOD, 12), 3))
    with pytest.raises(LearnError, match="judged questions: 0"):
        tune(without_gains(planted(GOOD, 12), 12))


def test_questions_without_a_good_product_are_left_out_and_named() -> None:
    found = tune(without_gains(planted(GOOD, 13, products=15), 2))
    assert found.left_out == ("question 0", "question 1")
    assert found.stack.names == tuple(f"question {number}" for number in range(2, 13))


def test_below_thirty_questions_weights_are_only_calibrated() -> None:
    found = few()
    assert {row["model"] for row in found.verdict.table} >= {"equal weights", "calibrated weights"}
    assert not {row["model"] for row in found.verdict.table} & {"one weight", "global weights", "gate"}
    made = model(found)
    assert made.label == "calibrated"
    assert made.kind in ("equal weights", "calibrated weights")
    assert made.gate is None


def test_no_winner_leaves_nothing() -> None:
    found = tune(planted({"keyword": 1.0, "text": 0.0}, 14, products=15))
    assert found.winner is None
    assert found.verdict.kept is None
    assert found.verdict.why


def test_other_forms_of_the_keyword_are_compared_with_and_never_fused() -> None:
    """Here another form of the query is right about everything: nothing beats it."""
    planned = planted({"keyword": 0.2, "text": 0.5, "phrase": 1.0}, 14, products=15)
    with_form = replace(planned, clauses=("keyword", "text", FORM + "best_fields"))
    best = [replace(q, raws=np.c_[q.raws[:, :2], np.nan_to_num(q.gains) + 0.01]) for q in planned.questions]
    found = tune(replace(with_form, questions=tuple(best)))
    assert found.verdict.baseline == FORM + "best_fields"
    assert found.winner is None
    worst = [replace(q, raws=np.c_[q.raws[:, :2], 1 - np.nan_to_num(q.gains)]) for q in few_table().questions]
    found = tune(replace(with_form, questions=tuple(worst)))
    assert found.winner is not None
    assert set(model(found).clauses) == {"keyword", "text"}


def few_table() -> Table:
    return planted({**GOOD, "phrase": 0.0}, 16, products=15)


def test_a_clause_outside_the_winner_leaves_the_request() -> None:
    table = planted({"keyword": 0.4, "text": 1.0, "phrase": 0.0}, 16, products=15)
    stack = Stack.of(table)
    fit = fitted(stack, measured(stack, VECTORS, CURRENT), Plan({"keyword": 1.0, "text": 0.5}, 0.1))
    made = model(replace(few(), stack=stack, winner=Winner(fit, {"text": 3.0}, 0.9)))
    assert made.clauses["phrase"].weight == 0
    assert made.clauses["phrase"].boost is None
    assert made.clauses["phrase"].saturation is not None
    fusion = made.fusion(CURRENT)
    assert fusion.weight("phrase") == 0
    assert fusion.weight("image") == 0.7, "what no question tells anything about stays as it was"
    assert fusion.constant("unseen") == 2


TEXTS = ("red shoe", "lamp", "xj9 12 cable", "blue suede dancing shoes for weddings", "12", "red red lamp")


def asked(found: Table) -> Table:
    """The same questions, with facts of real words."""
    pairs = ((q, TEXTS[at % len(TEXTS)]) for at, q in enumerate(found.questions))
    return replace(
        found, questions=tuple(replace(q, facts=facts_of(text, photo=False, rarity=RARITY)) for q, text in pairs)
    )


@pytest.mark.parametrize("gate", [None, 0.01])
def test_the_file_scores_as_the_fit_did(gate: float | None, tmp_path: Path) -> None:
    truth = {"keyword": 0.6, "text": 1.0, "phrase": 0.3}
    by_length = planted(
        truth, 24, products=15, weight_of=lambda name, facts: facts["words"] / 3 if name == "text" else 1
    )
    table = asked(by_length)
    stack, plan = Stack.of(table), Plan({"keyword": 1.0, "text": 0.5, "phrase": 0.1}, 0.01, gate=gate)
    fit = fitted(stack, measured(stack, VECTORS, CURRENT), plan)
    made = model(replace(few(), stack=stack, winner=Winner(fit, {"text": 3.0, "phrase": 0.5}, 0.9)))
    made.save(tmp_path / "fusion.json")
    fusion = FusionModel.load(tmp_path / "fusion.json").fusion(CURRENT)
    assert (fusion.gate is None) == (gate is None)
    expected = fit.scores(stack)
    for row, question in enumerate(table.questions):
        at = fusion.at(TEXTS[row % len(TEXTS)])
        for place, raws in enumerate(question.raws):
            matched = {n: raw for n, raw in zip(table.clauses, raws, strict=True) if not np.isnan(raw)}
            assert at.score(matched) == pytest.approx(expected[row, place], abs=1e-6)
    if gate is not None:
        assert len({fusion.at(text).weight("text") for text in TEXTS}) > 3, "the gate moves something"


def test_what_is_stored_beside_the_weights() -> None:
    found = few()
    assert found.winner is not None
    made = model(found, {"text": Floor(0.31, 0.04, 0.1), "image": Floor(0.2, 0.04, 0.1)})
    assert made.clauses["text"].floor == 0.31
    assert made.clauses["keyword"].floor is None
    assert "image" not in made.clauses, "there is no floor for what no question told anything about"
    assert made.clauses["text"].boost == found.winner.boosts["text"]
    assert made.made_for == digest_of(tiny_recipe())
    told = made.provenance
    assert (told["judgements"], told["digest"]) == ("judged.tsv", JUDGED.digest)
    assert (told["questions"], told["left_out"], told["seed"], told["folds"]) == (16, 0, 1, 5)
    assert told["gain"] == pytest.approx(found.verdict.gain, abs=1e-4)
    assert told["interval_90"] == pytest.approx([found.verdict.low, found.verdict.high], abs=1e-4)
    assert [row["model"] for row in told["models"]] == [row["model"] for row in found.verdict.table]
    assert json.loads(made.model_dump_json())["provenance"] == told


def test_deterministic_by_seed() -> None:
    again = tune(planted(GOOD, 16, products=15))
    assert model(again).model_dump_json() == model(few()).model_dump_json()
    other = tune(planted(GOOD, 16, products=15), seed=2)
    assert other.verdict.table != again.verdict.table


@pytest.mark.parametrize(("label", "stored"), [("proven", "proven"), ("promising", "promising")])
def test_the_label_of_many_questions_is_that_of_the_verdict(label: str, stored: str) -> None:
    found = few()
    verdict = Verdict("one weight", "one weight", label, "keyword", 0.1, 0.05, 0.2, 0.01, "so")
    outcome = Outcome(found.outcome.values, found.outcome.options, 1)
    many = replace(found, verdict=verdict, outcome=outcome, stack=found.stack.rows([*range(16)] * 2))
    assert model(many).label == stored


def test_the_fusion_in_force_takes_part() -> None:
    """A fusion that is tuned already is what else would be there: its constants and windows, and its gate."""
    made = model(few()).fusion(CURRENT)
    table = planted(GOOD, 16, products=15)
    collected = Collected(table, RARITY, {}, "the index shop")
    again = tuned(collected, made, loss="lambda", seed=1, k=100, on_step=lambda *_: None)
    rows = {row["model"]: row for row in again.verdict.table}
    assert float(rows["as it is"]["ndcg"]) > float(rows["keyword"]["ndcg"]) + 0.05
