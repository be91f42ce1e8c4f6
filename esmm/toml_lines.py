"""Find the line of a setting in TOML text: tomllib and pydantic know the path of a fault, not its line."""

import re
from collections.abc import Sequence

_TABLE = re.compile(r"^\s*\[\s*([^\[\]]+?)\s*\]\s*(#.*)?$")
_KEY = re.compile(r"""^\s*("[^"]+"|'[^']+'|[A-Za-z0-9_.-]+)\s*=""")


def line_of(text: str, path: Sequence[str | int]) -> int | None:
    """Return the 1-based line of the longest part of ``path`` that the text holds, or None."""
    lines = _settings(text)
    keys = tuple(str(part) for part in path)
    for end in range(len(keys), 0, -1):
        if keys[:end] in lines:
            return lines[keys[:end]]
    return None


def _settings(text: str) -> dict[tuple[str, ...], int]:
    table: tuple[str, ...] = ()
    found: dict[tuple[str, ...], int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if match := _TABLE.match(line):
            table = _parts(match[1])
            found.setdefault(table, number)
        elif match := _KEY.match(line):
            found.setdefault((*table, *_parts(match[1])), number)
    return found


def _parts(key: str) -> tuple[str, ...]:
    if key[0] in "\"'":
        return (key[1:-1],)
    return tuple(part.strip().strip("\"'") for part in key.split("."))
