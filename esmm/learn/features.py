"""Clause scores from the index: the request that serves a search, asked for everything that it knows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from esmm.errors import LearnError, PhotoError
from esmm.learn.centres import centres_of
from esmm.learn.scores import FORM, Scored, Table
from esmm.query.clauses import QueryClause, form_query
from esmm.query.encode import Ask
from esmm.query.explain import hits_of
from esmm.query.fusion import KEYWORD
from esmm.query.gate import Rarity, facts_of, nearness
from esmm.query.parts import TIER
from esmm.query.titles import drawn_titles
from esmm.recipe import FORMS

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch
    from PIL.Image import Image

    from esmm.learn.judgements import Judgements, Question
    from esmm.learn.stack import Floats
    from esmm.photos import Photos
    from esmm.query.fusion import Fusion
    from esmm.query.search import Searcher
    from esmm.recipe import Recipe

Json = dict[str, Any]
Raws = dict[str, dict[str, float]]
Found = tuple[Raws, set[str]]  # the raw scores by product and clause, and which products are candidates
Asked = tuple[Found, tuple[float, ...] | None]  # what was found of a question, and the vector of its words
OnStep = Callable[[int, int], None]
TITLES = 5000  # of which the words are counted
_AT_ONCE = 1000  # judged products asked for in one request
_LISTED = 5


@dataclass(frozen=True)
class Collected:
    """The scores of all questions, what they were collected with, and the judged products without any.

    ``where`` names the index or the catalogue that lacks these. ``centres`` are those that facts tell nearness to.
    """

    table: Table
    rarity: Rarity
    absent: Mapping[str, tuple[str, ...]]
    where: str
    centres: "Floats | None" = None

    @property
    def absence(self) -> str:
        """Say how many judged products are not there, and name some; nothing where all are."""
        missing = sorted({product for products in self.absent.values() for product in products})
        if not missing:
            return ""
        named = ", ".join(missing[:_LISTED]) + (" ..." if len(missing) > _LISTED else "")
        return f"{len(missing):,} judged products are not in {self.where}: {named}"


class Collector:
    """Asks one index for clause scores; ``body`` is the shop's own request, ``photo_of`` opens a question's photo."""

    def __init__(
        self,
        client: "Elasticsearch",
        recipe: "Recipe",
        searcher: "Searcher",
        *,
        body: Json | None = None,
        photo_of: "Callable[[str], Image] | None" = None,
    ) -> None:
        self._client, self._index, self._searcher, self._recipe = client, recipe.index.name, searcher, recipe
        self._body, self._photo_of = body, photo_of
        self.rarity = rarity_of(client, recipe)

    def collect(
        self, judgements: "Judgements", on_step: OnStep = lambda _done, _all: None, *, centres: int = 0
    ) -> Collected:
        """Return the scores of all questions, and how near each is to so many ``centres`` of them.

        Raises LearnError if the index holds none of the judged products.
        """
        asked = gathered(judgements, self._found, self._searcher.vector_of, on_step)
        return collected(asked, judgements, rarity=self.rarity, where=f"the index {self._index}", centres=centres)

    def _found(self, question: "Question", judged: Mapping[str, float]) -> Found:
        ask = Ask(question.text, self._photo(question))
        body, fusion = self._searcher.evidence(ask, self._body, self._forms(ask))
        found = self._answered(body, fusion)
        candidates = set(found)
        missing = [product for product in judged if product not in candidates]
        for start in range(0, len(missing), _AT_ONCE):
            found |= self._answered(_of_products(body, missing[start : start + _AT_ONCE]), fusion, like=body)
        return found, candidates

    def _forms(self, ask: Ask) -> list[QueryClause]:
        """Return the other forms of esmm's own keyword query, for a model has to beat the strongest."""
        if self._body is not None:
            return []
        others = [form for form in FORMS if form != self._recipe.search.form]
        return [QueryClause(FORM + form, form_query(self._recipe, ask.text or "", form)) for form in others]

    def _photo(self, question: "Question") -> "Image | None":
        if question.photo is None:
            return None
        if self._photo_of is None:
            raise LearnError(f"question {question.name} is a photo", "say where photos are: --photos")
        return self._photo_of(question.photo)

    def _answered(self, body: Json, fusion: "Fusion", *, like: Json | None = None) -> Raws:
        answer = self._client.search(index=self._index, body=body, include_named_queries_score=True)
        hits = hits_of(answer.body, fusion, like or body)
        return {hit.id: {part.clause: part.raw for part in hit.parts if part.clause != TIER} for hit in hits}


