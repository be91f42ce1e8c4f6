"""From clause scores to a tuned fusion: the contest, the verdict, and the winner fitted to all questions."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from esmm import __version__
from esmm.errors import LearnError
from esmm.learn.boosts import fitted_boosts
from esmm.learn.contest import Outcome, Verdict, chosen, decided, held
from esmm.learn.fit import Fit
from esmm.learn.rivals import Field, rivals
from esmm.learn.scores import FORM
from esmm.learn.stack import Stack
from esmm.query.calibrate import shape_of
from esmm.query.fusion import KEYWORD
from esmm.query.gate import BOUND, Rarity
from esmm.query.model import SHAPE, ClauseModel, FusionModel, GateModel, Label, digest_of

if TYPE_CHECKING:
    from esmm.learn.features import Collected, OnStep
    from esmm.learn.floors import Floor
    from esmm.learn.judgements import Judgements
    from esmm.learn.stack import Floats
    from esmm.query.fusion import Fusion
    from esmm.recipe import Recipe

LEAST, FEW = 10, 30


@dataclass(frozen=True)
class Winner:
    """The kept model, fitted to all questions, and its weights for the strategy boost with their overlap@10."""

    fit: Fit
    boosts: Mapping[str, float]
    overlap: float


@dataclass(frozen=True)
class Tuned:
    """The verdict of a contest; no winner where the fusion stays as it was."""

    verdict: Verdict
    outcome: Outcome
    stack: Stack
    left_out: tuple[str, ...]
    winner: Winner | None = None


@dataclass(frozen=True)
class Origin:
    """What a fusion was tuned for and from; ``query`` is the shop's own, if it has one."""

    recipe: "Recipe"
    judgements: "Judgements"
    rarity: Rarity
    floors: "Mapping[str, Floor]"
    query: Mapping[str, Any] | None = None
    centres: "Floats | None" = None


def tuned(collected: "Collected", current: "Fusion", *, loss: str, seed: int, k: int, on_step: "OnStep") -> Tuned:
    """Let the models compete over judged questions, and fit the winner to all of them.

    ``current`` is the fusion in force, ``k`` how many neighbours a vector clause finds. Questions without a product of
    a gain above 0 in the index are left out. Raises LearnError below ten questions.
    """
    stack, left_out = _useful(Stack.of(collected.table))
    if len(stack) < LEAST:
        told = f" ({len(left_out)} more have no product with a gain above 0)" if left_out else ""
        raise LearnError(
            f"judged questions: {len(stack)}, too few to learn from{told}",
            f"judge {LEAST} at least; {FEW} are enough",
        )
    forms = tuple(name for name in stack.clauses if name.startswith(FORM))
    clauses = tuple(name for name in stack.clauses if name not in forms)
    field = Field(clauses, _vectors(clauses, current), current, forms, loss)
    models = rivals(field, few=len(stack) < FEW)
    outcome = held(stack, models, seed=seed, on_step=on_step)
    verdict = decided(outcome, models, forms)
    if verdict.kept is None:
        return Tuned(verdict, outcome, stack, left_out)
    kept = next(model for model in models if model.name == verdict.kept)
    fit = cast("Fit", kept.learn(stack, chosen(stack, kept, seed)))  # all that can be kept are fusions
    return Tuned(verdict, outcome, stack, left_out, Winner(fit, *fitted_boosts(stack, fit, field.vectors, k=k)))


def model_of(found: Tuned, winner: Winner, origin: Origin) -> FusionModel:
    """Return what is stored of a tuned fusion."""
    fit, verdict = winner.fit, found.verdict
    clauses = {name: _clause(fit, name, winner.boosts, origin.floors) for name in fit.weights}
    # A clause that took no part in the winner is out of the request.
    clauses |= {
        name: _clause(fit, name, {}, {})
        for name in found.stack.clauses
        if name not in clauses and not name.startswith(FORM)
    }
    few = len(found.stack) < FEW
    label: Label = "calibrated" if few else "proven" if verdict.label == "proven" else "promising"
    return FusionModel(
        kind=verdict.contender,
        label=label,
        made_for=digest_of(origin.recipe),
        clauses=clauses,
        gate=_gate(fit, fit.coefficients, found.stack.fact_names, origin) if fit.coefficients is not None else None,
        provenance=_provenance(found, winner, origin),
    )


def _useful(stack: Stack) -> tuple[Stack, tuple[str, ...]]:
    good = stack.ideal > 0
    return stack.rows(np.flatnonzero(good)), tuple(
        name for name, kept in zip(stack.names, good, strict=True) if not kept
    )


def _vectors(clauses: tuple[str, ...], current: "Fusion") -> tuple[str, ...]:
    return tuple(name for name in clauses if name != KEYWORD and current.constant(name) is None)


def _clause(fit: Fit, name: str, boosts: Mapping[str, float], floors: "Mapping[str, Floor]") -> ClauseModel:
    weight, constant = _short(fit.weights.get(name, 0.0)), fit.normalisers.constants.get(name)
    boost = boosts.get(name)
    if constant is not None:
        return ClauseModel(weight=weight, saturation=_short(constant), boost=boost)
    window, floor = fit.normalisers.windows[name], floors.get(name)
    return ClauseModel(
        weight=weight, low=window.low, high=window.high, boost=boost, floor=floor.cosine if floor else None
    )


def _gate(fit: Fit, coefficients: "Floats", facts: tuple[str, ...], origin: Origin) -> GateModel:
    rows = zip(fit.weights, coefficients.tolist(), strict=True)
    rarity, centres = origin.rarity, origin.centres
    return GateModel(
        coefficients={name: dict(zip(facts, map(_short, row), strict=True)) for name, row in rows},
        middles=dict(zip(facts, map(_short, fit.middles.tolist()), strict=True)),
        scales=dict(zip(facts, map(_short, np.maximum(fit.scales, 1e-6).tolist()), strict=True)),
        bound=BOUND,
        shares=dict(rarity.shares),
        least=rarity.least,
        centres=None if centres is None else centres.tolist(),
    )


def _short(number: float) -> float:
    """Keep eight digits: scores by the file then differ from those of the fit by less than 1e-6."""
    return float(f"{number:.8g}")


def _provenance(found: Tuned, winner: Winner, origin: Origin) -> dict[str, Any]:
    verdict, judgements = found.verdict, origin.judgements
    shape = {SHAPE: shape_of(origin.query)} if origin.query else {}
    return shape | {
        "esmm": __version__,
        "judgements": judgements.source,
        "digest": judgements.digest,
        "questions": len(found.stack),
        "left_out": len(found.left_out),
        "seed": found.outcome.seed,
        "folds": len(next(iter(found.outcome.options.values()))),
        "baseline": verdict.baseline,
        "gain": round(verdict.gain, 4),
        "interval_90": [round(verdict.low, 4), round(verdict.high, 4)],
        "p": round(verdict.p, 5),
        "why": verdict.why,
        "models": [{key: v if isinstance(v, str) else round(v, 4) for key, v in row.items()} for row in verdict.table],
        "boost_overlap_at_10": round(winner.overlap, 3),
    }
