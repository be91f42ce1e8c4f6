"""Requests as text to paste into Kibana's Dev Console: each with a comment that says what it is."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from esmm.query.encode import Ask
    from esmm.query.search import Searcher

_SHOWN = 60
# Between the brackets numbers only: a line end cannot stand inside a JSON string, so no text is touched.
_NUMBERS = re.compile(r"\[\n\s+(-?\d[^\[\]{}\"]*?)\n\s*\]")


@dataclass(frozen=True)
class Entry:
    """One request of the Console: what it is, method and path, and the body if it has one."""

    about: str
    line: str
    body: dict[str, Any] | None = None


def entries(searcher: "Searcher", ask: "Ask", index: str) -> list[Entry]:
    """Return the requests that show a question: keyword alone, hybrid, hybrid explained, and the index's mapping.

    A photo alone has no keywords, so the first is left out.
    """
    asked, search = _told(ask), f"GET /{index}/_search"
    hybrid = searcher.request(ask)
    found = [
        Entry(f"Hybrid: keyword and vectors under one score, {asked}", search, hybrid),
        Entry(
            "Hybrid, explained: matched_queries of each hit holds the score of each clause, before its weight",
            f"{search}?include_named_queries_score=true",
            hybrid,
        ),
        Entry("The mapping of the index; _meta names the encoder of each vector", f"GET /{index}/_mapping"),
    ]
    if not ask.text:
        return found
    return [Entry(f"Keyword alone, {asked}", search, searcher.request(ask, keyword_only=True)), *found]


def console_text(requests: Sequence[Entry]) -> str:
    """Return the text to paste."""
    return "\n\n".join("\n".join(_lines(entry)) for entry in requests) + "\n"


def folded(value: Any) -> str:
    """Return JSON indented by two, with each list of numbers on one line."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return _NUMBERS.sub(lambda found: f"[{' '.join(found[1].split())}]", text)


def _lines(entry: Entry) -> list[str]:
    return [f"# {entry.about}", entry.line, *([folded(entry.body)] if entry.body is not None else [])]


def _told(ask: "Ask") -> str:
    """Say in one line what was asked; as JSON, a line end in the words ends no comment."""
    words = ask.text or ""
    short = json.dumps(words if len(words) <= _SHOWN else words[:_SHOWN] + "…", ensure_ascii=False)
    return " and ".join([*([f"for {short}"] if words else []), *(["for a photo"] if ask.photo else [])])