def opened_photo(photos: "Photos", reference: str) -> "Image":
    """Open the photo of a question. Raises LearnError that names it."""
    from esmm.photos import decode

    try:
        photo: Image = decode(photos.read(reference))
    except PhotoError as error:
        raise LearnError(f"the question's photo {reference}: {error.message}", error.hint) from error
    return photo


def rarity_of(client: "Elasticsearch", recipe: "Recipe") -> Rarity:
    """Count the words of some products' titles."""
    return Rarity.counted(drawn_titles(client, recipe, index=recipe.index.name, count=TITLES))


def gathered(
    judgements: "Judgements",
    found_of: "Callable[[Question, Mapping[str, float]], Found]",
    vector_of: Callable[[str | None], tuple[float, ...] | None],
    on_step: OnStep,
) -> "dict[Question, Asked]":
    """Find what there is for each question, and for the products that are judged for it, and its vector."""
    found, total = {}, len(judgements.gains)
    for done, (question, gains) in enumerate(judgements.gains.items()):
        on_step(done, total)
        found[question] = (found_of(question, gains), vector_of(question.text))
    on_step(total, total)
    return found


def collected(
    asked: "Mapping[Question, Asked]", judgements: "Judgements", *, rarity: Rarity, where: str, centres: int
) -> Collected:
    """Put together what was found of all questions.

    Raises LearnError if ``where`` it was looked for holds none of the judged products, or there are fewer questions
    than ``centres``.
    """
    found = {question: raws for question, (raws, _) in asked.items()}
    absent = _absent(judgements, found, where)
    clauses = _names(raws for raws, _ in found.values())
    kinds = centres_of([vector for _, vector in asked.values() if vector], centres) if centres else None
    questions = []
    for question, ((raws, candidates), vector) in asked.items():
        scored = _scored(question, raws, clauses, judgements.gains[question], candidates)
        facts = facts_of(question.text, photo=question.photo is not None, rarity=rarity) | nearness(vector, kinds)
        questions.append(replace(scored, facts=facts, vector=vector))
    return Collected(Table(clauses, tuple(questions)), rarity, absent, where, kinds)


def _absent(judgements: "Judgements", found: "Mapping[Question, Found]", where: str) -> dict[str, tuple[str, ...]]:
    """Return the judged products of which nothing was found, by question. Raises LearnError if these are all."""
    absent = {
        question.name: missing
        for question, gains in judgements.gains.items()
        if (missing := tuple(sorted(set(gains) - set(found[question][0]))))
    }
    judged = {product for gains in judgements.gains.values() for product in gains}
    if judged and judged <= {product for products in absent.values() for product in products}:
        raise LearnError(
            f"none of the {len(judged):,} products of {judgements.source} is in {where}",
            f"give judgements that name products by the ids of {where}",
        )
    return absent


def _of_products(body: Json, ids: Sequence[str]) -> Json:
    """Return a request for the scores of these products, whether a search finds them or not."""
    fused = body["rescore"]["query"]["rescore_query"]["bool"]["should"]
    kept: Json = {key: body[key] for key in ("runtime_mappings", "_source") if key in body}
    return {**kept, "query": {"bool": {"filter": [{"ids": {"values": list(ids)}}], "should": fused}}, "size": len(ids)}


def _names(found: Any) -> tuple[str, ...]:
    names = {KEYWORD} | {clause for raws in found for scores in raws.values() for clause in scores}
    return tuple(sorted(names, key=lambda name: (name != KEYWORD, name)))


def _scored(
    question: "Question", found: Raws, clauses: Sequence[str], gains: Mapping[str, float], candidates: set[str]
) -> Scored:
    import numpy as np

    ids = tuple(sorted(found))  # not in the order of the request's own score: equal scores would be told apart by it
    raws = np.array([[found[product].get(clause, np.nan) for clause in clauses] for product in ids], dtype=np.float64)
    judged = np.array([gains.get(product, np.nan) for product in ids], dtype=np.float64)
    return Scored(
        question,
        ids,
        raws.reshape(len(ids), len(clauses)),
        judged,
        np.array([product in candidates for product in ids], dtype=bool),
        {},
    )
