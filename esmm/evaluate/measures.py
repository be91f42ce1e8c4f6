"""Measures of ranked products against judgements, question by question, as ir-measures (trec_eval) computes them.

A product that nobody judged is either counted as worth nothing, or left out of the list before it is cut (condensed
lists: Sakai, "Alternatives to Bpref", SIGIR 2007). The first punishes what finds new products, the second rewards it:
belief belongs to what holds in both.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from esmm.errors import LearnError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Scores = Mapping[str, Mapping[str, float]]
Unjudged = Literal["nothing", "left out"]

NAMES = ("nDCG@10", "MRR@10", "MAP", "P@10", "Recall@10", "Recall@100", "F1@10", "AUC", "Judged@10")
CUTS = (1, 2, 5, 10, 20, 50, 100, 200)
_FORM = re.compile(r"(nDCG|MRR|MAP)(@[1-9]\d*)?|(P|Recall|F1|Judged)@[1-9]\d*|AUC")
_LIBRARY = {"MRR": "RR", "MAP": "AP", "Recall": "R"}
# trec_eval knows whole gains only; nDCG does not change when all are multiplied.
_STEPS = 10_000


@dataclass(frozen=True)
class Measured:
    """The measures of one system: ``values`` by name hold a number for each of ``questions``, in their order.

    Each number lies between 0 and 1; NaN where it is not defined: a question without anything to find, AUC without
    both a relevant and an irrelevant product among those found, Judged@k of an empty list.
    """

    questions: tuple[str, ...]
    values: "Mapping[str, NDArray[np.float64]]"
    unjudged: Unjudged = "nothing"

    def mean(self, name: str) -> float:
        """Return the mean over the questions for which the measure is defined; NaN if there is none."""
        defined = [value for value in self.values[name].tolist() if not math.isnan(value)]
        return math.fsum(defined) / len(defined) if defined else math.nan

    @property
    def means(self) -> dict[str, float]:
        """The mean of each measure."""
        return {name: self.mean(name) for name in self.values}


def measured(
    run: Scores,
    qrels: Scores,
    *,
    names: Sequence[str] = NAMES,
    relevant: float | None = None,
    unjudged: Unjudged = "nothing",
) -> Measured:
    """Measure one run: question -> product -> score, against question -> product -> gain.

    All questions of ``qrels`` count; one that the run does not answer found nothing. Equal scores are ranked by id.
    Measures that know only relevant and irrelevant take a gain of at least ``relevant`` (default: :func:`threshold`).
    AUC is the probability that a relevant product is scored above an irrelevant one, over the judged products of the
    run alone, ties counting half. Raises LearnError for names that are no measures, scores that are no numbers,
    judgements without a gain above 0, and a ``relevant`` gain that is not.
    """
    check_names(names)
    _check_scores(run)
    least = threshold(qrels) if relevant is None else relevant
    if least <= 0:
        raise LearnError(f"a product with a gain of {least:g} cannot count as relevant", "name a gain above 0")
    ranked = {question: _ranked(run.get(question, {})) for question in qrels}
    if unjudged == "left out":
        ranked = {question: [found for found in ranked[question] if found in qrels[question]] for question in qrels}
    values = _from_library(ranked, qrels, _needed(names), least)
    values |= {name: _f1(values, name) for name in names if name.startswith("F1@")}
    if "AUC" in names:
        values["AUC"] = _column(_auc(run.get(question, {}), gains, least) for question, gains in qrels.items())
    return Measured(tuple(qrels), {name: values[name] for name in names}, unjudged)


def recall_curve(
    run: Scores, qrels: Scores, *, cuts: Sequence[int] = CUTS, relevant: float | None = None
) -> dict[int, float]:
    """Return the mean recall at each cut."""
    found = measured(run, qrels, names=[f"Recall@{cut}" for cut in cuts], relevant=relevant)
    return {cut: found.mean(f"Recall@{cut}") for cut in cuts}


def threshold(qrels: Scores) -> float:
    """Return the least gain that counts as relevant unless told otherwise: half of the largest one."""
    largest = max((gain for gains in qrels.values() for gain in gains.values()), default=0.0)
    if not largest > 0:
        raise LearnError(
            "no question has a product with a gain above 0, so nothing can be measured",
            "judge more products, or look whether the gains are in the right column",
        )
    return largest / 2


def check_names(names: Iterable[str]) -> None:
    """Raise LearnError for names that are no measures."""
    wrong = [name for name in names if not _FORM.fullmatch(name)]
    if wrong:
        raise LearnError(f"no such measure: {', '.join(wrong)}", f"measures are written like {', '.join(NAMES)}")


def _check_scores(run: Scores) -> None:
    wrong = [(question, found) for question, scores in run.items() for found in scores if math.isnan(scores[found])]
    if wrong:
        question, found = wrong[0]
        raise LearnError(
            f"{len(wrong)} scores are not numbers (NaN); the first is that of product {found} for “{question}”",
            "a clause that does not match a product gives it no score: leave the product out, or add 0",
        )


def _needed(names: Sequence[str]) -> list[str]:
    """Return the names that the library computes: F1 needs precision and recall."""
    parts = [f"{kind}@{name[3:]}" for name in names if name.startswith("F1@") for kind in ("P", "Recall")]
    return list(dict.fromkeys([name for name in names if name != "AUC" and not name.startswith("F1@")] + parts))


def _ranked(scores: Mapping[str, float]) -> list[str]:
    return sorted(scores, key=lambda found: (-scores[found], found))


def _from_library(
    ranked: Mapping[str, Sequence[str]], qrels: Scores, names: Sequence[str], least: float
) -> "dict[str, NDArray[np.float64]]":
    """Return the values of each measure; nDCG and Judged see the gains, all others only what is relevant."""
    largest = 2 * threshold(qrels)
    graded = {q: {p: round(_STEPS * gain / largest) for p, gain in gains.items()} for q, gains in qrels.items()}
    binary = {q: {p: int(gain >= least) for p, gain in gains.items()} for q, gains in qrels.items()}
    # Ranks as scores: trec_eval keeps 32 bits, in which near scores would become ties. It cannot read empty lists.
    run = {q: {p: float(-rank) for rank, p in enumerate(found)} for q, found in ranked.items() if found}
    by_gain = [name for name in names if name.startswith(("nDCG", "Judged"))]
    values = _calculated(run, graded, by_gain) | _calculated(run, binary, [n for n in names if n not in by_gain])
    known = {name: graded if name in by_gain else binary for name in names}
    return {n: _column(_defined(n, values[n].get(q), gains) for q, gains in known[n].items()) for n in names}


def _calculated(run: Scores, qrels: Mapping[str, Mapping[str, int]], names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return the value by measure and question, of questions with an answer."""
    try:
        import ir_measures
    except ImportError:
        raise LearnError(
            "ir-measures is not installed, so nothing can be measured", 'pip install "esmm[learn]"'
        ) from None
    measures = {ir_measures.parse_measure(_library_name(name)): name for name in names}
    values: dict[str, dict[str, Any]] = {name: {} for name in names}
    for found in ir_measures.iter_calc(list(measures), dict(qrels), dict(run)) if run and names else ():
        if found.query_id in run:
            values[measures[found.measure]][found.query_id] = found.value
    return values


