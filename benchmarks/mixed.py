"""Words and a photo together ("this, but in red"): a clause each, or one clause of a mixed vector in the shared space.

A question is a photo of fashion's query photos with the words of a text query: same type and gender, another colour.
Right are the products of the text query. Shares and weights are chosen on the other half of the questions.
"""

import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from types import MappingProxyType

import numpy as np
from PIL.Image import Image

from benchmarks.common import (
    DATA,
    FASHION,
    Judgements,
    cell,
    chosen_elsewhere,
    loaded,
    ndcg,
    percentiles,
    publish,
    server,
    table,
)
from esmm.cli.common import Cluster
from esmm.photos import Photos, decode
from esmm.query.clauses import Clause, VectorClause
from esmm.query.encode import IMAGE_TO_TEXT, TEXT_TO_IMAGE
from esmm.query.fusion import Fusion
from esmm.query.search import Ask, Searcher, request
from esmm.recipe import Recipe

COLOURS = set(
    "beige black blue brown charcoal cream gold green grey magenta maroon navy off olive orange peach pink "  # noqa: SIM905
    "purple red silver steel tan white yellow".split()
)
SHARES, WEIGHTS = (0.3, 0.5, 0.7), (0.3, 0.6, 1.2, 2.4)
DEPTH, EACH = 50, 2
PHOTO = "image"


@dataclass(frozen=True)
class Wish:
    """A photo and the words that change it, and the products that are right."""

    photo: str
    words: str
    gains: Mapping[str, float] = field(hash=False)


def colour_of(query: str) -> str:
    """Return the words of a query that name a colour."""
    return " ".join(word for word in query.split() if word in COLOURS)


def kind_of(query: str) -> tuple[str, ...]:
    """Return the other words, gender included, in one order: what two queries of another colour share."""
    words = query.replace("men's", "men").split()
    return tuple(sorted(word for word in words if word not in COLOURS and word != "for"))


def wishes(texts: Judgements, photos: Judgements) -> list[Wish]:
    """Pair each query photo with text queries for its kind in another colour; few of each photo."""
    found = []
    for photo, alike in photos.items():
        own = max(texts, key=lambda query: len(_good(texts[query]) & _good(alike)))
        if len(_good(texts[own]) & _good(alike)) < len(_good(alike)) / 2:
            continue  # no text query names what is on it
        others = [q for q in texts if kind_of(q) == kind_of(own) and not _good(texts[q]) & _good(alike)]
        found += [Wish(photo, query, texts[query]) for query in others[:EACH]]
    return found


def _good(gains: Mapping[str, float]) -> set[str]:
    return {product for product, gain in gains.items() if gain == 1}


class Mixer:
    """Searches for wishes by a clause each or by one mixed vector."""

    def __init__(self, cluster: Cluster, recipe: Recipe, pictures: Mapping[str, Image]) -> None:
        self._cluster, self._recipe, self._pictures = cluster, recipe, pictures
        self._searcher = Searcher(cluster.client, recipe, cluster.can)
        self.times: dict[bool, list[float]] = {True: [], False: []}

    def hits(self, wish: Wish, words: str, share: float, weight: float, *, mixed: bool) -> list[str]:
        """Return the products found; ``share`` is that of the words, ``weight`` what both vectors have together."""
        ask = Ask(words, self._pictures[wish.photo], size=DEPTH)
        clauses: list[Clause] = self._searcher.clauses(ask)
        own = {TEXT_TO_IMAGE: share * weight, **dict.fromkeys((PHOTO, IMAGE_TO_TEXT), (1 - share) * weight)}
        weights = {**self._searcher.fusion.weights, **own}
        if mixed:
            clauses, length = _mixed(clauses, share)
            weights |= {PHOTO: weight * length}
        body = request(self._recipe, ask, clauses, fusion := self._weighed(weights), self._cluster.can)
        begun = time.perf_counter()
        found = self._searcher.send(body, fusion).hits
        self.times[mixed].append(1000 * (time.perf_counter() - begun))
        return [hit.id for hit in found]

    def untuned(self, wish: Wish, words: str, weights: Mapping[str, float] = MappingProxyType({})) -> list[str]:
        """Return the products found as it comes, but for the weights given."""
        ask = Ask(words, self._pictures[wish.photo], size=DEPTH)
        fusion = self._weighed({**self._searcher.fusion.weights, **weights})
        body = request(self._recipe, ask, self._searcher.clauses(ask), fusion, self._cluster.can)
        return [hit.id for hit in self._searcher.send(body, fusion).hits]

    def _weighed(self, weights: Mapping[str, float]) -> Fusion:
        return replace(self._searcher.fusion, weights=weights)


