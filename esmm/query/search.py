"""The query flow: what was asked -> clauses -> one request -> hits, each explained."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from esmm.encoders import EncoderInfo, Modality
from esmm.errors import EncoderError, QueryError
from esmm.index_meta import meta_of
from esmm.query.clauses import VectorClause, filters_of, keyword_query
from esmm.query.explain import Hit, hits_of
from esmm.query.fusion import DEFAULT_SATURATION, KEYWORD, Fusion
from esmm.query.upgrade import Options, upgrade_body

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch
    from PIL.Image import Image

    from esmm.cluster import Capabilities
    from esmm.encoders import Encoder
    from esmm.recipe import Recipe

Json = dict[str, Any]

MAX_HITS = 10_000  # index.max_result_window of an index that nobody changed


@dataclass(frozen=True)
class Ask:
    """What a customer asks for: a text, a photo or both; the facets chosen; the page."""

    text: str | None = None
    photo: "Image | None" = None
    filters: Mapping[str, Sequence[str]] = field(default_factory=dict)
    size: int = 10
    start: int = 0

    def modalities(self) -> "set[Modality]":
        """Return what was given."""
        given: dict[Modality, object] = {"text": self.text, "photo": self.photo}
        return {modality for modality, value in given.items() if value}


@dataclass(frozen=True)
class Source:
    """Where the vector of one clause comes from: the field, what is encoded, and whose encoder does it."""

    clause: str
    field: str
    modality: Modality
    encoder: str


@dataclass(frozen=True)
class Answer:
    """The hits of one search, how many products matched, and the time the server took, in milliseconds."""

    hits: list[Hit]
    total: int
    took: int
    request: Json


def sources_of(clauses: Mapping[str, Any], asked: "set[Modality]") -> list[Source]:
    """Choose, for each vector field of an index, what of the question can be compared with it.

    ``clauses`` is the part of the index's ``_meta`` that names field and encoder of each clause. A photo is preferred
    for a photo field. A text reaches it through the field's own encoder, or another one of the same space.
    """
    infos = {name: EncoderInfo.from_meta(entry["encoder"]) for name, entry in clauses.items()}
    chosen = []
    for name, info in infos.items():
        native: Modality = "photo" if name == "image" else "text"
        for modality in sorted(asked, key=lambda m: m != native):
            takers = [other for other, known in infos.items() if known.space == info.space and modality in known.takes]
            if takers and not (native == "text" and modality == "photo"):
                encoder = name if name in takers else takers[0]
                chosen.append(Source(name, clauses[name]["field"], modality, encoder))
                break
    return chosen


def check_encoder(clause: str, made_with: EncoderInfo, now: EncoderInfo) -> None:
    """Raise EncoderError unless the query is encoded by what made the index."""
    if not made_with.same_vectors(now):
        raise EncoderError(
            f"the {clause} vectors of the index were made by {made_with}, the recipe names {now}",
            "use the recipe of the index, or load the catalogue again with this one",
        )


def vector_clauses(ask: Ask, sources: Sequence[Source], encoders: "Mapping[str, Encoder]") -> list[VectorClause]:
    """Encode the question for each source; each input is encoded once by each encoder."""
    made: dict[tuple[str, Modality], list[float]] = {}
    for source in sources:
        key = (source.encoder, source.modality)
        if key not in made:
            items: Any = [ask.text if source.modality == "text" else ask.photo]
            made[key] = [round(float(number), 7) for number in encoders[source.encoder].encode(items)[0]]
    return [VectorClause(source.clause, source.field, made[source.encoder, source.modality]) for source in sources]


def fusion_of(recipe: "Recipe", measured: float | None) -> Fusion:
    """Return the untuned fusion of a recipe; ``measured`` is the saturation constant that the load found."""
    weights = {clause: getattr(recipe.fusion, clause) for clause in (KEYWORD, "text", "image")}
    return Fusion(weights, recipe.fusion.saturation or measured or DEFAULT_SATURATION)


def request(recipe: "Recipe", ask: Ask, vectors: Sequence[VectorClause], fusion: Fusion, can: "Capabilities") -> Json:
    """Return the body of the search. Raises QueryError if nothing was asked or the page lies beyond the window."""
    if not ask.modalities():
        raise QueryError("the query is empty", 'give a text, a photo or both: esmm search "red shoe"')
    if ask.start + ask.size > MAX_HITS:
        raise QueryError(
            f"from + size is {ask.start + ask.size}, Elasticsearch pages through {MAX_HITS} hits at most",
            "narrow the search with --filter",
        )
    if not ask.text and all(fusion.weight(clause.name) <= 0 for clause in vectors):
        raise QueryError("nothing in the question has a weight above 0", "raise the weights under [fusion]")
    guard = filters_of(recipe, ask.filters)
    keyword = keyword_query(recipe, ask.text, guard)
    body: Json = {"query": keyword} if keyword else {}
    hidden = [vector.vector for vector in recipe.vectors().values()]
    body |= {"size": ask.size, "from": ask.start, "_source": {"excludes": [*hidden, "esmm"]}}
    # A photo alone has no keyword query to hold the filters, yet they bind what its vector finds.
    options = Options(guard=() if keyword else tuple(guard))
    return upgrade_body(body, vectors, fusion, limits=recipe.search, can=can, options=options).body


class Searcher:
    """Searches one index: knows its encoders, loads each when it is first needed, and keeps it.

    Raises IndexFault if esmm did not make the index, EncoderError if the recipe's encoders did not make its vectors.
    """

    def __init__(self, client: "Elasticsearch", recipe: "Recipe", can: "Capabilities", *, device: str = "auto") -> None:
        self._client, self._recipe, self._can, self._device = client, recipe, can, device
        meta = meta_of(client, recipe.index.name)
        self._clauses = meta["clauses"]
        self._encoders: dict[str, Encoder] = {}
        self.fusion = fusion_of(recipe, meta.get("saturation"))

    def search(self, ask: Ask, *, keyword_only: bool = False) -> Answer:
        """Answer a question by one request."""
        body = self.request(ask, keyword_only=keyword_only)
        answer = self._client.search(index=self._recipe.index.name, body=body, include_named_queries_score=True)
        total = answer["hits"]["total"]["value"]
        return Answer(hits_of(answer.body, self.fusion), total, answer["took"], body)

    def request(self, ask: Ask, *, keyword_only: bool = False) -> Json:
        """Return the body of the request for a question."""
        sources = [] if keyword_only else sources_of(self._clauses, ask.modalities())
        self._check(ask, sources, keyword_only=keyword_only)
        self._load(sources)
        clauses = vector_clauses(ask, sources, self._encoders)
        return request(self._recipe, ask, clauses, self.fusion, self._can)

    def _check(self, ask: Ask, sources: Sequence[Source], *, keyword_only: bool) -> None:
        if keyword_only and not ask.text:
            raise QueryError("a photo alone has no keywords", "give words too, or leave out keyword-only")
        if ask.photo and not keyword_only and all(source.modality != "photo" for source in sources):
            raise QueryError(
                f"{self._recipe.index.name} has no photo vectors, so a photo finds nothing in it",
                "load the catalogue with a photo encoder: [image] in the recipe",
            )

    def _load(self, sources: Sequence[Source]) -> None:
        from esmm.encoders import load_encoder

        for name in {source.encoder for source in sources} - set(self._encoders):
            if name not in self._recipe.vectors():
                raise EncoderError(
                    f"the index has {name} vectors, the recipe names no encoder for them", f"add [{name}] to the recipe"
                )
            encoder = load_encoder(self._recipe.vectors()[name], device=self._device)
            check_encoder(name, EncoderInfo.from_meta(self._clauses[name]["encoder"]), encoder.info)
            self._encoders[name] = encoder
