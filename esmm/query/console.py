"""Requests as text to paste into Kibana's Dev Console: each with a comment that says what it is."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from esmm.query.search import request
from esmm.query.templates import Setting, built, parameters, search_template

if TYPE_CHECKING:
    from esmm.query.clauses import VectorClause
    from esmm.query.encode import Ask
    from esmm.query.upgrade import Strategy

_SHOWN = 60
_EXPLAINED = "include_named_queries_score=true"
# Between the brackets numbers only: a line end cannot stand inside a JSON string, so no text is touched.
_NUMBERS = re.compile(r"\[\n\s+(-?\d[^\[\]{}\"]*?)\n\s*\]")


@dataclass(frozen=True)
class Entry:
    """One request of the Console: what it is, method and path, and the text of its body if it has one."""

    about: str
    line: str
    body: str = ""


def entries(setting: Setting, ask: "Ask", vectors: "Sequence[VectorClause]") -> list[Entry]:
    """Return the requests that show a question, for an index and server as ``setting`` tells.

    Keyword alone (not for a photo alone, which has no keywords), hybrid, hybrid explained, the search template (stored
    and used; where the server lacks Mustache, what it would render), and the index's mapping.
    """
    recipe, asked, index = setting.recipe, _told(ask), setting.recipe.index.name
    hybrid = folded(request(recipe, ask, vectors, setting.fusion, setting.can))
    found = [
        Entry(f"Hybrid: keyword and vectors under one score, {asked}", f"GET /{index}/_search", hybrid),
        Entry(
            "Hybrid, explained: matched_queries of each hit holds the score of each clause, before its weight",
            f"GET /{index}/_search?{_EXPLAINED}",
            hybrid,
        ),
        *_template(setting, ask, vectors),
        Entry("The mapping of the index; _meta names the encoder of each vector", f"GET /{index}/_mapping"),
    ]
    if not ask.text:
        return found
    keyword = folded(request(recipe, ask, [], setting.fusion, setting.can))
    return [Entry(f"Keyword alone, {asked}", f"GET /{index}/_search", keyword), *found]


def console_text(requests: Sequence[Entry]) -> str:
    """Return the text to paste."""
    return "\n\n".join("\n".join(_lines(entry)) for entry in requests) + "\n"


def folded(value: Any) -> str:
    """Return JSON indented by two, with each list of numbers on one line."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return _NUMBERS.sub(lambda found: f"[{' '.join(found[1].split())}]", text)


def _template(setting: Setting, ask: "Ask", vectors: "Sequence[VectorClause]") -> list[Entry]:
    index, params = setting.recipe.index.name, parameters(setting, ask, vectors)
    strategy: Strategy = "boost" if setting.can.strategies()["exact"] else "exact"
    if not setting.can.mustache:
        about = "The search template, rendered: this server lacks Mustache, so it cannot store templates"
        return [Entry(about, f"GET /{index}/_search", folded(built(setting, strategy, params)))]
    made = search_template(setting, strategy)
    source = json.dumps(made.source) if '"""' in made.source else f'"""{made.source}"""'
    stored = folded({"script": {"lang": "mustache", "source": "…"}}).replace('"…"', source)
    used = folded({"id": made.id, "params": params})
    return [
        Entry("The search template: stores it, as esmm template install does", f"PUT /_scripts/{made.id}", stored),
        Entry("The stored template used: all that a client sends", f"GET /{index}/_search/template?{_EXPLAINED}", used),
    ]


def _lines(entry: Entry) -> list[str]:
    return [f"# {entry.about}", entry.line, *([entry.body] if entry.body else [])]


def _told(ask: "Ask") -> str:
    """Say in one line what was asked; as JSON, a line end in the words ends no comment."""
    words = ask.text or ""
    short = json.dumps(words if len(words) <= _SHOWN else words[:_SHOWN] + "…", ensure_ascii=False)
    return " and ".join([*([f"for {short}"] if words else []), *(["for a photo"] if ask.photo else [])])
