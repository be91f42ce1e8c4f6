"""What a training came to, to look at: a PNG of its curves, and one HTML page that needs nothing beside it."""

from base64 import b64encode
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from esmm.align.measures import best_of
from esmm.errors import AlignError
from esmm.paths import whole

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence, Sized

    from matplotlib.axes import Axes

    from esmm.align.measures import Epoch

_DIRECTIONS = {"text_to_photo": "text to photo", "photo_to_text": "photo to text"}
_MEASURES = {"recall_1": "Recall@1", "recall_5": "Recall@5", "recall_10": "Recall@10", "mrr": "MRR", "map": "MAP"}
_MARKERS = "osD^v"


@dataclass(frozen=True)
class Shown:
    """One photo found: its JPEG file, what its product is called, and whether it is a right answer."""

    jpeg: bytes
    caption: str
    right: bool


@dataclass(frozen=True)
class Example:
    """A query with its top photos, best first, by the tower before and after training."""

    query: str
    before: tuple[Shown, ...]
    after: tuple[Shown, ...]


@dataclass(frozen=True)
class _Look:
    """The colours of a drawing; those of the measures are Okabe and Ito's, which colour-blind people tell apart."""

    paper: str
    ink: str
    faint: str
    measures: tuple[str, ...]


_LIGHT = _Look("#ffffff", "#1b1e23", "#6f7681", ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#1b1e23"))
_DARK = _Look("#16181c", "#e8eaed", "#9aa1ab", ("#56B4E9", "#E69F00", "#00B483", "#CC79A7", "#e8eaed"))
# One drawing is shown at a time. Not <picture>: browsers print the source that they chose for the screen.
_SCREENS = (
    ("print, screen and (min-width: 640.02px) and (prefers-color-scheme: light)", _LIGHT, False),
    ("screen and (min-width: 640.02px) and (prefers-color-scheme: dark)", _DARK, False),
    ("screen and (max-width: 640px) and (prefers-color-scheme: light)", _LIGHT, True),
    ("screen and (max-width: 640px) and (prefers-color-scheme: dark)", _DARK, True),
)


def write_curves(history: "Sequence[Epoch]", path: Path) -> None:
    """Draw loss, learning rate and measures by epoch into a PNG of two panels, 1,600 pixels wide.

    ``history`` holds at least one epoch. Raises AlignError if matplotlib is missing or the file cannot be written.
    """
    _replace(path, _drawn(history, _LIGHT, stacked=False))


def write_page(
    path: Path,
    *,
    title: str,
    settings: "Mapping[str, object]",
    history: "Sequence[Epoch]",
    examples: "Sequence[Example]",
) -> None:
    """Write one HTML file with curves, measures, settings and example queries; it holds its pictures and no script.

    ``history`` holds at least one epoch. Raises AlignError if matplotlib is missing or the file cannot be written.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"base64": lambda data: b64encode(data).decode(), "plain": _plain, "number": _number}
    page = environment.get_template("report.html.j2").render(
        title=title,
        settings=settings,
        history=history,
        examples=examples,
        compared=_compared(history),
        best=best_of(history),
        curves=[(media, _drawn(history, look, stacked=stacked)) for media, look, stacked in _SCREENS],
        directions=_DIRECTIONS,
        measures=_MEASURES,
    )
    _replace(path, page.encode(errors="replace"))


def _compared(history: "Sequence[Epoch]") -> "dict[str, Epoch]":
    """Return the columns of the table of measures; without epoch 0 there is no "before"."""
    before = {"Before": history[0]} if history[0].number == 0 else {}
    return before | {"Best": best_of(history), "Last": history[-1]}


def _plain(value: object) -> str:
    """Write the value of a setting for people."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(_plain, value))
    return "–" if value is None else str(value)


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)


