"""JSON catalogues: one object a line, or one array, each element judged by itself."""

import codecs
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import orjson

from esmm.errors import CatalogueError

MAX_LINE_BYTES = 32 << 20
MAX_REJECTED_TEXT = 2_000
TOO_LONG = f"longer than {MAX_LINE_BYTES >> 20} MiB"

_CHUNK = 1 << 16
_NOT_A_NUMBER = re.compile(r"-?(?:NaN|Inf(?:inity)?)\b", re.IGNORECASE)
_SPACE = re.compile(r"[ \t\r\n]*")
_KINDS = {list: "a list", str: "a string", int: "a number", float: "a number", bool: "a boolean", type(None): "null"}


@dataclass(frozen=True, slots=True)
class Line:
    """One product as the catalogue has it; ``number`` is its line (array, Parquet: its position), from 1."""

    source: str
    number: int
    record: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Rejected:
    """One line that cannot be read: why, and the line itself, cut to 2,000 characters."""

    source: str
    number: int
    reason: str
    text: str


Items: TypeAlias = Iterator[Line | Rejected]


def reject(source: str, number: int, reason: str, raw: bytes | str) -> Rejected:
    """Keep the start of a bad line, with whatever is no text in it replaced."""
    start = raw[: 4 * MAX_REJECTED_TEXT]  # a character has at most four bytes
    if isinstance(start, str):
        start = start.encode("utf-8", "surrogateescape")
    text = start.decode("utf-8", "replace").rstrip("\r\n")
    return Rejected(source, number, reason, text[:MAX_REJECTED_TEXT])


def numbered(stream: io.BufferedReader) -> Iterator[tuple[int, bytes]]:
    """Yield lines with their numbers; of an over-long one only a start longer than the limit, the rest is skipped."""
    number = 0
    while raw := stream.readline(MAX_LINE_BYTES + 1):
        rest = raw if len(raw) > MAX_LINE_BYTES else b""
        while rest and not rest.endswith(b"\n"):
            rest = stream.readline(_CHUNK)
        number += 1
        yield number, raw.removeprefix(codecs.BOM_UTF8) if number == 1 else raw


def json_lines(source: str, stream: io.BufferedReader) -> Items:
    """Read one JSON object a line; empty lines are passed over."""
    for number, raw in numbered(stream):
        if raw and not raw.isspace():
            yield _parsed(source, number, raw)


def json_array(source: str, stream: io.BufferedReader) -> Items:
    """Read the elements of one array; CatalogueError where it is broken, for what follows cannot be trusted."""
    window, number = _Window(stream), 0
    more = window.mark() == "[" and not window.skips("]")
    while more:
        try:
            text = window.element()
        except (ValueError, RecursionError) as error:
            raise _broken(source, f"element {number + 1} is broken") from error
        number += 1
        yield _parsed(source, number, text)
        mark = window.mark()
        if mark not in {",", "]"}:
            raise _broken(source, f"it breaks off after element {number}")
        more = mark == ","
    if window.mark():
        raise _broken(source, f"it goes on after its end (element {number})")


def _broken(source: str, what: str) -> CatalogueError:
    hint = "Export it again, or write one product a line (.jsonl): then only the bad lines are lost."
    return CatalogueError(f"{source} is no valid JSON array: {what}.", hint)


def _parsed(source: str, number: int, raw: bytes | str) -> Line | Rejected:
    if len(raw) > MAX_LINE_BYTES:
        return reject(source, number, TOO_LONG, raw)
    try:
        record = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        return reject(source, number, _why(raw, error), raw)
    if not isinstance(record, dict):
        return reject(source, number, f"not an object but {_KINDS[type(record)]}", raw)
    return Line(source, number, record)


def _why(raw: bytes | str, error: json.JSONDecodeError) -> str:
    try:
        text = (raw if isinstance(raw, bytes) else raw.encode("utf-8", "surrogateescape")).decode()
    except UnicodeDecodeError as fault:
        return f"not UTF-8 at byte {fault.start + 1}"
    for start in (error.pos - 1, error.pos):  # orjson points behind a minus
        if start >= 0 and (constant := _NOT_A_NUMBER.match(text, start)):
            return f"not JSON at column {start + 1}: {constant[0]} is no number"
    return f"not JSON at column {min(error.pos, len(text.rstrip())) + 1}: {error.msg}"


class _Window:
    """The part of a long JSON text under the eye; it slides on, and grows where an element needs it."""

    # Only ends are looked for here, so numbers stay text (Python refuses to convert very long ones).
    _scan = staticmethod(json.JSONDecoder(parse_int=str, parse_float=str).raw_decode)

    def __init__(self, stream: io.BufferedReader) -> None:
        self._stream = stream
        self._decode = codecs.getincrementaldecoder("utf-8-sig")("surrogateescape").decode
        self._text, self._at, self._ended = "", 0, False

    def mark(self) -> str:
        """Step over white space and the character after it, and return that; empty at the end."""
        mark = self._next()
        self._at += len(mark)
        return mark

    def skips(self, mark: str) -> bool:
        """Step over ``mark`` if it comes next."""
        found = self._next() == mark
        self._at += found
        return found

    def element(self) -> str:
        """Step over one JSON value and return its text; ValueError or RecursionError where there is none."""
        self._next()
        while True:
            try:
                end = self._scan(self._text, self._at)[1]
            except ValueError:
                if self._ended or len(self._text) - self._at > MAX_LINE_BYTES:
                    raise
            else:
                if end < len(self._text) or self._ended:  # else a number may go on
                    start, self._at = self._at, end
                    return self._text[start:end]
            self._grow()

    def _next(self) -> str:
        while True:
            self._at = cast(re.Match[str], _SPACE.match(self._text, self._at)).end()
            if self._at < len(self._text) or self._ended:
                return self._text[self._at : self._at + 1]
            self._grow()

    def _grow(self) -> None:
        raw = self._stream.read(max(_CHUNK, len(self._text) - self._at))  # doubling: few scans of a long element
        self._ended = not raw
        self._text = self._text[self._at :] + self._decode(raw, self._ended)
        self._at = 0
