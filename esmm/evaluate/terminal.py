"""An evaluation for a terminal: the same figures as the page, without its drawings."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from esmm.evaluate.report import number, p_value

if TYPE_CHECKING:
    from rich.table import Table

    from esmm.evaluate.report import Report, System

_WORST = 10


def tables(report: "Report") -> "Iterator[Table]":
    """Return the tables to print: systems against the baseline, all measures, and the worst losses if there are any."""
    yield _compared(report)
    yield _measures(report)
    if report.losses:
        yield _losses(report)


def _compared(report: "Report") -> "Table":
    level = report.comparisons[0].level if report.comparisons else 0.95
    columns = ("unjudged: nothing", "left out", "judged", f"gain [{level:.0%}]", "gain, left out", "p", "corrected")
    table = _table(f"{report.measure}, against {report.baseline}", (*columns, "won/lost/same"))
    for system in report.systems:
        table.add_row(_name(system), *_row(report, system))
    return table


def _row(report: "Report", system: "System") -> list[str]:
    judged = next((name for name in system.measured.values if name.startswith("Judged@")), None)
    means = [number(measured.mean(report.measure)) for measured in (system.measured, system.condensed)]
    means.append(number(system.measured.mean(judged) if judged else None, ".0%"))
    plain, condensed = report.compared(system.name), report.compared(system.name, condensed=True)
    if not plain:
        return [*means, *[""] * 5]
    gains = [
        f"{c.gain:+.3f} [{number(c.low, '+.3f')}, {number(c.high, '+.3f')}]" if c else "" for c in (plain, condensed)
    ]
    counts = f"{plain.won}/{plain.lost}/{plain.unchanged}"
    return [*means, *gains, p_value(plain.p), p_value(plain.corrected), counts]


def _measures(report: "Report") -> "Table":
    names = list(report.systems[0].measured.values)
    table = _table("All measures, unjudged products counting nothing", names)
    for system in report.systems:
        table.add_row(_name(system), *(number(system.measured.mean(name)) for name in names))
    return table


def _losses(report: "Report") -> "Table":
    from rich.markup import escape

    table = _table("Worst losses", (report.baseline, "system", "change"))
    table.add_column("why", overflow="fold")
    for loss in report.losses[:_WORST]:
        figures = (number(loss.before), number(loss.after), number(loss.after - loss.before, "+.3f"))
        table.add_row(escape(f"{loss.question} ({loss.system})"), *figures, escape(loss.note))
    return table


def _table(title: str, columns: "tuple[str, ...] | list[str]") -> "Table":
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False, title=escape(title), title_justify="left")
    table.add_column("", overflow="fold")
    for name in columns:
        table.add_column(escape(name), justify="right")
    return table


def _name(system: "System") -> str:
    from rich.markup import escape

    return escape(system.name) + (" [dim](control)[/dim]" if system.control else "")
