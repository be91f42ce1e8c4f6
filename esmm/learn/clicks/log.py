"""A search log read line by line: what was shown where, what was clicked, put into the cart and bought."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from esmm.errors import CatalogueError, LearnError
from esmm.ingest.catalogue import Line, read
from esmm.learn.clicks.privacy import Door, cleaned

MAX_POSITION = 1_000


@dataclass(frozen=True, slots=True)
class Impression:
    """One search: the products shown with their positions (from 1), and what was done with them.

    ``user`` is a salted hash, ``day`` all that is kept of the time. ``swapped`` are two positions whose products
    stood in an order that a coin had drawn.
    """

    query: str
    shown: tuple[str, ...]
    positions: tuple[int, ...]
    clicks: frozenset[str]
    carts: frozenset[str] = frozenset()
    purchases: frozenset[str] = frozenset()
    user: bytes | None = None
    day: str = ""
    swapped: tuple[int, int] | None = None


@dataclass
class Log:
    """The impressions of a log; ``faults`` tells by line what could not be read, without repeating any of it."""

    impressions: list[Impression] = field(default_factory=list)
    faults: list[tuple[int, str]] = field(default_factory=list)
    lines: int = 0
    scrubbed: int = 0
    emptied: int = 0


def read_log(path: str | Path) -> Log:
    """Read a log (JSONL, gzipped or not). User ids are hashed and queries cleaned here, before anything is kept.

    Raises LearnError for a file that cannot be read, or that holds nothing.
    """
    log, door, same = Log(), Door(), _Same()
    for item in _lines(path):
        log.lines += 1
        if not isinstance(item, Line):
            log.faults.append((item.number, item.reason))
            continue
        try:
            impression, scrubbed = _impression(item.record, door, same)
        except ValueError as fault:
            log.faults.append((item.number, str(fault)))
            continue
        log.scrubbed += scrubbed
        if impression.query:
            log.impressions.append(impression)
        else:
            log.emptied += 1
    return log


def _lines(path: str | Path) -> Iterator[Any]:
    try:
        yield from read(path)
    except CatalogueError as error:
        raise LearnError(error.message.replace("product", "search"), error.hint) from None


class _Same:
    """Keeps one copy of each text and tuple: a log repeats its products and positions line by line."""

    def __init__(self) -> None:
        self._known: dict[Any, Any] = {}

    def __call__(self, value: Any) -> Any:
        return self._known.setdefault(value, value)


def _impression(record: Mapping[str, Any], door: Door, same: _Same) -> tuple[Impression, bool]:
    """Return what a line says, and whether its query was scrubbed. Raises ValueError without repeating a value."""
    query = record.get("query")
    if not isinstance(query, str) or not query.strip():
        raise ValueError("query is no text")
    plain, scrubbed = cleaned(query)
    if plain.startswith("photo:"):
        raise ValueError("query is a photo's")
    shown, positions = _shown(record.get("shown"))
    bought, carted, clicked = (_done(record, key, shown) for key in ("purchases", "carts", "clicks"))
    impression = Impression(
        same(plain),
        tuple(same(product) for product in shown),
        same(positions),
        clicked | carted | bought,
        carted,
        bought,
        _user(record.get("user"), door, same),
        same(_day(record.get("time"))),
        _swapped(record.get("swapped"), positions),
    )
    return impression, scrubbed


def _shown(value: object) -> tuple[tuple[str, ...], tuple[int, ...]]:
    if not isinstance(value, list) or not value:
        raise ValueError("shown is no list of products")
    if all(isinstance(entry, dict) for entry in value):
        ids, positions = [entry.get("id") for entry in value], tuple(entry.get("position") for entry in value)
    else:
        ids, positions = value, tuple(range(1, len(value) + 1))
    shown = tuple(_id(product, "shown") for product in ids)
    if not all(type(position) is int and 1 <= position <= MAX_POSITION for position in positions):
        raise ValueError(f"shown has a position that is no whole number from 1 to {MAX_POSITION}")
    if len(set(shown)) < len(shown) or len(set(positions)) < len(positions):
        raise ValueError("shown has a product or a position twice")
    return shown, positions


def _done(record: Mapping[str, Any], key: str, shown: tuple[str, ...]) -> frozenset[str]:
    value = record.get(key)
    if not isinstance(value, list | None):
        raise ValueError(f"{key} is no list of products")  # noqa: TRY004  # one fault of a line like the others
    done = frozenset(_id(product, key) for product in value or ())
    if not done <= set(shown):
        raise ValueError(f"{key} has a product that was not shown")
    return done


def _user(value: object, door: Door, same: _Same) -> bytes | None:
    if value is None or value == "":
        return None
    if not isinstance(value, (str, int)):
        raise ValueError("user is no text")  # noqa: TRY004  # one fault of a line like the others
    hashed: bytes = same(door.hashed(value))
    return hashed


def _id(value: object, key: str) -> str:
    product = str(value) if isinstance(value, (str, int)) and not isinstance(value, bool) else ""
    if not product or product != " ".join(product.split()):
        raise ValueError(f"{key} has something that is no product's id")
    return product


def _day(time: object) -> str:
    """Return the day of a time: ISO 8601, or seconds or milliseconds since 1970."""
    if time is None:
        return ""
    try:
        if isinstance(time, str):
            return datetime.fromisoformat(time).date().isoformat()
        seconds = float(time) if not isinstance(time, bool) else None  # type: ignore[arg-type]
        return datetime.fromtimestamp(seconds / (1000 if seconds > 1e11 else 1), UTC).date().isoformat()  # type: ignore[operator]
    except (ValueError, TypeError, OverflowError, OSError):
        raise ValueError("time is neither ISO 8601 nor seconds since 1970") from None


def _swapped(value: object, positions: tuple[int, ...]) -> tuple[int, int] | None:
    if value is None:
        return None
    if not isinstance(value, list) or sum(position in positions for position in value) != 2 or len(set(value)) != 2:
        raise ValueError("swapped is not two positions that were shown")
    return min(value), max(value)
