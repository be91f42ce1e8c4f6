"""The query flow: what was asked -> clauses -> one request -> hits, each explained."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from esmm.errors import QueryError
from esmm.index_meta import meta_of
from esmm.query.body import read_body
from esmm.query.calibrate import Calibration, far_from
from esmm.query.clauses import Clause, QueryClause, VectorClause, filters_of, keyword_query
from esmm.query.declared import declared_clauses
from esmm.query.encode import Ask, QuestionEncoder
from esmm.query.explain import Hit, hits_of
from esmm.query.feedback import first_look, movable, moved
from esmm.query.fusion import DEFAULT_SATURATION, KEYWORD, Fusion, Window, untuned_fusion
from esmm.query.rewrite import with_text
from esmm.query.text import text_of
from esmm.query.upgrade import Options, Upgraded, upgrade_body

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

    from esmm.cluster import Capabilities
    from esmm.errors import EncoderError
    from esmm.query.model import FusionModel
    from esmm.recipe import Recipe

__all__ = ["Answer", "Ask", "Searcher", "request"]

Json = dict[str, Any]

MAX_HITS = 10_000  # index.max_result_window of an index that nobody changed


@dataclass(frozen=True)
class Answer:
    """The hits of one search, how many products matched, the time the server took in milliseconds, and warnings."""

    hits: list[Hit]
    total: int
    took: int
    request: Json
    warnings: tuple[str, ...] = ()


def request(recipe: "Recipe", ask: Ask, clauses: Sequence[Clause], fusion: Fusion, can: "Capabilities") -> Json:
    """Return the body of the search. Raises QueryError if nothing was asked or the page lies beyond the window."""
    if not (ask.modalities() or ask.like):
        raise QueryError("the query is empty", 'give a text, a photo or both: esmm search "red shoe"')
    if ask.start + ask.size > MAX_HITS:
        raise QueryError(
            f"from + size is {ask.start + ask.size}, Elasticsearch pages through {MAX_HITS} hits at most",
            "narrow the search with --filter",
        )
    if not ask.text and all(fusion.weight(c.name) <= 0 for c in clauses if isinstance(c, VectorClause)):
        raise QueryError("nothing in the question has a weight above 0", "raise the weights under [fusion]")
    return upgrade_body(plain_request(recipe, ask), clauses, fusion, limits=recipe.search, can=can).body


def plain_request(recipe: "Recipe", ask: Ask) -> Json:
    """Return the keyword search for a question, as a shop without vectors would send it."""
    guard = filters_of(recipe, ask.filters)
    if ask.like:  # nobody wants to be shown the product that they named
        guard.append({"bool": {"must_not": [{"ids": {"values": list(ask.like)}}]}})
    body: Json = {"query": keyword_query(recipe, ask.text or "", guard), "size": ask.size, "from": ask.start}
    return body | {"_source": {"excludes": hidden_fields(recipe)}}


def hidden_fields(recipe: "Recipe") -> list[str]:
    """Return what no hit shows: the vectors, and what esmm notes in a document."""
    return [*(vector.vector for vector in recipe.vectors().values()), "esmm"]


class Searcher:
    """Searches one index, or upgrades requests to it; knows its encoders and its fusion.

    Without a client it builds requests only, as the recipe alone tells. Raises IndexFault if esmm did not make the
    index, EncoderError if the recipe's encoders did not make its vectors.
    """

    def __init__(
        self,
        client: "Elasticsearch | None",
        recipe: "Recipe",
        can: "Capabilities",
        *,
        device: str = "auto",
        calibration: Calibration | None = None,
        model: "FusionModel | None" = None,
    ) -> None:
        self._client, self._recipe, self._can = client, recipe, can
        meta = meta_of(client, recipe.index.name) if client else {}
        stored = partial(_stored_vectors, client, recipe.index.name) if client else None
        self._encoder = QuestionEncoder(recipe, meta.get("clauses"), device=device, vectors_of=stored)
        self._calibration = calibration or Calibration()
        self._untuned = untuned_fusion(recipe, meta.get("saturation"))
        self._model = model
        self.fusion = model.fusion(self._untuned) if model else self._untuned

    @property
    def faults(self) -> "dict[str, EncoderError]":
        """The encoders that do not load, by clause; placeholders stand for their vectors where nothing is sent."""
        return self._encoder.faults

    def search(self, ask: Ask, *, keyword_only: bool = False) -> Answer:
        """Answer a question by one request, or by two if the recipe wants feedback."""
        fusion = self._fusion(ask, keyword_only=keyword_only)
        answer = self.send(self._request(ask, fusion, keyword_only=keyword_only), fusion)
        if keyword_only or not ask.text:
            return answer
        strange = self._cautions(keyword_query(self._recipe, ask.text, []))
        return replace(answer, warnings=(*strange, *answer.warnings))

    def fusion_at(self, ask: Ask, fusion: Fusion | None = None) -> Fusion:
        """Return a fusion (that of this searcher) for one question: the weights as its gate moves them."""
        fusion = fusion or self.fusion
        vector = self.vector_of(ask.text) if fusion.sees_vectors else None
        return fusion.at(ask.text, photo=ask.photo is not None, vector=vector)

    def vector_of(self, text: str | None) -> tuple[float, ...] | None:
        """Return the vector of a question's words as the gate sees it; None without words or a text vector."""
        return self._encoder.vector_of(text)

    def clauses(self, ask: Ask, query: Mapping[str, Any] | None = None) -> list[Clause]:
        """Return the clauses of a question beside its keyword query, which is ``query`` or that of the recipe.

        With ``search.feedback`` in the recipe and a server, one request is sent to move the vectors.
        """
        made = self._encoder.clauses(ask)
        if self._recipe.search.feedback and self._client:
            made = self._with_feedback(self._client, made, query or plain_request(self._recipe, ask)["query"])
        return [*made, *declared_clauses(self._recipe, ask.text)]

    def _with_feedback(
        self, client: "Elasticsearch", clauses: Sequence[VectorClause], query: Mapping[str, Any]
    ) -> list[VectorClause]:
        asking = [clause for clause in clauses if movable(clause)]
        if not asking:
            return list(clauses)
        body = first_look(query, asking, self._untuned, limits=self._recipe.search, can=self._can)
        return moved(clauses, client.search(index=self._recipe.index.name, body=body)["hits"]["hits"])

    def request(self, ask: Ask, *, keyword_only: bool = False) -> Json:
        """Return the body of the request for a question."""
        return self._request(ask, self._fusion(ask, keyword_only=keyword_only), keyword_only=keyword_only)

    def _fusion(self, ask: Ask, *, keyword_only: bool) -> Fusion:
        """Return the fusion for a question; words alone are looked for without a model."""
        return self.fusion.at(ask.text) if keyword_only else self.fusion_at(ask)

    def _request(self, ask: Ask, fusion: Fusion, *, keyword_only: bool) -> Json:
        if keyword_only and not ask.text:
            raise QueryError("a photo alone has no keywords", "give words too, or leave out keyword-only")
        clauses = [] if keyword_only else self.clauses(ask)
        return request(self._recipe, ask, clauses, fusion, self._can)

    def upgrade(self, body: Any, ask: Ask | None = None, options: Options | None = None) -> Upgraded:
        """Return the hybrid form of a caller's own search body.

        ``body`` is a dict, JSON text or ``elasticsearch.dsl`` Search. What the vectors look for is in ``ask``; without
        it, the one text that the body itself asks for. The saturation constant is the calibrated one of this query.
        """
        given = read_body(body)
        query = given.get("query")
        ask = ask or Ask()
        if not (ask.modalities() or ask.like):
            ask = replace(ask, text=text_of(query))
        if not (ask.modalities() or ask.like):
            raise QueryError(
                "the body asks for no text",
                "say what the vectors look for: a text, an image or ids of products to be like",
            )
        made = self._hybrid(given, query, self.clauses(ask, query), ask, options)
        if query is None or self._calibration.saturation(query) or made.strategy == "keyword":
            return made
        hint = f"this query was never calibrated (esmm calibrate): its scores count by k = {self.fusion.saturation:g}"
        return replace(made, notes=(*made.notes, hint))

    def evidence(self, ask: Ask, body: Any = None, extra: Sequence[QueryClause] = ()) -> tuple[Json, Fusion]:
        """Return the request that tells every clause's raw score for each candidate, and the fusion to read it by.

        It is the one that serves the search, with all weights at 1. ``body`` is the shop's own; left out, esmm's query.
        ``extra`` queries are scored beside them. Raises QueryError if ``body`` asks for no text or not for the best
        score first.
        """
        given = {"query": keyword_query(self._recipe, ask.text or "", [])}
        if body is not None:
            given = read_body(body)
            given["query"] = _asking_for(given.get("query"), ask.text or "")  # without words it matches nothing
        clauses = [*self.clauses(ask, given["query"]), *extra]
        wide = {clause.name: Window(-1.0, 1.0) for clause in clauses if isinstance(clause, VectorClause)}
        constants = {**dict.fromkeys((c.name for c in extra), DEFAULT_SATURATION), **self._untuned.saturations}
        fusion = replace(self._untuned, weights={}, windows=wide, saturations=constants)
        limits, own = self._recipe.search, {**given, "from": 0, "size": 1, "_source": False}
        options = Options(strategy="exact")
        made = upgrade_body(own, clauses, fusion, limits=limits, can=self._can, options=options)
        if made.strategy != "exact":
            raise QueryError(f"this body tells no scores of clauses: {made.notes[0]}", "give one sorted by score")
        return {**made.body, "size": made.body["rescore"]["window_size"]}, fusion

    def template(self, body: Any, options: Options | None = None) -> Upgraded:
        """Return the hybrid form with placeholders for a client to fill in; with a server, no model is loaded.

        ``"<query_text>"`` stands wherever the body's own text stood, ``"<text_vector>"`` where its vector goes, both in
        their quotes, in every clause that looks for it.
        """
        given = read_body(body)
        plain = {**given, "query": _asking_for(given.get("query"), "<query_text>")}
        vectors = [VectorClause(s.clause, s.field, f"<{s.parameter}>") for s in self._encoder.sources({"text"})]
        clauses: list[Clause] = [*vectors, *declared_clauses(self._recipe, "<query_text>")]
        return self._hybrid(plain, given["query"], clauses, None, options)

    def _hybrid(
        self,
        body: Json,
        query: Mapping[str, Any] | None,
        clauses: Sequence[Clause],
        ask: Ask | None,
        options: Options | None,
    ) -> Upgraded:
        """Upgrade a body, with the saturation constant that ``query`` was calibrated to, if it was."""
        known = self._calibration.saturation(query)
        fusion = self.fusion_at(ask) if ask else replace(self.fusion, gate=None)
        fusion = replace(fusion, saturation=known) if known else fusion
        made = upgrade_body(body, clauses, fusion, limits=self._recipe.search, can=self._can, options=options)
        return made if made.strategy == "keyword" else replace(made, warnings=self._cautions(query))

    def _cautions(self, query: Mapping[str, Any] | None) -> tuple[str, ...]:
        return self._model.cautions(query) if self._model else ()

    def send(self, body: Json, fusion: Fusion) -> Answer:
        """Send a body and read its hits, each with what every clause gave to it."""
        if self._client is None:
            raise QueryError("no server is connected, so nothing can be searched", "give the Searcher a client")
        answer = self._client.search(index=self._recipe.index.name, body=body, include_named_queries_score=True)
        hits = hits_of(answer.body, fusion, body)
        raws = [part.raw for hit in hits for part in hit.parts if part.clause == KEYWORD and part.raw > 0]
        total = answer["hits"].get("total", {}).get("value", -1)
        return Answer(hits, total, answer["took"], body, far_from(fusion.saturation, raws))


def _asking_for(query: Mapping[str, Any] | None, text: str) -> Json:
    """Return a caller's query with other words. Raises QueryError if it asks for none."""
    if query is None or text_of(query) is None:
        raise QueryError("the body asks for no text, so there is nothing to fill in", "give the body as sent")
    return with_text(query, text)


def _stored_vectors(client: "Elasticsearch", index: str, ids: Sequence[str], name: str) -> list[list[float]]:
    """Return the vectors that products of an index have in a field."""
    body: Json = {"query": {"ids": {"values": list(ids)}}, "fields": [name], "_source": False, "size": len(ids)}
    hits = client.search(index=index, body=body)["hits"]["hits"]
    return [hit["fields"][name] for hit in hits if name in hit.get("fields", {})]
