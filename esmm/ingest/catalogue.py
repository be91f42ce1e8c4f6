"""Catalogue files read in bounded memory: good lines become records, bad ones carry their reason.

JSONL, a JSON array, CSV or TSV with a header row, and Parquet; each may be gzipped or come by standard input.
The format follows from the file's name, else from its first bytes. Values stay as the file has them; the recipe
gives them types later.
"""

import codecs
import io
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from gzip import GzipFile
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, cast

from esmm.errors import CatalogueError
from esmm.ingest.lines import MAX_LINE_BYTES, Items, Line, Rejected, json_array, json_lines
from esmm.ingest.tables import csv_rows, parquet_rows

__all__ = ["MAX_LINE_BYTES", "Line", "Rejected", "head", "read"]

_BUFFER = 1 << 16
_GZIP = b"\x1f\x8b"
_BY_SUFFIX = {
    ".jsonl": json_lines,
    ".ndjson": json_lines,
    ".csv": csv_rows,
    ".tsv": csv_rows,
    ".tab": csv_rows,
    ".parquet": parquet_rows,
    ".pq": parquet_rows,
}
_FOREIGN = {
    b"PK\x03\x04": "a zip file or an Excel workbook",
    b"\xd0\xcf\x11\xe0": "an Excel workbook",
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
    b"BZh": "a bzip2 file",
    b"\xfd7zXZ": "an xz file",
    b"\x28\xb5\x2f\xfd": "a zstandard file",
}


def read(path: str | Path, *, stdin: BinaryIO | None = None) -> Iterator[Line | Rejected]:
    """Yield each product of a catalogue, or the reason why its line is none; "-" reads standard input.

    Raises CatalogueError, at the first step or where the file breaks off, for a file that is missing, empty,
    damaged or of an unknown kind.
    """
    source, number = ("standard input" if str(path) == "-" else str(path)), 0
    try:
        with ExitStack() as stack:
            stream = _open(path, stdin, stack)
            for item in _reader(source, stream.peek(_BUFFER))(source, stream):
                number = item.number
                yield item
    except (OSError, EOFError, zlib.error) as error:
        raise _unreadable(source, number, error) from error
    if not number:
        raise CatalogueError(f"{source} holds no product.", "Check that the export ran to its end.")


def follow(source: str, opened: Callable[[], io.RawIOBase]) -> Iterator[Line | Rejected]:
    """Yield the lines of a stream that grows: JSON lines, CSV or TSV. Raises CatalogueError as :func:`read` does."""
    number = 0
    try:
        with _buffered(opened()) as stream:
            start = stream.peek(_BUFFER)
            reader = _reader(source, start)
            if start.startswith(_GZIP) or reader not in (json_lines, csv_rows):
                raise CatalogueError(f"{source} cannot be followed.", "Write one product a line (.jsonl or .csv).")
            for item in reader(source, stream):
                number = item.number
                yield item
    except OSError as error:
        raise _unreadable(source, number, error) from error


def head(path: str | Path, count: int = 200) -> list[dict[str, Any]]:
    """Return the first ``count`` records of a catalogue file; lines that cannot be read are passed over."""
    lines = (item for item in read(path) if isinstance(item, Line))
    return [line.record for line in islice(lines, count)]


def _open(path: str | Path, stdin: BinaryIO | None, stack: ExitStack) -> io.BufferedReader:
    if str(path) == "-":
        stream = _buffered(stdin or sys.stdin.buffer)
        if stream is not (stdin or sys.stdin.buffer):
            stack.callback(stream.detach)  # the caller's stream stays open
    else:
        stream = _buffered(stack.enter_context(io.FileIO(str(path))))
    if stream.peek(_BUFFER).startswith(_GZIP):
        stream = _buffered(stack.enter_context(GzipFile(fileobj=stream)))
    return stream


def _buffered(stream: object) -> io.BufferedReader:
    if isinstance(stream, io.BufferedReader):  # a second buffer would wait until it is full
        return stream
    return io.BufferedReader(cast(io.RawIOBase, stream), _BUFFER)


def _reader(source: str, start: bytes) -> Callable[[str, io.BufferedReader], Items]:
    """Choose by magic bytes, then by name, then by the look of the first line."""
    for magic, kind in _FOREIGN.items():
        if start.startswith(magic):
            raise CatalogueError(f"{source} is {kind}.", "Save it as CSV (UTF-8) or as JSON, one product a line.")
    if start.startswith(b"PAR1"):
        return parquet_rows
    if start and (known := _BY_SUFFIX.get(Path(source.lower().removesuffix(".gz")).suffix)):
        return known
    text = start.removeprefix(codecs.BOM_UTF8).lstrip()
    if text.startswith(b"["):
        return json_array
    first = text.partition(b"\n")[0].rstrip()
    if not text.startswith(b"{"):
        return csv_rows if any(mark in first for mark in (b",", b";", b"\t")) else json_lines
    if len(first) < len(text) and first.endswith((b"{", b"[", b",")):
        raise CatalogueError(
            f"{source} is one JSON object over several lines, not a list of products.",
            "Write one product a line, or a JSON array; `jq -c '.products[]'` takes a list out of an object.",
        )
    return json_lines


def _unreadable(source: str, number: int, error: Exception) -> CatalogueError:
    match error:
        case FileNotFoundError():
            return CatalogueError(f"{source} does not exist.", "Check the path; it starts from the current folder.")
        case IsADirectoryError():
            return CatalogueError(f"{source} is a folder, not a catalogue.", "Name one file in it.")
        case PermissionError():
            return CatalogueError(f"{source} may not be read.", "Give this user the right to read it.")
        case OSError(strerror=str(why)):
            return CatalogueError(f"{source} cannot be read after line {number}: {why}.", "Check the disk or the pipe.")
    return CatalogueError(
        f"{source} is a damaged or cut gzip file: it breaks off after line {number}.",
        "Fetch or compress it again; `gzip -t` tells whether it is whole.",
    )
