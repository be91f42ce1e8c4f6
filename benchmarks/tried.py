"""What was tried for the learned fusion, and what came of it: esci's questions, without a server, in nested folds.

Each row is global weights (or a gate) of one strength, fitted on four fifths of the questions and measured on the rest,
mean over three cuts. Not in the product: priors from another shop, the share of words that a product has, vectors
smoothed by their neighbours. In it, when asked for: feedback, and facts of the gate about centres of questions.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.common import ESCI, FASHION, DataSet, cell, publish, table
from benchmarks.tune import judgements, with_feedback
from esmm.encoders import load_encoders
from esmm.learn.analysis import analysed
from esmm.learn.contest import held
from esmm.learn.features import Collected
from esmm.learn.fit import Fit, Plan, fitted
from esmm.learn.normalise import measured
from esmm.learn.offline import OfflineCollector, Shelf
from esmm.learn.rivals import Field, Rival
from esmm.learn.scores import FORM
from esmm.learn.stack import Stack
from esmm.query.fusion import untuned_fusion
from esmm.significance import randomisation

STRENGTH, GATE, CUTS = 0.1, 1.0, range(1, 4)
NEIGHBOURS, MIX = 10, 0.5
Floats = np.ndarray


@dataclass(frozen=True)
class Shop:
    """The scores of a set's questions, its products, and the vectors of both."""

    data: DataSet
    found: Collected
    shelf: Shelf
    questions: Floats

    @property
    def stack(self) -> Stack:
        """The clauses that a fusion may use."""
        stack = Stack.of(self.found.table)
        return stack.only([name for name in stack.clauses if not name.startswith(FORM)])


def shop(data: DataSet, *, feedback: int = 0, centres: int = 0) -> Shop:
    """Collect the scores of a set."""
    recipe = with_feedback(data.recipe, feedback)
    encoders, _ = load_encoders(recipe)
    collector = OfflineCollector(recipe, data.catalogue, encoders=encoders)
    found = collector.collect(judgements(data, data.judgements), centres=centres)
    asked = [str(scored.question.text) for scored in found.table.questions]
    return Shop(data, found, collector.shelf, encoders["text"].encode(asked))


def fit(data: DataSet, prior: Mapping[str, float], gate: float | None, stack: Stack) -> Fit:
    """Fit weights, or a gate, to questions; what ``prior`` does not name keeps the usual one."""
    untuned = untuned_fusion(data.recipe, None)
    field = Field(stack.clauses, tuple(name for name in stack.clauses if name.startswith("text")), untuned)
    plan = Plan({**field.prior, **prior}, STRENGTH, gate=gate)
    return fitted(stack, measured(stack, field.vectors, untuned), plan)


def fit_of(shop: Shop, stack: Stack, *, prior: Mapping[str, float] | None = None, gate: float | None = None) -> Floats:
    """Return nDCG@10 of each question by models that did not see it, mean over the cuts."""
    rival = Rival("tried", lambda train, _option: fit(shop.data, prior or {}, gate, train))
    return np.asarray(np.mean([held(stack, [rival], seed=seed).values["tried"] for seed in CUTS], axis=0))


def with_column(shop: Shop, name: str, score: Callable[[int], Floats], *, instead: str = "") -> Stack:
    """Add a clause, of which ``score`` gives the scores of all products for one question, in the place of another."""
    stack, places = shop.stack, {record.id: place for place, record in enumerate(shop.shelf.records)}
    column = np.full(stack.raws.shape[:2], np.nan)
    for row, question in enumerate(shop.found.table.questions):
        column[row, : len(question.ids)] = score(row)[[places[product] for product in question.ids]]
    kept = stack.only([clause for clause in stack.clauses if clause != instead])
    return replace(kept, clauses=(*kept.clauses, name), raws=np.concatenate([kept.raws, column[:, :, None]], axis=2))


def shares(shop: Shop) -> Callable[[int], Floats]:
    """Return how many of a question's words stand in a product's title, a share; NaN for none."""
    titles = [set(analysed(str(record.fields.get("title")), "english")) for record in shop.shelf.records]

    def score(row: int) -> Floats:
        words = analysed(str(shop.found.table.questions[row].question.text), "english")
        found = np.array([sum(word in title for word in words) for title in titles], dtype=np.float64)
        return np.where(found > 0, found / max(1, len(words)), np.nan)

    return score


def smoothed(shop: Shop) -> Callable[[int], Floats]:
    """Return cosines with products' vectors that were moved halfway towards the mean of their neighbours."""
    own = np.nan_to_num(shop.shelf.vectors["text_vector"])
    nearest = np.argpartition(-(own @ own.T), NEIGHBOURS, axis=1)[:, : NEIGHBOURS + 1]
    moved = _unit((1 - MIX) * own + MIX * _unit(own[nearest].mean(axis=1)))
    return lambda row: np.asarray(moved @ shop.questions[row])


def _unit(vectors: Floats) -> Floats:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9))


def row(name: str, values: Floats, base: Floats) -> Sequence[str]:
    """Return a row: nDCG@10, and the difference to global weights as they are."""
    difference = values - base
    p = f"{randomisation(difference):.3f}" if difference.any() else ""
    return [name, cell(values), f"{difference.mean():+.3f}" if p else "", p]


def main() -> None:
    """Measure and publish."""
    own, weights = shop(ESCI), fit(FASHION, {}, None, shop(FASHION).stack).weights
    known = {name: weights[name] for name in own.stack.clauses if name in weights}
    base = fit_of(own, own.stack)
    tried = {
        "keyword alone": own.stack.ndcg(own.stack.column("keyword")),
        "global weights": base,
        f"prior: the weights of fashion ({', '.join(known)})": fit_of(own, own.stack, prior=known),
        "a clause more: share of the words in the title": fit_of(own, with_column(own, "share", shares(own))),
        "gate": fit_of(own, own.stack, gate=GATE),
        **{f"gate, centres = {count}": fit_of(own, shop(ESCI, centres=count).stack, gate=GATE) for count in (4, 8)},
        f"vectors smoothed by {NEIGHBOURS} neighbours": fit_of(
            own, with_column(own, "text_smoothed", smoothed(own), instead="text")
        ),
    }
    for count in (5, 10, 20):
        fed = shop(ESCI, feedback=count)
        tried[f"feedback = {count}"] = fit_of(fed, fed.stack)
    header = ("esci", "nDCG@10 [95 %]", "over global weights", "p, not corrected")
    publish("tried", "What was tried for the fusion", [table(header, [row(*each, base) for each in tried.items()])])


if __name__ == "__main__":
    main()
