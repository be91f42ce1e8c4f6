"""The saturation constant k of the keyword clause: the keyword score at which s / (s + k) is one half.

It belongs to the keyword query and the index: the median score at rank 10 over queries of the shop's own log. For the
query that esmm writes itself, a load measures it by parts of the products' own titles.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, ClassVar

from esmm.errors import QueryError
from esmm.query.clauses import keyword_query
from esmm.query.rewrite import with_text
from esmm.query.text import text_of
from esmm.query.titles import drawn_titles

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

    from esmm.recipe import Recipe

_TITLES, _WORDS, _RANK = 60, 3, 10
FAR = 50.0
# Filters change from search to search and give no score, so they are no part of a query's shape.
_UNSCORED = ("filter", "must_not", "mustNot")


@dataclass(frozen=True)
class Calibration:
    """The saturation constants of a shop's queries, by the shape of the query; kept in a JSON file."""

    FILE: ClassVar[str] = "calibration.json"  # beside the recipe

    constants: Mapping[str, float] = field(default_factory=dict)

    def saturation(self, query: Mapping[str, Any] | None) -> float | None:
        """Return the constant of a query, or None if its like was never calibrated."""
        return self.constants.get(shape_of(query)) if query else None

    def with_constant(self, query: Mapping[str, Any], constant: float) -> "Calibration":
        """Return a calibration that knows the constant of this query too."""
        return Calibration({**self.constants, shape_of(query): constant})

    def save(self, path: Path) -> None:
        """Write the file."""
        path.write_text(json.dumps({"saturation": dict(self.constants)}, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> "Calibration":
        """Read the file; one that does not exist holds nothing. Raises QueryError for one that cannot be read."""
        if not path.is_file():
            return cls()
        try:
            constants = json.loads(path.read_text(encoding="utf-8"))["saturation"]
            return cls({str(shape): float(constant) for shape, constant in constants.items()})
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            raise QueryError(f"{path} is no file of esmm calibrate", "delete it and calibrate again") from None


def shape_of(query: Mapping[str, Any]) -> str:
    """Return 12 hex digits that two queries share if they differ only in their words and their filters."""
    scored = _scored(with_text(query, "?"))
    return hashlib.sha256(json.dumps(scored, sort_keys=True).encode()).hexdigest()[:12]


def calibrate(client: "Elasticsearch", index: str, query: Mapping[str, Any], texts: Iterable[str]) -> float:
    """Return the median score at rank 10 of a query over the texts of a log. Raises QueryError if nothing is found.

    Each text takes the place of the one that the query asks for; a text that finds fewer than 10 counts by its last.
    A constant_score gives its constant, whatever the texts: each of its matches then counts one half.
    """
    if text_of(query) is None:
        raise QueryError("the query asks for no text that the log's queries could replace", "give the query as sent")
    constant = _median_score(client, index, [with_text(query, text) for text in texts if text.strip()])
    if not constant:
        raise QueryError(f"no query of the log finds anything in {index}", "take queries that customers really send")
    return constant


def measure_saturation(client: "Elasticsearch", index: str, recipe: "Recipe") -> float | None:
    """Return the median score at rank 10 of queries made from the index's own titles, or None if none finds anything.

    The queries are the last words of some titles, where catalogues name the kind of product.
    """
    ends = [title.split()[-_WORDS:] for title in drawn_titles(client, recipe, index=index, count=_TITLES)]
    queries = [keyword_query(recipe, " ".join(words), []) for words in ends if words]
    return _median_score(client, index, [query for query in queries if query])


def far_from(saturation: float, raws: Sequence[float]) -> tuple[str, ...]:
    """Return a warning if keyword scores lie so far from the saturation constant that they hardly differ."""
    top = max(raws, default=saturation)
    if saturation / FAR <= top <= saturation * FAR:
        return ()
    return (
        f"the best keyword score is {top:.4g}, far from k = {saturation:.4g}: calibrate the query (esmm calibrate)",
    )


def _median_score(client: "Elasticsearch", index: str, queries: Sequence[Mapping[str, Any]]) -> float | None:
    bodies = [line for query in queries for line in ({}, {"query": query, "size": _RANK, "_source": False})]
    if not bodies:
        return None
    answers = client.msearch(index=index, searches=bodies)["responses"]
    faults = [answer["error"]["root_cause"][0]["reason"] for answer in answers if "error" in answer]
    if faults:
        raise QueryError(f"the server refuses the query: {faults[0]}", "mend the query")
    scores = [hits[-1]["_score"] for answer in answers if (hits := answer["hits"]["hits"])]
    return round(median(scores), 7) if scores else None


def _scored(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _scored(value) for key, value in node.items() if key not in _UNSCORED}
    return [_scored(item) for item in node] if isinstance(node, list) else node
