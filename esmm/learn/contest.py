"""The contest: models from simple to rich under nested cross-validation by question, and which of them is kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from esmm.significance import bootstrap, jointly

if TYPE_CHECKING:
    from esmm.learn.features import OnStep
    from esmm.learn.rivals import Rival
    from esmm.learn.stack import Floats, Stack

FOLDS, INNER = 5, 3
_LEVEL, _LOWEST, _SIGNIFICANT = 0.90, -0.01, 0.05


@dataclass(frozen=True)
class Outcome:
    """nDCG@10 of each question by model, each measured by a model that was fitted without the question.

    ``options`` are those that the inner folds chose, one an outer fold.
    """

    values: Mapping[str, "Floats"]
    options: Mapping[str, tuple[float, ...]]
    seed: int


@dataclass(frozen=True)
class Verdict:
    """What is kept and how sure that is.

    ``kept`` is None where the fusion stays as it was. ``baseline`` is the strongest keyword form, ``gain`` the mean
    difference of ``contender`` to it with its 90 % interval, ``p`` that of a paired randomisation test, corrected for
    the models tried.
    """

    contender: str
    kept: str | None
    label: str
    baseline: str
    gain: float
    low: float
    high: float
    p: float
    why: str
    table: Sequence[Mapping[str, float | str]] = field(default_factory=list)


def held(
    stack: "Stack", rivals: Sequence["Rival"], *, seed: int, on_step: "OnStep" = lambda _done, _all: None
) -> Outcome:
    """Measure all models under nested cross-validation: five folds, and three inner ones for their options."""
    parts = folds(len(stack), FOLDS, seed)
    values = {rival.name: np.zeros(len(stack)) for rival in rivals}
    options: dict[str, list[float]] = {rival.name: [] for rival in rivals}
    steps = len(parts) * len(rivals)
    for number, test in enumerate(parts):
        train, unseen = _split(stack, test)
        for place, rival in enumerate(rivals):
            on_step(number * len(rivals) + place, steps)
            option = chosen(train, rival, seed)
            values[rival.name][test] = _measured(rival, option, train, unseen)
            options[rival.name].append(option)
    on_step(steps, steps)
    return Outcome(values, {name: tuple(found) for name, found in options.items()}, seed)


def chosen(stack: "Stack", rival: "Rival", seed: int) -> float:
    """Return the option with the best mean over inner folds; of equal ones the first."""
    if len(rival.options) == 1:
        return rival.options[0]
    means = {}
    for option in rival.options:
        values = np.zeros(len(stack))
        for test in folds(len(stack), INNER, seed + 1):
            values[test] = _measured(rival, option, *_split(stack, test))
        means[option] = values.mean()
    return max(rival.options, key=lambda option: means[option])


def folds(count: int, parts: int, seed: int) -> list["np.ndarray"]:
    """Cut the numbers 0..count-1 into parts at random."""
    order = np.random.default_rng(seed).permutation(count)
    return [np.sort(order[part::parts]) for part in range(min(parts, count))]


def _split(stack: "Stack", test: "np.ndarray") -> tuple["Stack", "Stack"]:
    """Return the other questions, to learn from, and those of a fold."""
    return stack.rows(np.setdiff1d(np.arange(len(stack)), test)), stack.rows(test)


def _measured(rival: "Rival", option: float, train: "Stack", unseen: "Stack") -> "Floats":
    return unseen.ndcg(rival.learn(train, option).scores(unseen))


def decided(outcome: Outcome, rivals: Sequence["Rival"], forms: Sequence[str]) -> Verdict:
    """Keep the simplest model within one standard error of the best, if it does not lose to the keyword.

    The standard error is that of the paired difference to the best. The keyword counts by its strongest form.
    """
    values, means = outcome.values, {name: float(found.mean()) for name, found in outcome.values.items()}
    baseline = max(("keyword", *forms), key=lambda name: means[name])
    ranked = sorted((r for r in rivals if r.rank is not None), key=lambda rival: rival.rank or 0)
    best = max(ranked, key=lambda rival: means[rival.name])
    near = [rival for rival in ranked if _within(values[best.name] - values[rival.name])]
    contender = near[0].name
    tried = [rival.name for rival in ranked if rival.name != "keyword"]
    ps = jointly([values[name] - values[baseline] for name in tried], seed=outcome.seed)
    corrected = dict(zip(tried, ps, strict=True))
    difference = values[contender] - values[baseline]
    low, high = bootstrap(difference, level=_LEVEL, seed=outcome.seed)
    kept = contender != "keyword" and difference.mean() > 0 and low > _LOWEST
    p = corrected.get(contender, 1.0)
    label = ("proven" if p < _SIGNIFICANT else "promising") if kept else "kept"
    why = _why(contender, baseline, float(difference.mean()), low, kept=kept)
    table = [_row(name, values, baseline, corrected, outcome.seed) for name in means]
    return Verdict(
        contender, contender if kept else None, label, baseline, float(difference.mean()), low, high, p, why, table
    )


def _within(behind: "Floats") -> bool:
    return bool(behind.mean() <= behind.std(ddof=1) / np.sqrt(len(behind)))


def _why(contender: str, baseline: str, gain: float, low: float, *, kept: bool) -> str:
    if kept:
        return f"{contender} is the simplest model within one standard error of the best"
    if contender == "keyword":
        return "no model is better than the keyword alone by more than one standard error"
    if gain <= 0:
        return f"{contender} does not beat {baseline}"
    return f"{contender} may lose: the lower end of its 90 % interval against {baseline} is {low:+.3f}, below {_LOWEST}"


def _row(
    name: str, values: Mapping[str, "Floats"], baseline: str, corrected: Mapping[str, float], seed: int
) -> dict[str, float | str]:
    difference = values[name] - values[baseline]
    low, high = bootstrap(difference, level=_LEVEL, seed=seed)
    row: dict[str, float | str] = {"model": name, "ndcg": float(values[name].mean()), "gain": float(difference.mean())}
    row |= {"low": low, "high": high}
    return row | ({"p": corrected[name]} if name in corrected else {})
