"""JSON as the Console likes it: the same value, each list of numbers on one line."""

import json

from esmm.query.console import Entry, console_text, folded

VALUE = {
    "numbers": [1, -2.5, 3e-7],
    "nested": [[1, 2], [3]],
    "texts": ["[\n1,\n2\n]", "[1,2]"],
    "mixed": [1, "two"],
    "empty": [[], {}],
}


def test_folding_keeps_the_value() -> None:
    assert json.loads(folded(VALUE)) == VALUE


def test_lists_of_numbers_take_one_line_and_nothing_else_changes() -> None:
    lines = folded(VALUE).splitlines()
    assert lines[1] == '  "numbers": [1, -2.5, 3e-07],'
    assert lines[2:6] == ['  "nested": [', "    [1, 2],", "    [3]", "  ],"]
    assert folded(["[\n1,\n2\n]", "[1,2]"]) == json.dumps(["[\n1,\n2\n]", "[1,2]"], indent=2)


def test_the_text_of_two_requests() -> None:
    text = console_text([Entry("One", "GET /a/_search", folded({"size": 1})), Entry("Two", "GET /a/_mapping")])
    assert text == '# One\nGET /a/_search\n{\n  "size": 1\n}\n\n# Two\nGET /a/_mapping\n'
