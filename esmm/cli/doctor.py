"""``esmm doctor``: one table that says what is well and what to do about the rest."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from esmm.cli.common import connection_options, device_option, load_recipe, open_cluster, recipe_option
from esmm.errors import EsmmError
from esmm.server import find_server

if TYPE_CHECKING:
    from esmm.cli.common import Cluster
    from esmm.encoders import EncoderInfo
    from esmm.recipe import Recipe

# Types of the shop's own fields that serve as those of a recipe; a photo is read from the document, whatever its type.
_KINDRED = {
    "text": {"text", "match_only_text", "search_as_you_type"},
    "keyword": {"keyword", "constant_keyword", "wildcard"},
    "long": {"long", "integer", "short", "byte", "unsigned_long"},
    "double": {"double", "float", "half_float", "scaled_float"},
    "boolean": {"boolean"},
    "date": {"date", "date_nanos"},
}


class Finding(NamedTuple):
    """One row: what was looked at, whether it is well (None: for information), what was found, the remedy."""

    what: str
    well: bool | None
    found: str
    remedy: str = ""


@click.command()
@recipe_option
@device_option
@connection_options
def doctor(recipe_path: str, device: str, **flags: Any) -> None:
    """Check server, licence, strategies, recipe, encoders and index; exit code 1 where something is wrong."""
    from rich.table import Table

    from esmm.cli.tables import console

    findings = list(_examine(recipe_path, device, flags))
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("", "what", "found", "what to do"):
        table.add_column(name, overflow="fold")
    marks = {True: "[green]ok", False: "[red]fault", None: "-"}
    for finding in findings:
        table.add_row(marks[finding.well], finding.what, finding.found, finding.remedy)
    console().print(table)
    raise click.exceptions.Exit(1 if any(finding.well is False for finding in findings) else 0)


def _examine(recipe_path: str, device: str, flags: dict[str, Any]) -> Iterator[Finding]:
    found: dict[str, Any] = {}
    yield from _step("server", lambda: found.setdefault("server", open_cluster(find_server(**flags))), _server)
    yield from _step("recipe", lambda: found.setdefault("recipe", load_recipe(recipe_path)), _recipe)
    if recipe := found.get("recipe"):
        yield from _encoders(recipe, device)
    if recipe and (server := found.get("server")):
        yield from _step("index", lambda: _index(recipe, server), iter)
        yield from _step("parts", lambda: _parts(recipe, server), iter)


def _step(what: str, look: Callable[[], Any], rows: Callable[[Any], Iterator[Finding]]) -> Iterator[Finding]:
    try:
        yield from rows(look())
    except EsmmError as error:
        yield Finding(what, False, error.message, error.hint)


def _server(server: "Cluster") -> Iterator[Finding]:
    yield Finding("server", True, f"Elasticsearch {server.can} at {server.where.where}")
    yield Finding("licence", None, server.can.licence)
    for name, reason in server.can.strategies().items():
        yield Finding(f"strategy {name}", True if not reason else None, reason or "can be used")


def _recipe(recipe: "Recipe") -> Iterator[Finding]:
    yield Finding("recipe", True, f"{recipe.source}: {len(recipe.fields)} fields, index {recipe.index.name}")


def _encoders(recipe: "Recipe", device: str) -> Iterator[Finding]:
    from esmm.encoders import load_encoders

    loaded, faults = load_encoders(recipe, device=device)
    for clause, encoder in loaded.items():
        yield Finding(f"{clause} encoder", True, f"{encoder.info}, takes {' and '.join(encoder.info.takes)}")
    for clause, fault in faults.items():
        yield Finding(f"{clause} encoder", False, fault.message, fault.hint)
    if loaded.keys() >= {"text", "image"}:
        yield from _words_for_photos(recipe, {clause: encoder.info for clause, encoder in loaded.items()})


def _words_for_photos(recipe: "Recipe", infos: dict[str, "EncoderInfo"]) -> Iterator[Finding]:
    """Warn where words would find photos, were it not for the dims or the space that the recipe sets."""
    from esmm.encoders.resolve import tower_folder
    from esmm.index_meta import new_meta
    from esmm.query.encode import TEXT_TO_IMAGE, sources_of

    models = {clause: vector.model for clause, vector in recipe.vectors().items()}
    meant = models["text"] == models["image"] or tower_folder(models["image"])
    found = {source.clause for source in sources_of(new_meta(recipe, infos)["clauses"], {"text"})}
    if not meant or TEXT_TO_IMAGE in found:
        return
    apart = " and ".join(f"{clause} {info.dims} dims of the space {info.space}" for clause, info in infos.items())
    remedy = "give [text] and [image] the same dims and space, or the text model that the tower was trained for"
    yield Finding("words for photos", None, f"words find no photos: their vectors cannot be compared ({apart})", remedy)


def _index(recipe: "Recipe", server: "Cluster") -> list[Finding]:
    from esmm.cluster import named_errors
    from esmm.index_meta import ENRICHED, meta_of

    alias = recipe.index.name
    with named_errors(server.where):
        if not server.client.indices.exists(index=alias):
            return [Finding("index", False, f"{alias} is not loaded", "esmm ingest CATALOGUE")]
        behind = sorted(server.client.indices.get_alias(index=alias))
        if len(behind) > 1:
            return [Finding("index", False, f"{alias} points to {', '.join(behind)}", "point it to one index")]
        (name,) = behind
        meta = meta_of(server.client, name)
        health = server.client.cluster.health(index=name)["status"]
        count = server.client.count(index=name)["count"]
        rows = [
            Finding(
                "index",
                health != "red",
                f"{alias} -> {name}: {count:,} products, {health}" + (", enriched" * (meta["state"] == ENRICHED)),
                "" if health != "red" else "GET _cluster/allocation/explain says why a shard is missing",
            )
        ]
        rows.append((_own_mapping if meta["state"] == ENRICHED else _mapping)(server, name, recipe))
        again = f"esmm enrich {alias}" if meta["state"] == ENRICHED else "load again"
        for clause in recipe.vectors():
            entry = meta["clauses"].get(clause)
            rows.append(_vectors(server, name, clause, entry, count=count, again=again))
    return rows


def _parts(recipe: "Recipe", server: "Cluster") -> Iterator[Finding]:
    """Tell of a run of parts that is not whole."""
    from esmm.cluster import named_errors
    from esmm.ingest.run import find_run, missing

    with named_errors(server.where):
        run = find_run(server.client, recipe.index.name)
        if run and not run.is_whole:
            found = f"run {run.name} fills {run.index}: {missing(run, run.parts(server.client))}"
            yield Finding("parts", False, found, "run the parts that are missing, or give it up: esmm parts --drop")


def _mapping(server: "Cluster", name: str, recipe: "Recipe") -> Finding:
    """Compare the fields of the recipe with those that the index was made with."""
    from esmm.ingest.index import index_body

    types, wanted = _types(server, name), index_body(recipe, {})["mappings"]["properties"]
    other = [field for field in recipe.fields if types.get(field) != wanted[field]["type"]]
    return _fields(recipe, other, "load again: esmm ingest CATALOGUE")


def _own_mapping(server: "Cluster", name: str, recipe: "Recipe") -> Finding:
    """Compare the fields of the recipe with those of an index that the shop made: kindred types will do."""
    types = _types(server, name)
    other = [f for f, field in recipe.fields.items() if types.get(f) not in _KINDRED.get(field.type, {types.get(f)})]
    other += [exact for exact in recipe.facets().values() if exact not in types and exact not in recipe.fields]
    return _fields(recipe, other, "name fields and types in the recipe as the index has them")


def _types(server: "Cluster", name: str) -> dict[str, str]:
    there = server.client.indices.get_field_mapping(index=name, fields="*")[name]["mappings"]
    return {field: next(iter(entry["mapping"].values()))["type"] for field, entry in there.items() if entry["mapping"]}


def _fields(recipe: "Recipe", other: list[str], remedy: str) -> Finding:
    found = (
        f"not as the recipe says: {', '.join(other)}" if other else f"{len(recipe.fields)} fields as the recipe says"
    )
    return Finding("mapping", not other, found, remedy if other else "")


def _vectors(
    server: "Cluster", name: str, clause: str, entry: dict[str, Any] | None, *, count: int, again: str
) -> Finding:
    if entry is None:
        return Finding(f"{clause} vectors", False, f"{name} has none", f"{again} once the encoder loads")
    found = server.client.count(index=name, query={"exists": {"field": entry["field"]}})["count"]
    encoder = entry["encoder"]
    remedy = "" if found else f"{again}: no product has one"
    text = f"{entry['field']} in {found:,} of {count:,} products, made by {encoder['id']} ({encoder['revision']})"
    return Finding(f"{clause} vectors", bool(found), text, remedy)
