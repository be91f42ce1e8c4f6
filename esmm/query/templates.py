"""Search templates: the same requests as stored Mustache scripts, for clients in any language.

The scripts are made from ``mappings/search/*.mustache.j2``. What Elasticsearch renders from one is, as a value, what
:func:`built` makes of the same parameters, and :func:`esmm.query.search.request` of the same question; only the window
of a template always holds what all its clauses can gather.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from esmm.errors import EsmmError, Incompatible, IndexFault, QueryError
from esmm.query.clauses import Clause, QueryClause, VectorClause, filters_of, keyword_query, searched_fields, shortened
from esmm.query.declared import declared_clauses
from esmm.query.fusion import KEYWORD, Fusion
from esmm.query.parts import Parts
from esmm.query.search import hidden_fields
from esmm.query.strategies import boosts
from esmm.query.upgrade import Options, Strategy, upgrade_body

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

    from esmm.cluster import Capabilities
    from esmm.query.encode import Ask, Source
    from esmm.recipe import Recipe

Json = dict[str, Any]

_WORDS = "\0"  # stands for the words while a template is made: no name of a field has it


@dataclass(frozen=True)
class Setting:
    """Where a template is used: recipe and fusion of the index, the vector clauses it can have, the server.

    The fusion gives the defaults of weights and saturation.
    """

    recipe: "Recipe"
    sources: "Sequence[Source]"
    fusion: Fusion
    can: "Capabilities"

    @property
    def clauses(self) -> "dict[str, Source]":
        """The clauses with a weight: what a template has."""
        return {source.clause: source for source in self.sources if self.fusion.weight(source.clause) > 0}


@dataclass(frozen=True)
class Template:
    """A search template: the name it is stored under, and its Mustache source."""

    id: str
    source: str = field(repr=False)


def template_id(index: str, strategy: str) -> str:
    """Return the name under which the template of an index is stored."""
    return f"esmm-{index}-{strategy}"


def search_template(setting: Setting, strategy: str) -> Template:
    """Return the template of a strategy: exact, boost, linear or rrf.

    Raises Incompatible if the server cannot run the strategy, EsmmError if an edited template file is at fault.
    """
    from esmm import __version__
    from esmm.templates import render_text

    if refusal := setting.can.strategies().get(strategy):
        raise Incompatible(f"strategy {strategy} cannot be used here: {refusal}", "take another one: --strategy boost")
    recipe, parts = setting.recipe, _parts(setting)
    vectors = list(dict.fromkeys(source.parameter for source in setting.clauses.values()))
    text = render_text(
        f"mappings/search/{strategy}.mustache.j2",
        recipe=recipe,
        can=setting.can,
        version=__version__,
        fields=searched_fields(recipe),
        hidden=hidden_fields(recipe),
        clauses={name: _clause(source, setting.fusion) for name, source in setting.clauses.items()},
        queries={clause.name: _query(clause, setting.fusion) for clause in parts.queries},
        lists=["filters", *vectors],
        vectors=vectors,
        weights=_weights(parts, strategy),
        words_count=setting.fusion.weight(KEYWORD) > 0,
        saturation=setting.fusion.saturation,
        window=parts.window,
        facets=facets_of(recipe),
    )
    lines = [line for line in text.splitlines() if line.strip()]
    return Template(template_id(recipe.index.name, strategy), "\n".join(lines) + "\n")


def parameters(setting: Setting, ask: "Ask", vectors: Sequence[VectorClause]) -> Json:
    """Return the parameters with which a template asks a question.

    Vectors of weight 0 stay out, as they do of a request. Raises QueryError for clauses that no template has.
    """
    known = {source.clause for source in setting.sources}
    if foreign := [clause.name for clause in vectors if clause.name not in known]:
        raise QueryError(f"a search template has no clause {', '.join(foreign)}", "ask by text, photo and filters")
    given: Json = {"query_text": shortened(ask.text)} if ask.text else {}
    asked = setting.clauses
    given |= {asked[clause.name].parameter: clause.vector for clause in vectors if clause.name in asked}
    if filters := filters_of(setting.recipe, ask.filters):
        given["filters"] = filters
    return given | {"from": ask.start, "size": ask.size}


def built(setting: Setting, strategy: Strategy, params: Mapping[str, Any]) -> Json:
    """Return the request that a template would become, made by the builder, for servers without Mustache.

    ``params`` are those of :func:`parameters`, and ``facets``; weights and saturation are those of the setting.
    """
    recipe, given = setting.recipe, {name: value for name, value in params.items() if value is not None}
    clauses: list[Clause] = [
        VectorClause(name, source.field, given[source.parameter])
        for name, source in setting.clauses.items()
        if source.parameter in given
    ]
    if clauses:  # without a vector a template is the plain keyword search
        clauses += declared_clauses(recipe, given.get("query_text", ""))
    body: Json = {
        "query": keyword_query(recipe, given.get("query_text", ""), given.get("filters", [])),
        "_source": {"excludes": hidden_fields(recipe)},
        "from": given.get("from", 0),
        "size": given.get("size", 10),
    }
    if given.get("facets"):
        body["aggs"] = facets_of(recipe)
    # A template has one window, whatever vectors it is sent.
    limits = recipe.search.model_copy(update={"window": _parts(setting).window})
    options = Options(strategy=strategy)
    return upgrade_body(body, clauses, setting.fusion, limits=limits, can=setting.can, options=options).body


def facets_of(recipe: "Recipe") -> Json:
    """Return the aggregations that count the values of every facet of a recipe."""
    return {name: {"terms": {"field": exact}} for name, exact in recipe.facets().items()}


def need_mustache(can: "Capabilities") -> None:
    """Raise Incompatible if the server has no Mustache."""
    if not can.mustache:
        raise Incompatible(
            "the server lacks Mustache (the module lang-mustache), so it cannot store or render search templates",
            "send the rendered form (esmm template render), or use a server of the default distribution",
        )


def install(client: "Elasticsearch", template: Template) -> None:
    """Store a template, after the server has shown that it can render it. Raises EsmmError if it cannot."""
    render(client, template, {})
    client.put_script(id=template.id, script={"lang": "mustache", "source": template.source})


def remove(client: "Elasticsearch", name: str) -> None:
    """Delete a stored template. Raises IndexFault if there is none of this name."""
    from elasticsearch import NotFoundError

    try:
        client.delete_script(id=name)
    except NotFoundError:
        raise IndexFault(f"there is no stored template {name}", "esmm template install stores it") from None


def render(client: "Elasticsearch", template: Template, params: Mapping[str, Any]) -> Json:
    """Return the request that the server's Mustache makes of a template. Raises EsmmError if it makes none."""
    from elasticsearch import SerializationError

    try:
        answer = client.render_search_template(source=template.source, params=dict(params))
    except SerializationError:  # the server hands on what is no JSON
        raise EsmmError(f"{template.id} does not render to JSON", "mend the template in mappings/search") from None
    return dict(answer["template_output"])


