"""Progress for people: live bars where there is a terminal, plain lines where there is none."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from esmm.cli.common import say

if TYPE_CHECKING:
    from esmm.ingest.report import Counts

_EVERY_SECONDS = 10.0


@contextmanager
def node_progress() -> Iterator[Callable[[str, int | None, int | None], None]]:
    """Show what the local node does: a download bar in a terminal, a line a step elsewhere."""
    if not sys.stderr.isatty():
        seen: set[str] = set()

        def line(message: str, *_: int | None) -> None:
            if message not in seen:
                seen.add(message)
                say(message)

        yield line
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bars:
        tasks = {}

        def draw(message: str, done: int | None, total: int | None) -> None:
            if done is None and total is None:
                bars.console.print(message)
                return
            if message not in tasks:
                tasks[message] = bars.add_task(message, total=total)
            bars.update(tasks[message], completed=done or 0, total=total)

        yield draw


@contextmanager
def load_progress(total: int | None, *, quiet: bool) -> "Iterator[Callable[[Counts], None]]":
    """Show a load: documents, rate, time left, faults."""
    if quiet:
        yield lambda _: None
    elif sys.stderr.isatty():
        with _bar(total) as draw:
            yield draw
    else:
        yield _lines(total)


def _lines(total: int | None) -> "Callable[[Counts], None]":
    last = 0.0

    def line(report: "Counts") -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _EVERY_SECONDS:
            last = now
            of = f" of about {total:,}" if total else ""
            rate = report.done / max(now - report.started, 1e-9)
            left = f", {max(0, total - report.done) / rate:,.0f} s left" if total and rate else ""
            say(
                f"{report.done:,}{of} products, {rate:,.0f}/s{left}, "
                f"{report.rejected:,} rejected, {report.photo_faults:,} photo faults"
            )

    return line


@contextmanager
def _bar(total: int | None) -> "Iterator[Callable[[Counts], None]]":
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("loading"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[faults]}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("loading", total=total, rate="", faults="")

        def draw(report: "Counts") -> None:
            rate = report.done / max(time.monotonic() - report.started, 1e-9)
            faults = report.rejected + report.photo_faults
            bar.update(
                task,
                completed=report.done,
                rate=f"{rate:,.0f}/s",
                faults=f"[red]{faults:,} faults" if faults else "",
            )

        yield draw


@contextmanager
def steps(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show how many steps of some work are done: a bar in a terminal, one line elsewhere."""
    if not sys.stderr.isatty():
        say(what)
        yield lambda _done, _all: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
