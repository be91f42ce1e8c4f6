"""What an evaluation came to: as values, as JSON, and as one HTML page that needs nothing beside it."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from esmm.errors import LearnError
from esmm.evaluate.compare import Comparison, compared
from esmm.paths import whole
from esmm.significance import SEED

if TYPE_CHECKING:
    from esmm.evaluate.measures import Measured

VERSION = 1


@dataclass(frozen=True)
class System:
    """One way to rank, measured: unjudged products count nothing in ``measured``, are left out in ``condensed``.

    A ``control`` is no choice but a yardstick: random order, or an oracle that knows the answers. ``note`` says in a
    few words what the system is, or what was decided. ``recall`` is by cut; ``latency`` is median and 95th percentile
    in ms.
    """

    name: str
    measured: "Measured"
    condensed: "Measured"
    control: bool = False
    note: str = ""
    recall: Mapping[int, float] = field(default_factory=dict)
    latency: tuple[float, float] | None = None


@dataclass(frozen=True)
class Landscape:
    """The measure by one or two weights: a value for each point, its interval if known, and the point chosen."""

    weights: tuple[str, ...]
    points: tuple[tuple[float, ...], ...]
    values: tuple[float, ...]
    intervals: tuple[tuple[float, float], ...] = ()
    chosen: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Moved:
    """A product that explains a loss.

    ``gain`` is None where nobody judged; ``before`` and ``after`` are its ranks from 1 in the baseline's list and in
    the system's, None where it was not found; ``contributions`` is what each clause gave to its score: one that is
    missing did not match.
    """

    id: str
    title: str
    gain: float | None
    before: int | None
    after: int | None
    contributions: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Loss:
    """A question that a system answers worse than the baseline: the measure of both, and the products that moved."""

    system: str
    question: str
    before: float
    after: float
    products: tuple[Moved, ...] = ()
    note: str = ""

    @property
    def clauses(self) -> list[str]:
        """The clauses that gave something to one of the products."""
        return list(dict.fromkeys(clause for product in self.products for clause in product.contributions))


@dataclass(frozen=True)
class Report:
    """A whole evaluation. ``verdict`` is the sentence to read first, ``cautions`` those to read before believing it.

    ``provenance`` says what was measured and how. ``comparisons`` and ``condensed`` are those with ``baseline`` by
    ``measure``, unjudged products counting nothing and left out; :func:`versus` makes both.
    """

    title: str
    baseline: str
    systems: tuple[System, ...]
    comparisons: tuple[Comparison, ...] = ()
    condensed: tuple[Comparison, ...] = ()
    measure: str = "nDCG@10"
    verdict: str = ""
    provenance: Mapping[str, object] = field(default_factory=dict)
    landscapes: tuple[Landscape, ...] = ()
    losses: tuple[Loss, ...] = ()
    cautions: tuple[str, ...] = ()

    @property
    def questions(self) -> tuple[str, ...]:
        """What was asked."""
        return self.systems[0].measured.questions

    @property
    def unanswerable(self) -> int:
        """How many questions have nothing to find, so that they are left out of the means."""
        return sum(map(math.isnan, self.systems[0].measured.values[self.measure].tolist()))

    def compared(self, name: str, *, condensed: bool = False) -> Comparison | None:
        """Return the comparison of a system with the baseline, if there is one."""
        found = self.condensed if condensed else self.comparisons
        return next((comparison for comparison in found if comparison.system == name), None)

    def as_json(self) -> dict[str, Any]:
        """Return the report as JSON values, with each question's measures; what is not defined is null."""
        found = {
            "version": VERSION,
            "title": self.title,
            "verdict": self.verdict,
            "cautions": list(self.cautions),
            "measure": self.measure,
            "baseline": self.baseline,
            "provenance": dict(self.provenance),
            "systems": [_system_json(system) for system in self.systems],
            "comparisons": [_comparison_json(c) | {"unjudged": "nothing"} for c in self.comparisons]
            + [_comparison_json(c) | {"unjudged": "left out"} for c in self.condensed],
            "landscapes": [asdict(landscape) for landscape in self.landscapes],
            "losses": [asdict(loss) for loss in self.losses],
        }
        plain: dict[str, Any] = _plain(found)
        return plain


def versus(
    systems: Iterable[System], baseline: str, *, measure: str = "nDCG@10", level: float = 0.95, seed: int = SEED
) -> tuple[tuple[Comparison, ...], tuple[Comparison, ...]]:
    """Compare all systems that are no controls with the baseline: unjudged counting nothing, and left out."""
    shown = [system for system in systems if not system.control]
    both = ({s.name: s.measured for s in shown}, {s.name: s.condensed for s in shown})
    plain, condensed = (compared(one, baseline, measure=measure, level=level, seed=seed) for one in both)
    return tuple(plain), tuple(condensed)


def write_page(report: Report, path: Path) -> None:
    """Write the report as one HTML file that holds its drawings and no script.

    Raises LearnError if it cannot be written.
    """
    import jinja2
    from markupsafe import Markup

    from esmm.evaluate import plots

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "p": p_value, "drawn": Markup}
    page = environment.get_template("report.html.j2").render(report=report, plots=plots)
    try:
        with whole(path) as beside:
            beside.write_text(page, encoding="utf-8", errors="replace")
    except OSError as error:
        raise LearnError(
            f"{path} cannot be written: {error.strerror}", "free some space, or name another folder"
        ) from error


def number(value: float | None, form: str = ".3f") -> str:
    """Write a number for people; one that is not defined is a dash."""
    return "–" if value is None or math.isnan(value) else format(value, form)


def p_value(value: float) -> str:
    """Write a p for people."""
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _system_json(system: System) -> dict[str, Any]:
    both = {"nothing": system.measured, "left out": system.condensed}
    return {
        "name": system.name,
        "control": system.control,
        "note": system.note,
        "means": {unjudged: measured.means for unjudged, measured in both.items()},
        "questions": list(system.measured.questions),
        "values": {
            unjudged: {name: values.tolist() for name, values in measured.values.items()}
            for unjudged, measured in both.items()
        },
        "recall": {str(cut): value for cut, value in system.recall.items()},
        "latency_ms": dict(zip(("p50", "p95"), system.latency, strict=True)) if system.latency else None,
    }


def _comparison_json(comparison: Comparison) -> dict[str, Any]:
    names = (
        "system",
        "baseline",
        "measure",
        "gain",
        "low",
        "high",
        "level",
        "p",
        "corrected",
        "won",
        "lost",
        "unchanged",
    )
    return {name: getattr(comparison, name) for name in names} | {"questions": len(comparison.questions)}


def _plain(value: Any) -> Any:
    """Bring values to what JSON knows: rounded numbers, null for NaN."""
    if isinstance(value, float):
        return None if math.isnan(value) else round(value, 6)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, bool | int | str) else str(value)