def _parts(setting: Setting) -> Parts:
    """Return what the strategies would put together if every vector were given."""
    vectors = tuple(VectorClause(name, source.field, ()) for name, source in setting.clauses.items())
    queries = [q for q in declared_clauses(setting.recipe, _WORDS) if setting.fusion.weight(q.name) > 0]
    fusion = replace(setting.fusion, gate=None)  # a template holds one weight a clause
    return Parts({}, {}, vectors, fusion, setting.recipe.search, setting.can, queries=tuple(queries))


def _query(clause: QueryClause, fusion: Fusion) -> Json:
    """Return a declared clause as a template holds it."""
    from esmm.templates import as_json

    return {
        "query": as_json(clause.query).replace(as_json(_WORDS), '"{{query_text}}"'),
        "k": fusion.constant(clause.name),
    }


def _clause(source: "Source", fusion: Fusion) -> Json:
    window = fusion.window(source.clause)
    return {"field": source.field, "vector": source.parameter, "low": window.low, "width": window.width}


def _weights(parts: Parts, strategy: str) -> dict[str, float]:
    """Return the default of each weight that a strategy knows."""
    if strategy == "rrf":
        return {}
    if strategy == "boost":
        return boosts(parts)
    others: list[Clause] = [*parts.vectors, *parts.queries]
    return {name: parts.fusion.weight(name) for name in (KEYWORD, *(clause.name for clause in others))}