def _library_name(name: str) -> str:
    kind, cut, depth = name.partition("@")
    return _LIBRARY.get(kind, kind) + cut + depth


def _defined(name: str, value: float | None, gains: Mapping[str, int]) -> float:
    """Return the value, that of an empty list, or NaN where the measure is not defined."""
    if name.startswith("Judged"):
        return math.nan if value is None else value
    return value or 0.0 if any(gains.values()) else math.nan


def _column(values: Iterable[float]) -> "NDArray[np.float64]":
    import numpy as np

    return np.array(list(values), dtype=np.float64)


def _f1(values: "Mapping[str, NDArray[np.float64]]", name: str) -> "NDArray[np.float64]":
    """Return the harmonic mean of precision and recall at the same cut."""
    import numpy as np

    precision, recall = values[f"P@{name[3:]}"], values[f"Recall@{name[3:]}"]
    both = precision + recall
    return np.divide(2 * precision * recall, both, out=both.copy(), where=both > 0)


def _auc(scores: Mapping[str, float], gains: Mapping[str, float], least: float) -> float:
    """Return the share of pairs in the right order (Mann and Whitney); the library's Accuracy knows no ties."""
    import numpy as np

    right = np.array([score for found, score in scores.items() if gains.get(found, -1.0) >= least])
    wrong = np.sort([score for found, score in scores.items() if found in gains and gains[found] < least])
    if not right.size or not wrong.size:
        return math.nan
    below, upto = np.searchsorted(wrong, right, "left"), np.searchsorted(wrong, right, "right")
    return float((below + upto).mean() / 2 / wrong.size)
