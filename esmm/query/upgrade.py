"""Upgrade a caller's search body: its query becomes the clause ``keyword``, the vectors stand beside it.

A pure function of body, clauses, fusion and options. What cannot be kept is refused by name, with the remedy.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

from esmm.errors import Incompatible, QueryError
from esmm.query.body import MAX_DEPTH, RULES, depth_of, listed, read_body, whole_number
from esmm.query.clauses import Clause, QueryClause, VectorClause
from esmm.query.guard import guard_of
from esmm.query.parts import Facets, Json, Parts, Recall
from esmm.query.strategies import STRATEGIES
from esmm.query.unwrap import unwrapped

if TYPE_CHECKING:
    from esmm.cluster import Capabilities
    from esmm.query.fusion import Fusion
    from esmm.recipe import Search

Strategy = Literal["auto", "exact", "boost", "linear", "rrf"]
# Aggregations that look at the hits' scores.
_SCORED = ("top_hits", "sampler", "diversified_sampler")


@dataclass(frozen=True)
class Options:
    """How to upgrade.

    ``floors`` are the cosines, by clause, below which a product is no neighbour; ``guard`` are filters that bind the
    vectors' hits beside those of the query.
    """

    strategy: Strategy = "auto"
    recall: Recall = "union"
    facets: Facets = "union"
    floors: Mapping[str, float] = field(default_factory=dict)
    guard: tuple[Json, ...] = ()

    @classmethod
    def checked(cls, **given: Any) -> "Options":
        """Return options given by name. Raises QueryError for a name or a value that is none."""
        values = {"strategy": get_args(Strategy), "recall": get_args(Recall), "facets": get_args(Facets)}
        for name, value in given.items():
            if name not in {each.name for each in fields(cls)}:
                raise QueryError(f"there is no option {name}", f"take {', '.join(each.name for each in fields(cls))}")
            if name in values and value not in values[name]:
                raise QueryError(f"{name} cannot be {value!r}", f"take one of {', '.join(values[name])}")
        return cls(**given)


@dataclass(frozen=True)
class Upgraded:
    """The hybrid body, the strategy it uses (``keyword`` where it is the caller's own), and what changed and why.

    ``warnings`` are what its caller must know, asked or not.
    """

    body: Json
    strategy: str
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def upgrade_body(
    body: Any,
    clauses: Sequence[Clause],
    fusion: "Fusion",
    *,
    limits: "Search",
    can: "Capabilities",
    options: Options | None = None,
) -> Upgraded:
    """Return the hybrid form of a search body (dict, JSON text or dsl Search). Raises QueryError or Incompatible."""
    options = options or Options()
    given = read_body(body)
    if all(fusion.weight(clause.name) <= 0 for clause in clauses):
        return Upgraded(given, "keyword", ("no clause beside it has a weight: the body stays as it is",))
    plain, brought = unwrapped(given)
    if order := _other_sort(plain):
        return Upgraded(
            given, "keyword", (f"sorted by {order}, not by score: the keyword's own matches in that order",)
        )
    _refuse(plain)
    weighty = [clause for clause in (*clauses, *brought) if fusion.weight(clause.name) > 0]
    parts, notes = _parts(plain, weighty, fusion, limits=limits, can=can, options=options)
    strategy, why = _chosen(plain, options.strategy, can)
    _check_page(plain, strategy, parts)
    _check_parts(strategy, parts)
    upgraded = STRATEGIES[strategy](parts)
    _check_depth(upgraded, strategy, parts)
    return Upgraded(upgraded, strategy, (*notes, *([why] if why else [])))


def _parts(
    body: Json,
    clauses: Sequence[Clause],
    fusion: "Fusion",
    *,
    limits: "Search",
    can: "Capabilities",
    options: Options,
) -> tuple[Parts, list[str]]:
    keyword = body.get("query")
    guard, notes, recall = guard_of(keyword), [], options.recall
    if guard.unknown and recall != "rerank":
        recall = "rerank"
        notes.append(f"the filters of {guard.unknown} cannot be told, so vectors reorder its matches and add none")
    if guard.filters:
        notes.append(f"{len(guard.filters)} filters of the query bind the vectors' hits too")
    vectors = [clause for clause in clauses if isinstance(clause, VectorClause)]
    if keyword is None and (recall != "union" or options.facets == "keyword" or all(clause.away for clause in vectors)):
        keyword = {"match_all": {}}  # what a search without a query finds
    rest = {key: value for key, value in body.items() if key != "query"}
    floors = {**fusion.floors, **options.floors}
    floored = tuple(_with_floor(clause, floors.get(clause.name)) for clause in vectors)
    filters = (*guard.filters, *options.guard)
    queries = tuple(clause for clause in clauses if isinstance(clause, QueryClause))
    return Parts(keyword, rest, floored, fusion, limits, can, filters, recall, options.facets, queries), notes


def _with_floor(clause: VectorClause, floor: float | None) -> VectorClause:
    return clause if floor is None else replace(clause, floor=floor)


def _refuse(body: Json) -> None:
    faults = [f"{key}: {RULES[key].how}" for key in body if RULES[key].fate == "refused"]
    if faults:
        raise QueryError(f"the body has what a hybrid search cannot keep: {'; '.join(faults)}", "leave it out")


def _other_sort(body: Json) -> str:
    """Return what a body is sorted by if that is not the score, else nothing."""
    first, _ = next(iter(_sorts(body)), ("_score", "desc"))
    return "" if first == "_score" else first


def _sorts(body: Json) -> list[tuple[str, str]]:
    """Return field and order of each criterion of the sort."""
    found: list[tuple[str, str]] = []
    for each in listed(body.get("sort")):
        if not isinstance(each, (str, Mapping)):
            raise QueryError(f"sort holds {each!r}, which is no criterion", 'such as "_score" or {"price": "asc"}')
        for name, how in each.items() if isinstance(each, Mapping) else [(each, None)]:
            order = how.get("order") if isinstance(how, Mapping) else how
            found.append((name, str(order or ("desc" if name == "_score" else "asc")).lower()))
    return found


def _chosen(body: Json, wanted: str, can: "Capabilities") -> tuple[str, str]:
    """Choose the strategy; return it with the reason, if there is one to tell."""
    reasons = list(_only_boost(body))
    if wanted == "auto":
        reasons += [] if can.painless else ["the server has no painless scripts"]
        return ("boost", f"strategy boost: {'; '.join(reasons)}") if reasons else ("exact", "")
    if wanted not in STRATEGIES:
        raise QueryError(f"there is no strategy {wanted}", f"take one of auto, {', '.join(STRATEGIES)}")
    if wanted != "boost" and reasons:
        raise QueryError(
            f"strategy {wanted} cannot serve this body: {'; '.join(reasons)}", "leave the strategy to auto"
        )
    if refusal := can.strategies().get(wanted):
        raise Incompatible(f"strategy {wanted} cannot be used here: {refusal}", "leave the strategy to auto")
    return wanted, ""


def _only_boost(body: Json) -> Iterator[str]:
    """Name what in a body only the strategy boost can keep."""
    for key in body:
        if RULES[key].fate == "boost":
            yield f"{key}: {RULES[key].how}"
    sorts = _sorts(body)
    if len(sorts) > 1:
        yield f"sort by _score and {', '.join(name for name, _ in sorts[1:])}: a rescore allows no tie-break"
    if sorts and sorts[0][1] == "asc":
        yield "sort by _score, worst first: a rescore allows the best first only"
    if _reads_score(body.get("aggs") or body.get("aggregations")):
        yield "aggregations that read _score: they would see the first stage's"


def _reads_score(node: Any) -> bool:
    waiting = [node]
    while waiting:
        found = waiting.pop()
        if isinstance(found, Mapping):
            if any(kind in found for kind in _SCORED):
                return True
            waiting += [*found, *found.values()]
        elif isinstance(found, (list, tuple)):
            waiting += found
        elif isinstance(found, str) and re.search(r"\b_score\b", found):
            return True
    return False


def _check_page(body: Json, strategy: str, parts: Parts) -> None:
    end = whole_number(body, "from", 0) + whole_number(body, "size", 10)
    if strategy != "boost" and end > parts.window:
        raise QueryError(
            f"from + size is {end}, beyond the window of {parts.window} products that strategy {strategy} orders",
            "raise search.window in the recipe for all pages, or use strategy boost with search_after",
        )


def _check_parts(strategy: str, parts: Parts) -> None:
    """Refuse what a strategy would leave out."""
    away = [clause.name for clause in parts.vectors if clause.away]
    if strategy != "exact" and away:
        raise QueryError(f"strategy {strategy} cannot keep away from anything ({', '.join(away)})", "use exact")
    if strategy in ("linear", "rrf"):
        if parts.recall != "union":
            raise QueryError(f"strategy {strategy} cannot keep to recall {parts.recall}", "use exact or boost")
        if "sort" in parts.rest:
            raise QueryError(f"strategy {strategy} allows no sort", "leave it out: the best come first anyway")


def _check_depth(upgraded: Json, strategy: str, parts: Parts) -> None:
    """Refuse what Elasticsearch would refuse as too deep, and say how deep it was before."""
    deepest = max(map(depth_of, _queries(upgraded, strategy)), default=0)
    if deepest > MAX_DEPTH:
        before = depth_of(parts.keyword or {"match_all": {}})
        raise QueryError(
            f"the query is {before} queries deep, upgraded by strategy {strategy} {deepest}; Elasticsearch reads "
            f"{MAX_DEPTH}",
            "flatten nested bool queries",
        )


def _queries(upgraded: Json, strategy: str) -> Iterator[Json]:
    """Yield what Elasticsearch reads as queries of their own, where the caller's query is in them."""
    if "query" in upgraded:
        yield upgraded["query"]
    if strategy == "exact":
        yield upgraded["rescore"]["query"]["rescore_query"]
    for retrievers in upgraded.get("retriever", {}).values():
        for each in retrievers["retrievers"]:
            yield from (inner["query"] for inner in each.get("retriever", each).values() if "query" in inner)
