"""What real requests tell: how long they take, and the order in which a strategy answers."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from esmm.query.encode import Ask
from esmm.query.fusion import KEYWORD
from esmm.query.rewrite import with_text
from esmm.query.search import plain_request
from esmm.query.upgrade import Options, upgrade_body

if TYPE_CHECKING:
    from esmm.evaluate.run import Shop
    from esmm.evaluate.systems import Run
    from esmm.learn.judgements import Judgements
    from esmm.query.clauses import Clause
    from esmm.query.fusion import Fusion
    from esmm.query.upgrade import Strategy

Json = dict[str, Any]

TIMED = 30
_WARM, _DEPTH = 3, 100


@dataclass(frozen=True)
class Way:
    """A fusion in force, as requests of one strategy."""

    name: str
    fusion: "Fusion"
    strategy: "Strategy" = "auto"


def searched(shop: "Shop", judgements: "Judgements", way: Way) -> "Run":
    """Return the first 100 hits of each question as the server orders them.

    Raises Incompatible or QueryError if the server or the shop's request does not go with the strategy.
    """
    found: Run = {}
    for question in judgements.gains:
        ask = replace(shop.ask(question.text, question.photo), size=_DEPTH)
        hits = _answered(shop, _body(shop, ask, shop.searcher.clauses(ask), way))["hits"]["hits"]
        found[question.name] = {hit["_id"]: 1 / rank for rank, hit in enumerate(hits, start=1)}
    return found


def timed(shop: "Shop", judgements: "Judgements", ways: Sequence[Way]) -> dict[str, tuple[float, float]]:
    """Return the median and the 95th percentile of the time that requests take, in ms, by system.

    Up to 30 questions, spread over all; the systems take turns. Encoding the question is not in it.
    """
    questions = list(judgements.gains)
    some = questions[:: max(1, len(questions) // TIMED)][:TIMED]
    bodies = [dict(_bodies(shop, shop.ask(q.text, q.photo), ways)) for q in some]
    for body in (body for each in bodies[:_WARM] for body in each.values()):
        _answered(shop, body)
    times: dict[str, list[float]] = {}
    for each in bodies:
        for name, body in each.items():
            start = time.perf_counter()
            _answered(shop, body)
            times.setdefault(name, []).append(1000 * (time.perf_counter() - start))
    return {name: (float(np.median(taken)), float(np.percentile(taken, 95))) for name, taken in times.items()}


def _answered(shop: "Shop", body: Json) -> Json:
    return dict(shop.client.search(index=shop.recipe.index.name, body=body).body)


def _bodies(shop: "Shop", ask: Ask, ways: Sequence[Way]) -> Iterator[tuple[str, Json]]:
    """Yield the request of each system for a question; the keyword has none for a photo alone."""
    clauses = shop.searcher.clauses(ask)
    if ask.text:
        yield KEYWORD, _plain(shop, ask)
    for way in ways:
        yield way.name, _body(shop, ask, clauses, way)


def _body(shop: "Shop", ask: Ask, clauses: "Sequence[Clause]", way: Way) -> Json:
    fusion = shop.searcher.fusion_at(ask, way.fusion)
    options, limits = Options(strategy=way.strategy), shop.recipe.search
    return upgrade_body(_plain(shop, ask), clauses, fusion, limits=limits, can=shop.can, options=options).body


def _plain(shop: "Shop", ask: Ask) -> Json:
    """Return the keyword search of a question: the shop's own request with its words, else esmm's."""
    if shop.body is None:
        return plain_request(shop.recipe, ask)
    given = {**shop.body, "query": with_text(shop.body["query"], ask.text)} if ask.text else shop.body
    return {**given, "size": ask.size, "from": ask.start}
