"""Reading catalogues: every format gives the same records, every bad line its reason, every bad file one sentence."""

import gzip
import io
import json
import os
import sys
import tracemalloc
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from esmm.errors import CatalogueError
from esmm.ingest.catalogue import MAX_LINE_BYTES, Line, Rejected, head, read

PRODUCTS = [
    {"id": "1", "title": "Röd sko, liten", "sizes": [38, 39]},
    {"id": "2", "title": 'He said "قميص" 👟', "sizes": None},
]
CSV = 'id,title,sizes\n1,"Röd sko, liten","[38, 39]"\n2,"He said ""قميص"" 👟",\n'
LINES = "".join(json.dumps(product, ensure_ascii=False) + "\n" for product in PRODUCTS)
FORMS = {
    "a.jsonl": LINES,
    "a.ndjson": LINES,
    "jsonl": LINES,
    "a.json": json.dumps(PRODUCTS, indent=2),
    "array": "\n " + json.dumps(PRODUCTS),
    "lines.json": LINES,
    "a.csv": CSV,
    "csv": CSV,
    "semicolon.csv": 'id;title;sizes\n1;Röd sko, liten;"[38, 39]"\n2;"He said ""قميص"" 👟";\n',
    "a.tsv": 'id\ttitle\tsizes\n1\tRöd sko, liten\t[38, 39]\n2\t"He said ""قميص"" 👟"\t\n',
}


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def split(path: Path) -> tuple[list[Line], list[Rejected]]:
    items = list(read(path))
    return [i for i in items if isinstance(i, Line)], [i for i in items if isinstance(i, Rejected)]


def outcomes(path: Path) -> list[tuple[int, Any]]:
    return [(item.number, item.record if isinstance(item, Line) else item.reason) for item in read(path)]


@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"], ids=["plain", "bom"])
@pytest.mark.parametrize("packed", [False, True], ids=["open", "gzip"])
@pytest.mark.parametrize("name", FORMS)
def test_each_form_gives_the_same_records(tmp_path: Path, name: str, packed: bool, bom: bytes) -> None:
    content = bom + FORMS[name].encode()
    path = write(tmp_path, name, gzip.compress(content) if packed else content)
    assert [item.record for item in read(path) if isinstance(item, Line)] == PRODUCTS
    from_pipe = io.BytesIO(path.read_bytes())
    if "." not in name:
        piped = list(read("-", stdin=from_pipe))
        assert [item.record for item in piped if isinstance(item, Line)] == PRODUCTS
        assert piped[0].source == "standard input"
        assert not from_pipe.closed


def test_gz_in_the_name_is_looked_through(tmp_path: Path) -> None:
    path = write(tmp_path, "shop.csv.gz", gzip.compress(b"sku\n77\n"))
    assert outcomes(path) == [(2, {"sku": "77"})]


def test_standard_input_is_read_as_it_arrives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    os.write(writer, b'{"id": 1}\n')
    with os.fdopen(reader, "rb") as source, os.fdopen(writer, "wb") as sink:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(source))
        items = read("-")
        assert next(items) == Line("standard input", 1, {"id": 1})
        sink.write(b'{"id": 2}\n')
        sink.close()
        assert [item.number for item in items] == [2]


BAD_LINES = [
    (b"{nope}", "not JSON at column 2"),
    (b'{"id": 1', "not JSON at column 9"),
    (b'{"id": 1} {"id": 2}', "not JSON at column 11"),
    (b'{"price": NaN}', "not JSON at column 11: NaN is no number"),
    (b'{"price": -Infinity}', "not JSON at column 11: -Infinity is no number"),
    (b'{"price": 1e999}', "infinity"),
    (b'["1"]', "not an object but a list"),
    (b"17", "not an object but a number"),
    (b"null", "not an object but null"),
    (b'{"title": "\xe9t\xe9"}', "not UTF-8 at byte 12"),
    (b"[" * 5000, "depth limit"),
]


