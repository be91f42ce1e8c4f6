"""Lines of settings in TOML text; tomllib is the judge of which settings there are."""

import tomllib
from collections.abc import Iterator
from typing import Any

import pytest

from esmm.shipped import shipped
from esmm.toml_lines import line_of

TEXT = """\
# a comment = 1
top = 1
[index]
name = "a"   # [not.a.table]
"quoted name" = 2
'single.dot' = 3

  [ fields . inner ]  # note
a.b = { c = 1 }
[fields."two words"]
x = 1
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("top",), 2),
        (("index",), 3),
        (("index", "name"), 4),
        (("index", "quoted name"), 5),
        (("index", "single.dot"), 6),
        (("fields", "inner"), 8),
        (("fields", "inner", "a", "b"), 9),
        (("fields", "two words"), 10),
        (("fields", "two words", "x"), 11),
        (("index", "missing"), 3),
        (("fields", "inner", "a", "b", "c", 0), 9),
        (("missing",), None),
        ((), None),
    ],
)
def test_the_line_of_a_setting(path: tuple[str | int, ...], line: int | None) -> None:
    assert line_of(TEXT, path) == line


def paths(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield (*path, key)
            yield from paths(inner, (*path, key))


def test_every_setting_of_the_sample_recipe_is_found_on_a_line_that_names_it() -> None:
    text = shipped("ingest/sample/esmm.toml").read_text("utf-8")
    lines = text.splitlines()
    for path in paths(tomllib.loads(text)):
        number = line_of(text, path)
        assert number
        assert path[-1] in lines[number - 1]
