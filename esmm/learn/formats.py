"""The formats that judgements come in, each read into rows; what a row means is checked by its reader.

Tables and JSON lines as shops write them, TREC qrels (topic 0 product gain), Quepid's exports (CSV query,docid,rating;
JSON queries[].ratings), and the body of an Elasticsearch _rank_eval request.
"""

import gzip
import json
import re
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from esmm.errors import LearnError, QueryError
from esmm.ingest.catalogue import Line, Rejected, read

_QUERY = ("query", "querytext", "text", "q", "keywords", "searchterm", "searchquery")
_PHOTO = ("photo", "image", "queryphoto", "queryimage")
_PRODUCT = ("productid", "docid", "product", "doc", "documentid", "itemid", "sku", "id")
_GAIN = ("gain", "rating", "grade", "label", "relevance", "rel", "judgement", "judgment", "score")
_DOCUMENTS = {"requests": "rank_eval", "queries": "quepid"}
_QUEPID = {"query", "docid", "rating"}
_HEADER_HINT = (
    "name the columns query (or photo), product_id and gain; docid, rating, grade, label and relevance will do"
)


@dataclass(frozen=True)
class Row:
    """One judged pair, with values as the file has them; ``place`` is its line, or its path in a JSON document."""

    place: str
    text: object
    product: object
    gain: object
    photo: object = None


@dataclass(frozen=True)
class Fault:
    """What cannot be read as a row."""

    place: str
    reason: str


Rows = Iterator[Row | Fault]


def recognised(path: Path) -> str:
    """Return the name of a file's format, by its content. Raises LearnError for a JSON document of no known kind."""
    text = _text(path, errors="replace").lstrip()
    first = text.partition("\n")[0]
    if text.startswith("{"):
        return _kind_of_json(path, text, first)
    if text.startswith("["):
        return "jsonl"
    cells = _trec_cells(first)
    return "trec" if len(cells) == 4 and _is_number(cells[3]) else "table"


def topic_names(path: Path) -> dict[str, str]:
    """Read the words of TREC topics: one topic a line, its id, a tab, its words. Raises LearnError."""
    names = dict(line.split("\t", 1) for line in _text(path).splitlines() if "\t" in line)
    if not names:
        raise LearnError(f"{path} names no topic", "write one topic a line: its id, a tab, its words")
    return {topic.strip(): words for topic, words in names.items()}


def _table(path: Path) -> Rows:
    """Read a table or JSON objects; the columns are those that any row has."""
    items = list(read(path))
    records = [item.record for item in items if isinstance(item, Line)]
    names = list(dict.fromkeys(name for record in records for name in record))
    columns = [_column(names, known) for known in (_QUERY, _PRODUCT, _GAIN, _PHOTO)]
    if missing := _missing(columns):
        if records:
            yield Fault("header", f"no column for {' and '.join(missing)}, only {', '.join(names)}: {_HEADER_HINT}")
        items = [item for item in items if not isinstance(item, Line)]
    unrated_too = {_plain(name) for name in names} >= _QUEPID
    for item in items:
        if unrated_too and _is_unrated(item, columns[2]):
            continue
        if not isinstance(item, Line):
            yield Fault(f"line {item.number}", item.reason)
        else:
            text, product, gain, photo = (item.record.get(column) if column else None for column in columns)
            yield Row(f"line {item.number}", text, product, gain, photo)


def _is_unrated(item: Line | Rejected, gain: str | None) -> bool:
    """Say whether Quepid means that nobody rated: a row of the query alone, or one without its rating."""
    if isinstance(item, Line):
        return item.record.get(gain or "") is None
    return item.reason.startswith("1 cells ")


def _missing(columns: Sequence[str | None]) -> list[str]:
    query, product, gain, photo = columns
    told = {"the query or photo": query or photo, "the product's id": product, "the gain": gain}
    return [what for what, column in told.items() if not column]


def _column(names: Sequence[str], known: Sequence[str]) -> str | None:
    plain = {_plain(name): name for name in reversed(names)}
    return next((plain[name] for name in known if name in plain), None)


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name).lower()


def _trec(path: Path) -> Rows:
    for number, line in enumerate(_text(path).splitlines(), 1):
        cells = _trec_cells(line)
        if len(cells) == 4:
            yield Row(f"line {number}", cells[0], cells[2], cells[3])
        elif line.strip():
            yield Fault(f"line {number}", f"{len(cells)} columns where TREC has 4: topic 0 product gain")