@pytest.mark.parametrize(("bad", "reason"), BAD_LINES, ids=[reason for _, reason in BAD_LINES])
def test_a_bad_line_is_rejected_alone(tmp_path: Path, bad: bytes, reason: str) -> None:
    path = write(tmp_path, "a.jsonl", b'{"id": 1}\n\n' + bad + b'\r\n  \n{"id": 2}')
    lines, rejected = split(path)
    assert [(line.number, line.record) for line in lines] == [(1, {"id": 1}), (5, {"id": 2})]
    assert [item.number for item in rejected] == [3]
    assert reason in rejected[0].reason
    assert rejected[0].text == bad.decode("utf-8", "replace")[:2000]
    assert rejected[0].source == str(path)


def test_ten_thousand_bad_lines_among_twenty_thousand(tmp_path: Path) -> None:
    path = write(tmp_path, "a.jsonl", "".join(f'{{"id": {n}}}\n{{"id": {n},}}\n' for n in range(10_000)))
    lines, rejected = split(path)
    assert [line.number for line in lines] == list(range(1, 20_000, 2))
    assert [item.number for item in rejected] == list(range(2, 20_001, 2))


def test_an_over_long_line_is_skipped_without_holding_it(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(b'{"id": "1"}\n{"title": "')
        for _ in range(8):
            file.write(b"x" * (MAX_LINE_BYTES // 2))
        file.write(b'"}\n{"id": "3"}\n')
    tracemalloc.start()
    try:
        items = outcomes(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert items == [(1, {"id": "1"}), (2, "longer than 32 MiB"), (3, {"id": "3"})]
    assert peak < 3 * MAX_LINE_BYTES


def test_a_line_just_within_the_limit_is_read(tmp_path: Path) -> None:
    text = "x" * (MAX_LINE_BYTES - len('{"t":""}\n'))
    path = write(tmp_path, "a.jsonl", f'{{"t":"{text}"}}\n{{"t":"{text}y"}}\n')
    lines, rejected = split(path)
    assert [line.number for line in lines] == [1]
    assert [(item.number, len(item.text)) for item in rejected] == [(2, 2000)]


def test_long_texts_and_long_arrays_cross_the_read_buffer(tmp_path: Path) -> None:
    products = [{"id": n, "title": "é👟" * (n * 997 % 40_000)} for n in range(60)]
    assert len(json.dumps(products, ensure_ascii=False)) > 10 * (1 << 16)
    path = write(tmp_path, "a.json", json.dumps(products, ensure_ascii=False))
    assert [item.record for item in read(path) if isinstance(item, Line)] == products


def test_elements_of_an_array_are_rejected_alone(tmp_path: Path) -> None:
    content = b'[{"id": 1}, {"p": NaN}, 17, "' + b"x" * 70_000 + b'", {"t": "\xe9"}, ' + b"9" * 5000 + b', {"id": 2}]'
    lines, rejected = split(write(tmp_path, "a.json", content))
    assert [(line.number, line.record) for line in lines] == [(1, {"id": 1}), (7, {"id": 2})]
    assert [(item.number, item.reason) for item in rejected] == [
        (2, "not JSON at column 7: NaN is no number"),
        (3, "not an object but a number"),
        (4, "not an object but a string"),
        (5, "not UTF-8 at byte 8"),
        (6, rejected[4].reason),
    ]


@pytest.mark.parametrize(
    ("content", "what", "good"),
    [
        ('[{"id": 1}, {"id": 2', "element 2 is broken", 1),
        ('[{"id": 1}', "breaks off after element 1", 1),
        ('[{"id": 1}, {"id" 2}, {"id": 3}]', "element 2 is broken", 1),
        ('[{"id": 1},]', "element 2 is broken", 1),
        ('[{"id": 1}] [{"id": 2}]', "goes on after its end", 1),
        ("[" * 100_000, "element 1 is broken", 0),
        ("[]", "holds no product", 0),
    ],
)
def test_a_broken_array_stops_with_its_place(tmp_path: Path, content: str, what: str, good: int) -> None:
    items = read(write(tmp_path, "a.json", content))
    assert [next(items).number for _ in range(good)] == list(range(1, good + 1))
    with pytest.raises(CatalogueError, match=what) as caught:
        list(items)
    assert caught.value.hint


def test_csv_keeps_strings_and_physical_line_numbers(tmp_path: Path) -> None:
    content = 'id,title,tags\n\n007,"two\nlines",\n8,[NEW] shirt,"{""a"": 1}"\n,,\n9\n'
    assert outcomes(write(tmp_path, "a.csv", content)) == [
        (3, {"id": "007", "title": "two\nlines", "tags": None}),
        (5, {"id": "8", "title": "[NEW] shirt", "tags": {"a": 1}}),
        (7, "1 cells where the header names 3"),
    ]


def test_csv_column_without_a_name_is_left_out(tmp_path: Path) -> None:
    assert outcomes(write(tmp_path, "a.csv", ",id\n0,a\n1,b\n")) == [(2, {"id": "a"}), (3, {"id": "b"})]


def test_csv_cell_of_a_megabyte(tmp_path: Path) -> None:
    text = "word " * 200_000
    assert outcomes(write(tmp_path, "a.csv", f"id,title\n1,{text}\n")) == [(2, {"id": "1", "title": text})]


def test_csv_rows_that_do_not_fit_are_rejected_alone(tmp_path: Path) -> None:
    content = b"id,title\n1,a\n2,b,c\n3,\xe9\n4,d\n"
    lines, rejected = split(write(tmp_path, "a.csv", content))
    assert [line.record["id"] for line in lines] == ["1", "4"]
    assert [(item.number, item.reason, item.text) for item in rejected] == [
        (3, "3 cells where the header names 2", "2,b,c"),
        (4, "not UTF-8", "3,\ufffd"),
    ]


def test_an_open_quote_costs_one_row_only(tmp_path: Path) -> None:
    rows = ["id,title", '1,"open', *(f"{n},shirt" for n in range(2, 3000)), '3000,"a ""b"" c"', '3001,"open again']
    lines, rejected = split(write(tmp_path, "a.csv", "\n".join(rows)))
    assert [item.number for item in rejected] == [2, 3002]
    assert [line.record["id"] for line in lines] == [str(n) for n in range(2, 3001)]


def test_the_rest_of_a_broken_row_is_no_product(tmp_path: Path) -> None:
    content = 'id,title,colour\n1,"first\nsecond "bad" text\nthird",red\n2,shirt,blue\n3,,\n'
    lines, rejected = split(write(tmp_path, "a.csv", content))
    assert [line.record["id"] for line in lines] == ["2", "3"]
    assert [item.number for item in rejected] == [2, 3, 4]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"8314,Blue shirt,12.5\n", "no header row: its first row holds the number 8314"),
        (b"id,title,id\n1,a,2\n", "two columns named 'id'"),
        (b",,\n1,2,3\n", "its first row is empty"),
        (b"id,pr\xe9nom\n1,a\n", "not CSV in UTF-8"),
        (b'id,"title\n1,a\n', "not CSV in UTF-8"),
        (b"id,title\n", "holds no product"),
        (b"\n\n", "holds no product"),
    ],
)
def test_csv_without_a_usable_header(tmp_path: Path, content: bytes, what: str) -> None:
    with pytest.raises(CatalogueError, match=what) as caught:
        list(read(write(tmp_path, "a.csv", content)))
    assert caught.value.hint


def parquet(path: Path, columns: dict[str, Sequence[Any]]) -> Path:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow.parquet import write_table

    write_table(pyarrow.table(columns), path)
    return path


@pytest.mark.parametrize("packed", [False, True], ids=["open", "gzip"])
def test_parquet_values_become_what_json_would_hold(tmp_path: Path, packed: bool) -> None:
    columns: dict[str, Sequence[Any]]
    columns = {"id": [1, 2], "made": [date(2024, 2, 29), None], "tags": [["a"], []], "photo": [b"\xff\xd8", None]}
    path = parquet(tmp_path / "a.parquet", columns)
    if packed:
        path.write_bytes(gzip.compress(path.read_bytes()))
    first = {"id": 1, "made": "2024-02-29", "tags": ["a"], "photo": b"\xff\xd8"}
    second: dict[str, Any] = {"id": 2, "made": None, "tags": [], "photo": None}
    assert outcomes(path) == [(1, first), (2, second)]
    assert len(list(read("-", stdin=io.BytesIO(path.read_bytes())))) == 2


def test_parquet_nan_is_rejected_alone(tmp_path: Path) -> None:
    path = parquet(tmp_path / "a.parquet", {"price": [1.5, float("nan"), 2.5]})
    assert outcomes(path) == [(1, {"price": 1.5}), (2, "nan is no number"), (3, {"price": 2.5})]


def test_parquet_cut_short(tmp_path: Path) -> None:
    path = parquet(tmp_path / "a.parquet", {"id": list(range(1000))})
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CatalogueError, match="not a whole Parquet file"):
        list(read(path))


