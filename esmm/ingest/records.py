"""A checked product: a catalogue line whose fields fit the recipe."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from esmm.ingest.lines import Line, Rejected

if TYPE_CHECKING:
    from esmm.recipe import Recipe

MAX_ID_BYTES = 512  # Elasticsearch's own limit
_TRUE, _FALSE = {"true", "1", "yes"}, {"false", "0", "no"}


@dataclass(frozen=True, slots=True)
class Record:
    """One product: its id, the fields to store, the passages to embed with their weights, its photo references."""

    id: str
    fields: dict[str, Any]
    passages: tuple[tuple[float, str], ...]
    photos: tuple[str, ...]
    source: str
    number: int


class BadRecord(ValueError):
    """A line that does not fit the recipe; the message is the reason given to the user."""


def record_of(raw: dict[str, Any], recipe: "Recipe", *, source: str, number: int) -> Record:
    """Check a catalogue line against the recipe. Raises BadRecord that names every field at fault."""
    fields = dict(raw)
    faults: list[str] = []
    for name, field in recipe.fields.items():
        value = value_of(raw, name)
        if value is None or value == "":
            continue
        try:
            checked = _each(_CHECKS[field.type], value)
        except (ValueError, TypeError):
            faults.append(f"{name} must be {_EXPECTED[field.type]}, not {_shown(value)}")
            continue
        if name in fields:
            fields[name] = checked
    try:
        identity = _identity(raw.get(recipe.index.id), recipe.index.id)
    except BadRecord as error:
        faults.insert(0, str(error))
    if faults:
        raise BadRecord("; ".join(faults))
    pictured = recipe.named("photo")
    photos = tuple(str(p) for name in pictured for p in _as_list(value_of(fields, name)) if p)
    for name in pictured:
        if name in fields:
            fields[name] = _without_inline(fields[name])
    return Record(identity, fields, _passages(fields, recipe), photos, source, number)


def fitting(lines: Iterable[Line | Rejected], recipe: "Recipe") -> Iterator[Record]:
    """Yield the products of a catalogue that fit the recipe; the others are left out (``esmm ingest`` lists them)."""
    for line in lines:
        if isinstance(line, Line):
            try:
                yield record_of(line.record, recipe, source=line.source, number=line.number)
            except BadRecord:
                continue


def value_of(fields: dict[str, Any], name: str) -> Any:
    """Return a field's value, following dots into objects, or None."""
    if name in fields or "." not in name:
        return fields.get(name)
    head, rest = name.split(".", 1)
    inner = fields.get(head)
    return value_of(inner, rest) if isinstance(inner, dict) else None


def _identity(value: Any, name: str) -> str:
    if value is None or value == "" or isinstance(value, (dict, list, bool)):
        raise BadRecord(f"no id: field {name} is missing or empty")
    identity = str(value)
    if len(identity.encode()) > MAX_ID_BYTES:
        raise BadRecord(f"id in field {name} is over {MAX_ID_BYTES} bytes long")
    return identity


def _passages(fields: dict[str, Any], recipe: "Recipe") -> tuple[tuple[float, str], ...]:
    """Join the fields of each weight into one passage, and leave out the empty ones."""
    made = []
    for weight, names in recipe.embedded.items():
        parts = [str(part).strip() for name in names for part in _as_list(value_of(fields, name)) if part]
        if text := ". ".join(part for part in parts if part):
            made.append((weight, text))
    return tuple(made)


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _each(check: Callable[[Any], Any], value: Any) -> Any:
    return [check(item) for item in value if item is not None] if isinstance(value, list) else check(value)


def _text(value: Any) -> str:
    if isinstance(value, (dict, list, bool)):
        raise TypeError
    return value if isinstance(value, str) else str(value)


def _long(value: Any) -> int:
    if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
        raise TypeError
    if not -(2**63) <= (number := int(value)) < 2**63:
        raise ValueError
    return number


def _double(value: Any) -> float:
    if isinstance(value, bool) or not math.isfinite(number := float(value)):
        raise TypeError
    return number


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    word = str(value).lower()
    if word not in _TRUE | _FALSE:
        raise ValueError
    return word in _TRUE


def _date(value: Any) -> str | int:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise TypeError
    return value  # its format is the mapping's matter


def _photo(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _without_inline(value: Any) -> Any:
    """Drop photos given inside the catalogue: megabytes of base64 do not belong in every answer of a search."""
    kept = [item for item in _as_list(value) if not item.startswith("data:") and len(item) <= 2048]
    if isinstance(value, list):
        return kept
    return kept[0] if kept else None


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."


_CHECKS: dict[str, Callable[[Any], Any]] = {
    "text": _text,
    "keyword": _text,
    "long": _long,
    "double": _double,
    "boolean": _boolean,
    "date": _date,
    "photo": _photo,
}
_EXPECTED = {
    "text": "text",
    "keyword": "text",
    "long": "a whole number",
    "double": "a number",
    "boolean": "true or false",
    "date": "a date",
    "photo": "a path, URL, data URI or base64 text",
}
