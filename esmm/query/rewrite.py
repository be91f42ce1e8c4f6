"""Put other words in a query: for calibration by a log, and for placeholders that a client fills in."""

from collections.abc import Mapping
from typing import Any

from esmm.query.text import places

Json = dict[str, Any]


def with_text(query: Mapping[str, Any], text: str) -> Json:
    """Return the query with ``text`` in place of the words that :func:`esmm.query.text.text_of` finds in it.

    In the syntax of query_string the new text is read word for word: the operators among the old words go with them,
    and its own signs are escaped.
    """
    made: Json = _copied(query)
    for place in places(made):
        place.write(text)
    return made


def _copied(node: Any) -> Any:
    if isinstance(node, Mapping):
        return {key: _copied(inside) for key, inside in node.items()}
    return [_copied(item) for item in node] if isinstance(node, (list, tuple)) else node