def test_parquet_without_pyarrow_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = parquet(tmp_path / "a.parquet", {"id": [1]})
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(CatalogueError) as caught:
        list(read(path))
    assert 'pip install "esmm[parquet]"' in caught.value.hint


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("a.jsonl", b"", "holds no product"),
        ("a.parquet", b"", "holds no product"),
        ("a.jsonl", b"\n \n", "holds no product"),
        ("a.jsonl", gzip.compress(b"", mtime=0), "holds no product"),
        ("a.json", b'{\n "products": [{"id": 1}]}', "one JSON object over several lines"),
        ("a.csv", b"PK\x03\x04....", "Excel workbook"),
        ("a.csv", "id,title\n1,a\n".encode("utf-16"), "UTF-16"),
        ("a.parquet", b"no parquet", "not a whole Parquet file"),
    ],
)
def test_a_file_that_is_no_catalogue(tmp_path: Path, name: str, content: bytes, what: str) -> None:
    with pytest.raises(CatalogueError, match=what) as caught:
        list(read(write(tmp_path, name, content)))
    assert caught.value.hint
    assert name in caught.value.message


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="does not exist"):
        list(read(tmp_path / "none.jsonl"))
    with pytest.raises(CatalogueError, match="is a folder"):
        list(read(tmp_path))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = write(tmp_path, "a.jsonl", LINES)
    path.chmod(0)
    with pytest.raises(CatalogueError, match="may not be read"):
        list(read(path))


