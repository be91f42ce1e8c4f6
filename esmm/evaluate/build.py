"""From clause scores and fusions to the report of an evaluation: pure steps, nothing is sent."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from esmm.errors import LearnError
from esmm.evaluate.losses import explained
from esmm.evaluate.measures import NAMES, measured, recall_curve
from esmm.evaluate.report import Landscape, Report, System, number, p_value, versus
from esmm.evaluate.systems import Ground, Run, alone, at_random, equal, fused, oracle, rrf
from esmm.evaluate.yardstick import optimised
from esmm.learn.scores import FORM
from esmm.learn.stack import RRF_CONSTANT
from esmm.query.encode import WAYS
from esmm.query.fusion import KEYWORD
from esmm.significance import bootstrap

if TYPE_CHECKING:
    from esmm.query.fusion import Fusion

RANX = "ranx optimize_fusion"
_FORM = "keyword ("
_OF_PHOTOS = {clause for clause, _, modality in WAYS if modality == "photo"}
_FEW = 10
_POINTS = 21
_SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Contender:
    """A fusion to be evaluated, under the name that the report shows.

    ``own`` if it was tuned on these judgements; ``unseen`` then says what it gained on questions not tuned on.
    ``cautions`` are sentences that a reader must know.
    """

    name: str
    fusion: "Fusion"
    note: str = ""
    own: bool = False
    unseen: str = ""
    cautions: Sequence[str] = ()


@dataclass(frozen=True)
class Facts:
    """What a report tells beside the measures.

    ``provenance`` says what was measured; ``latency`` is by system: median and 95th percentile in ms; ``titles`` are
    by product; ``cautions`` are sentences that a reader must know.
    """

    title: str
    provenance: Mapping[str, object] = field(default_factory=dict)
    latency: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    titles: Mapping[str, str] = field(default_factory=dict)
    cautions: Sequence[str] = ()


@dataclass(frozen=True)
class Evaluated:
    """All systems as runs, in the order of the report: name -> run. ``left_out`` says why a yardstick is missing."""

    runs: Mapping[str, Run]
    controls: tuple[str, ...]
    notes: Mapping[str, str]
    left_out: str = ""


def ranked(ground: Ground, contenders: Sequence[Contender], searched: Mapping[str, Run] | None = None) -> Evaluated:
    """Rank the candidates of all questions by all systems; ``searched`` are systems that were really asked."""
    runs = {KEYWORD: ground.run(alone(ground, KEYWORD))}
    runs |= {c.name: ground.run(fused(ground, c.fusion)) for c in contenders} | dict(searched or {})
    runs |= {f"{_FORM}{form.removeprefix(FORM)})": ground.run(alone(ground, form)) for form in ground.forms}
    runs |= {f"{vector} alone": ground.run(alone(ground, vector)) for vector in ground.vectors}
    runs[f"RRF, k = {RRF_CONSTANT}"] = ground.run(rrf(ground))
    runs["equal weights"] = ground.run(fused(ground, equal(ground)))
    notes, left_out = {c.name: c.note for c in contenders}, ""
    try:
        runs[RANX] = optimised(ground)
        notes[RANX] = "weights from other questions, by folds"
    except LearnError as error:
        left_out = f"{RANX}: {error.message}"
    controls = {
        "random order": at_random(ground),
        "oracle per question": oracle(ground),
        "oracle per question, shuffled scores": oracle(ground, shuffled=True),
    }
    runs |= {name: ground.run(scores) for name, scores in controls.items()}
    return Evaluated(runs, tuple(controls), notes, left_out)


def built(ground: Ground, contenders: Sequence[Contender], found: Evaluated, facts: Facts, measure: str) -> Report:
    """Measure all systems, compare them with the keyword, and put the report together."""
    systems = tuple(_systems(ground.qrels, found, facts, measure))
    plain, condensed = versus(systems, KEYWORD, measure=measure)
    told = dict(facts.provenance)
    if found.left_out:
        told["left out"] = found.left_out
    report = Report(
        facts.title, KEYWORD, systems, plain, condensed, measure, provenance=told, cautions=tuple(facts.cautions)
    )
    return replace(
        report,
        verdict=verdict(report, contenders[0]),
        landscapes=tuple(_landscapes(ground, contenders[0].fusion, measure)),
        losses=explained(ground, contenders, found.runs, report, facts.titles),
    )


def cautions(ground: Ground, contenders: Sequence[Contender], known: Collection[str]) -> list[str]:
    """Return what a reader must know before believing any figure; ``known`` are the clauses that the recipe has."""
    gains, count = {gain for found in ground.qrels.values() for gain in found.values()}, len(ground.stack)
    told = []
    if count < _FEW:
        told.append(
            f"{count} questions are too few to tell systems apart" if count > 1 else "one question tells little"
        )
    if len(gains) == 1:
        told.append("all judged products have the same gain, so the measures only tell judged products from others")
    for contender in contenders:
        told += contender.cautions
        if silent := [name for name in _weighed(ground, contender.fusion, known) if _silent(ground, name)]:
            told.append(f"no product of any question matches {', '.join(silent)}, which {contender.name} counts on")
        if contender.own:
            unseen = f"; on questions that it had not seen it gained {contender.unseen}" if contender.unseen else ""
            told.append(f"{contender.name} was tuned on these judgements, so what it gains here is flattered{unseen}")
    return told


def verdict(report: Report, main: Contender) -> str:
    """Say how the first fusion does against the keyword, and whether both conventions of the unjudged agree."""
    plain, other = report.compared(main.name), report.compared(main.name, condensed=True)
    if plain is None or other is None:
        return ""
    means = {system.name: system.measured.mean(report.measure) for system in report.systems}
    sure = plain.corrected < _SIGNIFICANT
    word = "cannot be told apart from" if not sure else "beats" if plain.gain > 0 else "loses to"
    own = ", tuned on these very judgements," if main.own else ""
    agree = "agrees" if plain.gain * other.gain > 0 else "does not agree"
    return (
        f"{main.name}{own} {word} the keyword search: {report.measure} {number(means[main.name])} against "
        f"{number(means[KEYWORD])}, {plain.gain:+.3f} [{number(plain.low, '+.3f')}, {number(plain.high, '+.3f')}], "
        f"p {p_value(plain.p)}, {p_value(plain.corrected)} corrected. With unjudged products left out it is "
        f"{other.gain:+.3f}, which {agree}.{_stronger(means)}"
    )


def _stronger(means: Mapping[str, float]) -> str:
    """Name the strongest form of the keyword query where it is not the one in force."""
    forms = {name: mean for name, mean in means.items() if name == KEYWORD or name.startswith(_FORM)}
    best = max(forms, key=lambda name: forms[name])
    if best == KEYWORD:
        return ""
    return f" Another form of the keyword query is stronger: {best}, {number(forms[best])} (search.form)."


def _systems(qrels: Run, found: Evaluated, facts: Facts, measure: str) -> Iterator[System]:
    names = list(dict.fromkeys([measure, *NAMES]))
    for name, run in found.runs.items():
        # Curves of all systems would hide one another.
        control, plain = name in found.controls, name in ("equal weights", RANX) or name.startswith(_FORM)
        yield System(
            name,
            measured(run, qrels, names=names),
            measured(run, qrels, names=names, unjudged="left out"),
            control=control,
            note=found.notes.get(name, ""),
            recall={} if control or plain else recall_curve(run, qrels),
            latency=facts.latency.get(name),
        )


def _landscapes(ground: Ground, fusion: "Fusion", measure: str) -> Iterator[Landscape]:
    """Yield the measure by the weight of each vector, all else as the fusion has it."""
    for name in ground.vectors:
        chosen = fusion.weight(name)
        grid = sorted({*np.linspace(0, max(1.0, 2 * chosen), _POINTS).round(3).tolist(), chosen})
        points = [_point(ground, replace(fusion, weights={**fusion.weights, name: weight}), measure) for weight in grid]
        values, intervals = zip(*points, strict=True)
        yield Landscape((name,), tuple((weight,) for weight in grid), values, intervals, (chosen,))


def _point(ground: Ground, fusion: "Fusion", measure: str) -> tuple[float, tuple[float, float]]:
    found = measured(ground.run(fused(ground, fusion)), ground.qrels, names=[measure])
    values = found.values[measure]
    mean, known = found.mean(measure), values[~np.isnan(values)]
    low, high = bootstrap(known) if len(known) > 1 else (mean, mean)
    return mean, (low, high)


def _weighed(ground: Ground, fusion: "Fusion", known: Collection[str]) -> list[str]:
    """Return the clauses that a fusion counts on and that the questions could have asked."""
    asked = [question.question for question in ground.table.questions]
    words, photos = any(question.text for question in asked), any(question.photo for question in asked)
    return [name for name in known if fusion.weight(name) > 0 and (photos if name in _OF_PHOTOS else words)]


def _silent(ground: Ground, name: str) -> bool:
    return name not in ground.stack.clauses or bool(np.isnan(ground.stack.column(name)).all())
