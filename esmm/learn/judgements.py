"""Judgements: which products are good answers to which questions, read from whatever a shop has."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from math import isfinite
from pathlib import Path

from esmm.errors import CatalogueError, LearnError
from esmm.learn.formats import FORMATS, Fault, Row, recognised, topic_names

SHOWN_FAULTS = 20
_PHOTO = "photo:"
_HINT = "mend or remove these lines; a judgement is a question, a product's id and a gain of 0 or more"


@dataclass(frozen=True)
class Question:
    """What was asked: words, a photo (a path, or a name in a folder or zip of photos), or both."""

    text: str | None = None
    photo: str | None = None

    @property
    def name(self) -> str:
        """The words, or ``photo:`` and the reference: the key of runs, judgements and reports."""
        photo = _PHOTO + self.photo if self.photo else None
        return " + ".join(part for part in (self.text, photo) if part)


@dataclass(frozen=True)
class Judgements:
    """Gains (0 or more) by question and product id, and where they come from.

    ``digest`` is 12 hex digits of the content: the same for the same judgements, whatever their order and format.
    """

    gains: Mapping[Question, Mapping[str, float]]
    source: str
    digest: str = ""

    def __post_init__(self) -> None:
        if not self.digest:
            object.__setattr__(self, "digest", _digest(self.by_name))

    @cached_property
    def by_name(self) -> dict[str, dict[str, float]]:
        """The gains by name of the question, as libraries of measures take them."""
        return {question.name: dict(products) for question, products in self.gains.items()}


def read_judgements(path: str | Path, *, format: str = "auto", topics: str | Path | None = None) -> Judgements:
    """Read judgements: table (CSV, TSV), jsonl, trec, quepid (CSV, JSON) or rank_eval; each may be gzipped.

    ``topics`` tells the words of TREC topics: a line has an id, a tab and the words. Without it the ids are taken as
    the words, and ``source`` says so. Raises LearnError that lists all faults with their places.
    """
    if format not in {"auto", *FORMATS}:
        raise LearnError(f"there is no format {format!r} of judgements", f"choose auto, {', '.join(FORMATS)}")
    path, source = Path(path), str(path)
    try:
        found = recognised(path) if format == "auto" else format
        rows = FORMATS[found](path)
        if found == "trec" and topics:
            rows, source = _named(rows, topic_names(Path(topics))), f"{source} with {topics}"
        elif found == "trec":
            source += " (its topic ids are taken as the queries' words)"
        return Judgements(_gains(rows, str(path)), source)
    except CatalogueError as error:
        raise LearnError(error.message, error.hint) from error


def _digest(by_name: Mapping[str, Mapping[str, float]]) -> str:
    content = sorted((name, *pair) for name, products in by_name.items() for pair in products.items())
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:12]


def _named(rows: Iterable[Row | Fault], names: Mapping[str, str]) -> Iterator[Row | Fault]:
    for row in rows:
        if isinstance(row, Fault):
            yield row
        elif (name := names.get(str(row.text))) is None:
            yield Fault(row.place, f"the topics do not name {row.text}")
        else:
            yield replace(row, text=name)


def _gains(rows: Iterable[Row | Fault], source: str) -> dict[Question, dict[str, float]]:
    """Gather the gains of all rows. Raises LearnError with every fault."""
    gains: dict[Question, dict[str, float]] = {}
    places: dict[tuple[Question, str], str] = {}
    faults = []
    for row in rows:
        try:
            question, product, gain = _judged(row)
            if gains.setdefault(question, {}).setdefault(product, gain) != gain:
                first = places[question, product]
                raise ValueError(f"{product} has gain {gain:g} here and {gains[question][product]:g} in {first}")  # noqa: TRY301
            places.setdefault((question, product), row.place)
        except ValueError as fault:
            faults.append(f"{row.place}: {fault}")
    if faults:
        raise _faulty(source, faults)
    if not gains:
        raise LearnError(f"{source} holds no judgement", "check that the export ran to its end")
    return gains


def _faulty(source: str, faults: list[str]) -> LearnError:
    count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
    shown = [f"  {fault}" for fault in faults[:SHOWN_FAULTS]]
    if more := len(faults) - len(shown):
        shown.append(f"  and {more} more")
    return LearnError("\n".join([f"{source} has {count}:", *shown]), _HINT)


def _judged(row: Row | Fault) -> tuple[Question, str, float]:
    """Return what a row says. Raises ValueError with all that is wrong with it."""
    if isinstance(row, Fault):
        raise ValueError(row.reason)  # noqa: TRY004  # gathered with the others
    faults: list[str] = []
    text, photo = _words(row.text, "query", faults), _words(row.photo, "photo", faults)
    product = _words(row.product, "product id", faults)
    gain = _gain(row.gain, faults)
    if not (text or photo or faults):
        faults.append("the query is blank")
    if text and text.startswith(_PHOTO):
        faults.append("the query is a photo: give it in a column named photo")
    if not product and not any("product" in fault for fault in faults):
        faults.append("the product id is blank")
    if faults:
        raise ValueError("; ".join(faults))
    return Question(text or None, photo or None), product, gain


def _words(value: object, what: str, faults: list[str]) -> str:
    """Return a text on one line; empty if there is none."""
    if isinstance(value, (dict, list, bool)):
        faults.append(f"the {what} is no text")
        return ""
    return "" if value is None else " ".join(str(value).split())


def _gain(value: object, faults: list[str]) -> float:
    try:
        gain = float("" if value is None or isinstance(value, bool) else value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        shown = "is missing" if value is None or value == "" else f"{str(value)[:40]!r} is no number"
        faults.append(f"the gain {shown}")
        return 0.0
    if not isfinite(gain) or gain < 0:
        faults.append(f"the gain {value} is {'negative' if isfinite(gain) else 'not finite'}")
    return gain