def _mixed(clauses: Sequence[Clause], share: float) -> tuple[list[Clause], float]:
    """Put the mixture of both vectors in the place of the photo's; also return how long it is before it is made 1.

    Weighed by that length, its cosine is the weighted sum of the two cosines.
    """
    vectors = {clause.name: np.array(clause.vector) for clause in clauses if isinstance(clause, VectorClause)}
    total = share * vectors[TEXT_TO_IMAGE] + (1 - share) * vectors[PHOTO]
    length = float(np.linalg.norm(total))
    mixture = tuple((total / length).tolist())
    kept = [clause for clause in clauses if clause.name != TEXT_TO_IMAGE]
    photo = next(clause for clause in clauses if isinstance(clause, VectorClause) and clause.name == PHOTO)
    mixed = replace(photo, vector=mixture)
    return [mixed if clause.name == PHOTO else clause for clause in kept], length


def rows_of(mixer: Mixer, asked: Sequence[Wish], style: str) -> list[list[str]]:
    """Measure one style of words: the colour alone, or all that the customer wants."""
    measured: dict[str, np.ndarray] = {}
    gains = {f"{wish.photo} {wish.words}": dict(wish.gains) for wish in asked}
    typed = {wish: colour_of(wish.words) if style == "colour" else wish.words for wish in asked}

    def every(found: Callable[[Wish, str], list[str]]) -> np.ndarray:
        return ndcg({f"{wish.photo} {wish.words}": found(wish, words) for wish, words in typed.items()}, gains)

    def measure(share: float, weight: float, *, mixed: bool) -> np.ndarray:
        return every(partial(mixer.hits, share=share, weight=weight, mixed=mixed))

    measured["untuned"] = every(mixer.untuned)
    measured["untuned, but no photo against texts"] = every(partial(mixer.untuned, weights={IMAGE_TO_TEXT: 0.0}))
    measured["photo alone, beside the keyword"] = chosen_elsewhere(
        {(0.0, weight): measure(0.0, weight, mixed=False) for weight in WEIGHTS}
    )
    for name, mixed in (("a clause each", False), ("one mixed vector", True)):
        settings = itertools.product(SHARES, WEIGHTS)
        measured[name] = chosen_elsewhere({setting: measure(*setting, mixed=mixed) for setting in settings})
    base = measured["a clause each"]
    return [[style, name, cell(value), "" if value is base else cell(value - base)] for name, value in measured.items()]


def main() -> None:
    """Measure and publish."""
    cluster = server()
    recipe, _ = loaded(FASHION, cluster)
    asked = wishes(FASHION.judged(), FASHION.judged("photo_judgements.tsv"))
    with Photos([DATA / "fashion" / "query_photos.zip"]) as photos:
        pictures = {wish.photo: decode(photos.read(wish.photo)) for wish in asked}
    mixer = Mixer(cluster, recipe, pictures)
    rows = [row for style in ("colour", "all words") for row in rows_of(mixer, asked, style)]
    each, one = (percentiles(mixer.times[mixed])[0] for mixed in (False, True))
    header = ("words", "request", "nDCG@10 [95 %]", "difference to a clause each [paired 95 %]")
    notes = (
        f"{len(asked)} questions, made from judgements that are themselves made from attributes: weak labels. "
        "The words are the colour alone, or colour, type and gender. Every row has the keyword and text clauses too. "
        f"Time of a request: one mixed vector takes {one / each:.2f} of a clause each (p50)."
    )
    publish("mixed", "A photo and words that change it", [table(header, rows)], notes=notes)


if __name__ == "__main__":
    main()