def _trec_cells(line: str) -> list[str]:
    return line.strip().split("\t") if line.count("\t") == 3 else line.split()


def _quepid(path: Path) -> Rows:
    """Read Quepid's JSON; its CSV is a table."""
    if not _text(path).lstrip().startswith("{"):
        yield from _table(path)
        return
    for place, query in _entries(path, "queries"):
        ratings = query.get("ratings")
        if not isinstance(ratings, Mapping):
            yield Fault(place, "ratings is no object of ratings by product")
            continue
        for product, rating in ratings.items():
            yield Row(f"{place}.ratings[{product!r}]", query.get("query"), product, rating)


def _rank_eval(path: Path) -> Rows:
    for place, request in _entries(path, "requests"):
        ratings = request.get("ratings")
        try:
            text = _asked(request)
        except QueryError as error:
            yield Fault(place, error.message)
            continue
        if not isinstance(ratings, list):
            yield Fault(place, "ratings is no list")
            continue
        for number, rating in enumerate(ratings):
            here = f"{place}.ratings[{number}]"
            known = isinstance(rating, dict)
            yield Row(here, text, rating.get("_id"), rating.get("rating")) if known else Fault(here, "no object")


def _asked(request: Mapping[str, Any]) -> object:
    """Return the words that a request's query asks for, else its id. Raises QueryError."""
    from esmm.query.body import check_depth
    from esmm.query.text import text_of

    body = request.get("request")
    query = body.get("query") if isinstance(body, Mapping) else None
    if query is None:
        return request.get("id")
    check_depth(query, "request.query")
    return text_of(query) or request.get("id")


FORMATS: dict[str, Callable[[Path], Rows]] = {
    "table": _table,
    "jsonl": _table,
    "trec": _trec,
    "quepid": _quepid,
    "rank_eval": _rank_eval,
}


def _entries(path: Path, key: str) -> list[tuple[str, dict[str, Any]]]:
    """Return the objects of a document's list, each with its path. Raises LearnError."""
    document = _document(path, _text(path))
    entries = document.get(key) if isinstance(document, dict) else None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise LearnError(f"{path} has no list of objects named {key}", "export it again, or name its --format")
    return [(f"{key}[{number}]", entry) for number, entry in enumerate(entries)]


def _kind_of_json(path: Path, text: str, first: str) -> str:
    """Tell a document from lines of JSON."""
    lines = path.name.removesuffix(".gz").endswith((".jsonl", ".ndjson")) or _is_json(first)
    if lines and not _is_json(first):
        return "jsonl"
    document = _document(path, first if lines else text)
    kind = next((_DOCUMENTS[key] for key in _DOCUMENTS if isinstance(document.get(key), list)), "")
    if not (kind or lines):
        raise LearnError(
            f"{path} is a JSON document that is neither a _rank_eval request nor an export of Quepid",
            "write one judgement a line: query, product_id, gain",
        )
    return kind or "jsonl"


def _is_json(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _document(path: Path, text: str) -> Any:
    try:
        return json.loads(text)
    except RecursionError:
        raise LearnError(f"{path} is nested too deeply", "export it again") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise LearnError(f"{path} is no valid JSON at {where}: {error.msg}", "export it again") from None


def _text(path: Path, *, errors: str = "strict") -> str:
    """Return a file's text, unpacked if it is gzipped. Raises LearnError."""
    try:
        raw = path.read_bytes()
        text = (gzip.decompress(raw) if raw.startswith(b"\x1f\x8b") else raw).decode("utf-8-sig", errors)
    except FileNotFoundError:
        raise LearnError(f"{path} does not exist", "check the path; it starts from the current folder") from None
    except UnicodeDecodeError as error:
        raise LearnError(f"{path} is not UTF-8 at byte {error.start + 1}", "save it as UTF-8") from None
    except (OSError, EOFError, zlib.error) as error:
        why = getattr(error, "strerror", None) or "a damaged gzip file"
        raise LearnError(f"{path} cannot be read: {why}", "check the file") from None
    if not text.strip():
        raise LearnError(f"{path} is empty", "check that the export ran to its end")
    return text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
