"""Put other words in a query: for calibration by a log, and for placeholders that a client fills in."""

from typing import Any

from esmm.query.text import BESIDE, IN_FIELD, PASSED_OVER

Json = dict[str, Any]


def with_text(query: Json, text: str) -> Json:
    """Return the query with ``text`` in place of the words that its full-text clauses ask for."""
    replaced: Json = _replaced(query, text)
    return replaced


def _replaced(node: Any, text: str) -> Any:
    if isinstance(node, list):
        return [_replaced(item, text) for item in node]
    if not isinstance(node, dict):
        return node
    made = {}
    for key, inside in node.items():
        if key in BESIDE and isinstance(inside, dict):
            made[key] = {**inside, "query": text}
        elif key in IN_FIELD and isinstance(inside, dict):
            made[key] = {name: {**v, "query": text} if isinstance(v, dict) else text for name, v in inside.items()}
        else:
            made[key] = inside if key in PASSED_OVER else _replaced(inside, text)
    return made
