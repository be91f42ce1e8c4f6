"""The worst losses of a fusion against the keyword, explained: which products moved, and which clause moved them."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from esmm.evaluate.report import Loss, Moved, Report
from esmm.evaluate.systems import Ground, Run, contributions

if TYPE_CHECKING:
    from esmm.evaluate.build import Contender
    from esmm.learn.stack import Floats

_WORST, _MOVED, _PAGE = 5, 3, 10


def explained(
    ground: Ground,
    contenders: "Sequence[Contender]",
    runs: Mapping[str, Run],
    report: Report,
    titles: Mapping[str, str],
) -> tuple[Loss, ...]:
    """Return the worst losses of each fusion against the report's baseline."""
    return tuple(loss for contender in contenders for loss in _losses(ground, contender, runs, report, titles))


def shown(runs: Mapping[str, Run], names: Collection[str]) -> set[str]:
    """Return the products of all first pages of these systems: no other has its title shown."""
    return {product for name in names for scores in runs[name].values() for product in _order(scores)[:_PAGE]}


def _losses(
    ground: Ground, contender: "Contender", runs: Mapping[str, Run], report: Report, titles: Mapping[str, str]
) -> Iterator[Loss]:
    comparison = report.compared(contender.name)
    worst = comparison.worst(_WORST) if comparison else []
    given = contributions(ground, contender.fusion) if worst else {}
    places = {name: place for place, name in enumerate(ground.stack.names)}
    for question, _ in worst:
        row = places[question]
        both = _order(runs[report.baseline][question]), _order(runs[contender.name][question])
        gave = _gave(ground, given, row)
        fell, rose = _moved(both, ground.qrels[question])
        products = tuple(_product(p, both, ground.qrels[question], titles, gave) for p in (*fell, *rose))
        before, after = (_value(report, name, question) for name in (report.baseline, contender.name))
        yield Loss(contender.name, question, before, after, products, _why(fell, rose, gave))


def _order(scores: Mapping[str, float]) -> list[str]:
    return sorted(scores, key=lambda product: (-scores[product], product))


def _value(report: Report, name: str, question: str) -> float:
    measured = next(system.measured for system in report.systems if system.name == name)
    return float(measured.values[report.measure][measured.questions.index(question)])


def _gave(ground: Ground, given: "Mapping[str, Floats]", row: int) -> dict[str, dict[str, float]]:
    """Return what each clause that matched gave to each product of one question; clauses that weigh nothing go."""
    matched = {name: ~np.isnan(ground.stack.column(name)[row]) for name in given}
    found: dict[str, dict[str, float]] = {}
    for place, product in enumerate(ground.table.questions[row].ids):
        found[product] = {
            name: float(scores[row, place])
            for name, scores in given.items()
            if matched[name][place] and scores[row].any()
        }
    return found


def _moved(both: tuple[Sequence[str], Sequence[str]], gains: Mapping[str, float]) -> tuple[list[str], list[str]]:
    """Return the products that cost most: good ones that left their place, and worse ones that came to the front."""
    before, after = ({product: rank for rank, product in enumerate(order, 1)} for order in both)
    nowhere = max(len(order) for order in both) + 1
    change = {product: after.get(product, nowhere) - before.get(product, nowhere) for product in {*before, *after}}
    fell = [p for p in both[0][:_PAGE] if change[p] > 0 and gains.get(p, 0.0) > 0]
    rose = [p for p in both[1][:_PAGE] if change[p] < 0]
    fell.sort(key=lambda product: (-gains[product], before[product]))
    rose.sort(key=lambda product: (gains.get(product, 0.0), after[product]))
    return fell[:_MOVED], rose[:_MOVED]


def _product(
    product: str,
    both: tuple[Sequence[str], Sequence[str]],
    gains: Mapping[str, float],
    titles: Mapping[str, str],
    gave: Mapping[str, Mapping[str, float]],
) -> Moved:
    before, after = (order.index(product) + 1 if product in order else None for order in both)
    return Moved(product, titles.get(product, ""), gains.get(product), before, after, gave.get(product, {}))


def _why(fell: Sequence[str], rose: Sequence[str], gave: Mapping[str, Mapping[str, float]]) -> str:
    """Say which clause gave most more to what rose than to what fell, and which most less."""
    if not fell or not rose:
        return ""
    clauses = sorted({name for product in (*fell, *rose) for name in gave[product]})
    lead = {name: _mean(rose, name, gave) - _mean(fell, name, gave) for name in clauses}
    up, down = max(clauses, key=lambda name: lead[name]), min(clauses, key=lambda name: lead[name])
    less = f", {down} {-lead[down]:.3f} less" if lead[down] < 0 else ""
    return f"{up} gave {lead[up]:.3f} more to what rose than to what fell{less}" if lead[up] > 0 else ""


def _mean(products: Sequence[str], clause: str, gave: Mapping[str, Mapping[str, float]]) -> float:
    return float(np.mean([gave[product].get(clause, 0.0) for product in products]))
