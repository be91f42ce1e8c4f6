"""Catalogues in columns: CSV and TSV with a header row, and Parquet."""

import csv
import io
import tempfile
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import date, time
from decimal import Decimal
from itertools import chain
from math import isfinite
from typing import IO, Any

import orjson

from esmm.errors import CatalogueError
from esmm.ingest.lines import MAX_LINE_BYTES, TOO_LONG, Items, Line, Rejected, numbered, reject

MAX_ROW_LINES = 1_000  # physical lines of one row; more means a quote that nobody closed

_BATCH_ROWS = 256


def csv_rows(source: str, stream: io.BufferedReader) -> Items:
    """Read a table with a header row; the separator (comma, semicolon, tab) follows from the header.

    An empty cell is None, a cell that holds a JSON list or object becomes that, all else stays a string.
    """
    lines = numbered(stream)
    first = next((line for line in lines if line[1].strip()), None)
    if first is None:
        return
    feed = _Feed(chain([first], lines))
    # The limit belongs to the whole process and is only ever raised: its 128 KiB are too few for long texts.
    csv.field_size_limit(max(MAX_LINE_BYTES, csv.field_size_limit()))
    table = csv.reader(feed, delimiter=_delimiter(first[1]), strict=True)
    names = _header(source, table)
    for cells in feed.rows(table):
        number, raw = feed.row[0]
        if fault := _fault(cells, len(names)):
            yield reject(source, number, fault, raw)
        elif not isinstance(cells, csv.Error) and any(cells):
            record = {name: _value(cell) for name, cell in zip(names, cells, strict=True) if name}
            yield Line(source, number, record)


def _delimiter(header: bytes) -> str:
    return "\t" if b"\t" in header else max(",;", key=lambda mark: header.count(mark.encode()))


def _header(source: str, table: Iterator[list[str]]) -> list[str]:
    hint = "The first row must name the columns, each name once; save the file as CSV in UTF-8."
    try:
        names = [name.strip() for name in next(table)]
        "".join(names).encode()
    except (csv.Error, UnicodeEncodeError) as error:
        raise CatalogueError(f"{source} has a header row that is not CSV in UTF-8.", hint) from error
    named = [name for name in names if name]  # a column without a name (an exported row number) is left out
    if number := next((name for name in named if _is_number(name)), None):
        raise CatalogueError(f"{source} has no header row: its first row holds the number {number}.", hint)
    if twice := next((name for name in named if named.count(name) > 1), None):
        raise CatalogueError(f"{source} has two columns named {twice!r}.", hint)
    if not named:
        raise CatalogueError(f"{source} has no header row: its first row is empty.", hint)
    return names


def _is_number(text: str) -> bool:
    return text.removeprefix("-").replace(".", "", 1).isdigit()


def _fault(cells: list[str] | csv.Error, width: int) -> str:
    if isinstance(cells, csv.Error):
        return str(cells) if str(cells) == TOO_LONG else f"not a CSV row: {cells}"
    if cells and len(cells) != width:
        return f"{len(cells)} cells where the header names {width}"
    try:
        "".join(cells).encode()
    except UnicodeEncodeError:
        return "not UTF-8"
    return ""


def _value(cell: str) -> object:
    if cell.startswith(("[", "{")):
        try:
            return orjson.loads(cell)
        except orjson.JSONDecodeError:
            return cell
    return cell or None


class _Feed:
    """Lines for csv.reader, remembered so that a broken row gives all but its first line back."""

    def __init__(self, lines: Iterator[tuple[int, bytes]]) -> None:
        self._lines = lines
        self._again: deque[tuple[int, bytes]] = deque()
        self.row: list[tuple[int, bytes]] = []

    def __iter__(self) -> "_Feed":
        return self

    def __next__(self) -> str:
        if len(self.row) >= MAX_ROW_LINES:
            raise csv.Error("a quote is never closed")
        number, raw = self._again.popleft() if self._again else next(self._lines)
        self.row.append((number, raw))
        if len(raw) > MAX_LINE_BYTES:
            raise csv.Error(TOO_LONG)
        return raw.decode("utf-8", "surrogateescape")

    def rows(self, table: Iterator[list[str]]) -> Iterator[list[str] | csv.Error]:
        """Yield rows, or what is wrong with one; ``row`` then holds its physical lines."""
        while True:
            self.row.clear()
            try:
                yield next(table)
            except StopIteration:
                return
            except csv.Error as error:
                self._again.extendleft(reversed(self.row[1:]))
                yield error


def parquet_rows(source: str, stream: io.BufferedReader) -> Items:
    """Read the rows of a Parquet file a few at a time; CatalogueError where it is damaged or pyarrow is missing."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        hint = 'Run `pip install "esmm[parquet]"`, or save the file as JSONL or CSV.'
        raise CatalogueError(f"{source} is a Parquet file, and pyarrow is not installed.", hint) from error
    with ExitStack() as stack:
        try:
            file = parquet.ParquetFile(_seekable(stream, stack))
            rows = (row for batch in file.iter_batches(_BATCH_ROWS) for row in batch.to_pylist())
            for number, row in enumerate(rows, 1):
                yield _record(source, number, row)
        except pyarrow.ArrowException as error:
            raise CatalogueError(f"{source} is not a whole Parquet file.", "Fetch or export it again.") from error


def _seekable(stream: io.BufferedReader, stack: ExitStack) -> IO[bytes] | io.BufferedReader:
    if isinstance(stream.raw, io.FileIO) and stream.seekable():
        return stream
    # Parquet keeps its table of contents at the end.
    copy = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
    while chunk := stream.read(1 << 20):
        copy.write(chunk)
    copy.seek(0)
    return copy


def _record(source: str, number: int, row: dict[str, Any]) -> Line | Rejected:
    try:
        return Line(source, number, {name: _plain(value) for name, value in row.items()})
    except ValueError as error:
        return reject(source, number, str(error), repr(row))


def _plain(value: object) -> object:
    """Turn a Parquet value into what JSON would have held; bytes (photos) stay."""
    match value:
        case float() if not isfinite(value):
            raise ValueError(f"{value} is no number")
        case Decimal():
            return _plain(float(value))
        case date() | time():
            return value.isoformat()
        case dict():
            return {key: _plain(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_plain(inner) for inner in value]
    return value