@pytest.mark.parametrize("keep", [3, 20, 60_000, -4])
def test_truncated_gzip_names_the_line_reached(tmp_path: Path, keep: int) -> None:
    noise = [os.urandom(40).hex() for _ in range(4000)]
    packed = gzip.compress("".join(f'{{"id": "{text}"}}\n' for text in noise).encode())
    items = read(write(tmp_path, "a.jsonl.gz", packed[:keep]))
    good = 0
    with pytest.raises(CatalogueError, match="cut gzip file") as caught:
        for good, item in enumerate(items, 1):  # noqa: B007
            assert isinstance(item, Line)
    assert f"after line {good}." in caught.value.message
    assert (good > 500) == (keep not in {3, 20})


def test_gzip_damaged_in_the_middle(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress("".join(f'{{"id": "{os.urandom(40).hex()}"}}\n' for _ in range(4000)).encode()))
    packed[len(packed) // 2 :] = bytes(len(packed) // 2)
    with pytest.raises(CatalogueError, match="damaged"):
        list(read(write(tmp_path, "a.jsonl.gz", bytes(packed))))


def test_head_gives_the_first_good_records(tmp_path: Path) -> None:
    path = write(tmp_path, "a.jsonl", "oops\n" + "".join(f'{{"id": {n}}}\n' for n in range(300)))
    assert head(path, 3) == [{"id": 0}, {"id": 1}, {"id": 2}]
    assert len(head(path)) == 200


def test_a_reader_left_early_closes_its_file(tmp_path: Path) -> None:
    items = read(write(tmp_path, "a.jsonl", LINES))
    next(items)
    del items  # a file left open would be a ResourceWarning, and that an error