def _drawn(history: "Sequence[Epoch]", look: _Look, *, stacked: bool) -> bytes:
    """Return the curves as PNG: two panels side by side, or one above the other for narrow screens."""
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError:
        raise AlignError(
            "matplotlib is not installed, so the curves of the training cannot be drawn", 'pip install "esmm[align]"'
        ) from None
    with rc_context(_style(look)):
        figure = Figure(figsize=(4.2, 7.6) if stacked else (10, 4.6), dpi=160, layout="constrained")
        upper, lower = figure.subplots(*((2, 1) if stacked else (1, 2)), sharex=True)
        _draw_loss(upper, history, look)
        _draw_measures(lower, history, look)
        lower.set_xlabel("epoch")
        upper.set_xlabel("" if stacked else "epoch")
        handles, labels = lower.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=2 if stacked else 4, frameon=False)
        png = BytesIO()
        figure.savefig(png, format="png")
    return png.getvalue()


def _style(look: _Look) -> dict[Any, Any]:
    inks = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color")
    papers = ("figure.facecolor", "axes.facecolor", "savefig.facecolor")
    return {
        **dict.fromkeys(inks, look.ink),
        **dict.fromkeys(papers, look.paper),
        "font.size": 10,
        "axes.grid": False,
        "axes.spines.top": False,
        "axes.titlelocation": "left",
    }


def _draw_loss(axes: "Axes", history: "Sequence[Epoch]", look: _Look) -> None:
    losses = {epoch.number: epoch.loss for epoch in history if epoch.loss is not None}
    rates = [epoch.learning_rate for epoch in history if epoch.number in losses]
    axes.set_title("Training loss")
    if not losses:
        axes.text(0.5, 0.5, "not trained yet", ha="center", va="center", transform=axes.transAxes)
        axes.set_yticks([])
        return
    rate = axes.twinx()
    rate.plot(list(losses), rates, color=look.faint, alpha=0.6, linewidth=1, marker=".", markevery=_every(losses))
    rate.set_ylim(bottom=0)
    rate.set_title("learning rate", loc="right", color=look.faint, fontsize="medium")
    rate.tick_params(colors=look.faint)
    rate.yaxis.set_major_formatter(lambda value, _place: f"{value:g}")
    axes.plot(
        list(losses), list(losses.values()), color=look.measures[0], marker="o", markersize=4, markevery=_every(losses)
    )
    # The loss lies above the learning rate, whose panel was added later.
    axes.set_zorder(rate.get_zorder() + 1)
    axes.patch.set_visible(False)
    _mark_best(axes, history, look)


def _draw_measures(axes: "Axes", history: "Sequence[Epoch]", look: _Look) -> None:
    from matplotlib.ticker import MaxNLocator

    numbers = [epoch.number for epoch in history]
    series = list(zip(_MEASURES, look.measures, _MARKERS, strict=True))
    for direction, style in _strokes(look).items():
        for name, colour, marker in series:
            values = [getattr(getattr(epoch, direction), name) for epoch in history]
            axes.plot(numbers, values, color=colour, marker=marker, markevery=_every(history), **style)
        axes.plot([], [], color=look.faint, marker="o", label=_DIRECTIONS[direction], **style)
    for name, colour, marker in series:
        axes.plot([], [], color=colour, marker=marker, markersize=4, label=_MEASURES[name])
    _mark_best(axes, history, look)
    axes.set(title="Measures on the validation set", xlim=(numbers[0] - 0.5, numbers[-1] + 0.5))
    axes.set_ylim(bottom=0)
    axes.spines.right.set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def _strokes(look: _Look) -> dict[str, dict[str, Any]]:
    """Say how lines of each direction look: solid with filled marks, dashed with hollow ones."""
    common = {"markersize": 4, "linewidth": 1.3}
    hollow = {"linestyle": "--", "markerfacecolor": look.paper}
    return {"text_to_photo": common | {"linestyle": "-"}, "photo_to_text": common | hollow}


def _every(points: "Sized") -> int:
    """Return the step from mark to mark: more than a dozen marks would hide the dashes of their line."""
    return -(-len(points) // 12)


def _mark_best(axes: "Axes", history: "Sequence[Epoch]", look: _Look) -> None:
    number = best_of(history).number
    axes.axvline(number, color=look.faint, linestyle=":", zorder=0, label=f"best epoch: {number}")


def _replace(path: Path, data: bytes) -> None:
    """Write a file whole or not at all."""
    try:
        with whole(path) as beside:
            beside.write_bytes(data)
    except OSError as error:
        raise AlignError(
            f"{path} cannot be written: {error.strerror}", "free some space, or name another folder"
        ) from error
