"""Reads text as Kibana's Dev Console does.

A request is a line with method and path, then its body: one JSON object or several, over any number of lines. Comments
are ``#`` and ``//`` to the end of the line and ``/* */``; ``\"\"\"`` holds a text as it is, line ends included.
"""

import json
import re
from dataclasses import dataclass
from typing import Any

_TOKEN = re.compile(
    r'"""(?P<raw>.*?)"""|(?P<text>"(?:\\.|[^"\\\n])*")|(?P<comment>#[^\n]*|//[^\n]*|/\*.*?\*/)', re.DOTALL
)
_START = re.compile(r"^[ \t]*(GET|POST|PUT|DELETE|HEAD|PATCH)[ \t]+(\S+)[ \t]*$", re.MULTILINE | re.IGNORECASE)


@dataclass(frozen=True)
class Call:
    """One request."""

    method: str
    path: str
    bodies: tuple[Any, ...] = ()


def read_console(text: str) -> list[Call]:
    """Return the requests of a text; ValueError for what the Console would mark red."""
    plain = _TOKEN.sub(_as_json, text)
    before, *parts = _START.split(plain)
    if before.strip():
        raise ValueError(f"no request begins with {before.strip()[:40]!r}")
    return [
        Call(method.upper(), path, tuple(_bodies(body)))
        for method, path, body in zip(parts[::3], parts[1::3], parts[2::3], strict=True)
    ]


def _as_json(token: "re.Match[str]") -> str:
    if token["raw"] is not None:
        return json.dumps(token["raw"])
    return token["text"] or " "


def _bodies(text: str) -> list[Any]:
    found, rest = [], text.strip()
    while rest:
        body, end = json.JSONDecoder().raw_decode(rest)
        found.append(body)
        rest = rest[end:].strip()
    return found
