"""`esmm template`: print, install, render and remove, on a server without Mustache and on one with it."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import shop
import wire
from elasticsearch import Elasticsearch
from mustache import Mustache
from shell import Esmm

from esmm.cluster import Capabilities
from esmm.query.search import Ask, Searcher
from esmm.recipe import parse

LACKS = "the server lacks Mustache"
pytestmark = pytest.mark.usefixtures("painless")
QUESTION = ("--text", 'red "shirt" {{size}}', "--image", "photos/3.png", "--filter", "gender=Men", "--size", "4")


@pytest.fixture
def template(esmm: Esmm, loaded: Path, monkeypatch: pytest.MonkeyPatch) -> Esmm:
    monkeypatch.chdir(loaded)
    return lambda *args: esmm("template", *args)


@pytest.fixture
def whole(mustache: Mustache, server_url: str, monkeypatch: pytest.MonkeyPatch, template: Esmm) -> Iterator[Esmm]:
    """Commands against a server with Mustache: two real ones behind one address."""
    plain = {"content-type": "application/json", "accept": "application/json"}

    def reply(request: wire.Request) -> wire.Answer:
        if request.path.startswith(("/_scripts", "/_render")):
            return wire.forward(mustache.url, replace(request, headers=plain))
        answer = wire.forward(server_url, request)
        if request.path.startswith("/_nodes"):
            more = answer.body.replace(b'"modules":[', b'"modules":[{"name":"lang-mustache"},')
            return replace(answer, body=more)
        return answer

    with wire.serve(reply) as url:
        monkeypatch.setenv("ELASTICSEARCH_URL", url)
        yield template


def _stored(mustache: Mustache, name: str) -> Any:
    request = wire.Request("GET", f"/_scripts/{name}", b"", {"content-type": "application/json"})
    return json.loads(wire.forward(mustache.url, request).body).get("script")


def test_print_needs_no_server(template: Esmm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ELASTICSEARCH_URL", "http://127.0.0.1:9")
    for strategy, mark in (("exact", "rescore"), ("boost", "knn"), ("linear", "normalizer"), ("rrf", "rrf")):
        shown = template("print", "--strategy", strategy)
        assert shown.code == 0
        assert "{{query_text}}" in shown.out
        assert mark in shown.out
        assert "saturation is 10 here" in shown.err


def test_print_shows_where_words_look_for_photos_without_a_model(
    template: Esmm, module_recipe_text: str, tmp_path: Path
) -> None:
    """Of the tower only its description is there, and of the text model nothing."""
    (tmp_path / "tower.json").write_text('{"space": "a-model-on-no-disk", "dims": 384}', encoding="utf-8")
    text = module_recipe_text.replace("digest-32", "a-model-on-no-disk").replace("digest-16", str(tmp_path))
    (tmp_path / "tower.toml").write_text(text, encoding="utf-8")
    shown = template("print", "--recipe", tmp_path / "tower.toml")
    assert shown.code == 0
    assert "weights (keyword, text, image, text_to_image, image_to_text)" in shown.out
    for clause, both in (("text_to_image", "text_vector"), ("image_to_text", "image_vector")):
        assert f'"_name": "esmm:{clause}"' in shown.out
        assert f"{clause}_vector" not in shown.out, f"{both} serves both fields"
    assert "text_to_image" not in template("print", "--recipe", _with_image(tmp_path, text, "resnet50")).out


def _with_image(folder: Path, text: str, model: str) -> Path:
    (folder / "other.toml").write_text(text.replace(str(folder), model), encoding="utf-8")
    return folder / "other.toml"


@pytest.mark.parametrize("more", [(), ("--dry-run",)])
def test_install_without_mustache_is_one_sentence(template: Esmm, more: tuple[str, ...]) -> None:
    template("install", *more).fatal(LACKS, "esmm template render")


def test_render_without_mustache_is_the_builder_s_request(
    template: Esmm, client: Elasticsearch, can: Capabilities, loaded: Path, module_recipe_text: str
) -> None:
    shown = template("render", *QUESTION)
    assert shown.code == 0
    assert LACKS in shown.err
    recipe = parse(module_recipe_text, source="esmm.toml")
    ask, searcher = Ask(QUESTION[1], shop.photo(3), {"gender": ["Men"]}, 4), Searcher(client, recipe, can)
    assert shown.json() == json.loads(json.dumps(searcher.request(ask)))
    assert template("render", *QUESTION, "--facets").json()["aggs"].keys() == recipe.facets().keys()
    hits = client.search(index=recipe.index.name, body=shown.json())["hits"]["hits"]
    assert [hit["_id"] for hit in hits] == [hit.id for hit in searcher.search(ask).hits]
    assert len(hits) == 4


def test_installed_rendered_and_removed(
    whole: Esmm, mustache: Mustache, module_alias: str, client: Elasticsearch, can: Capabilities, loaded: Path
) -> None:
    name = f"esmm-{module_alias}-exact"
    dry = whole("install", "--dry-run")
    assert dry.code == 0
    put, _, body = dry.out.partition("\n")
    assert put == f"PUT _scripts/{name}"
    assert _stored(mustache, name) is None

    installed = whole("install")
    assert installed.code == 0
    assert installed.out.startswith(f"{name} is stored")
    assert _stored(mustache, name)["source"] == json.loads(body)["script"]["source"]

    asked = whole("render", *QUESTION, "--params").json()
    assert asked["id"] == name
    request = wire.Request(
        "POST", "/_render/template", json.dumps(asked).encode(), {"content-type": "application/json"}
    )
    rendered = json.loads(wire.forward(mustache.url, request).body)["template_output"]
    shown = whole("render", *QUESTION)
    assert (shown.json(), shown.err) == (rendered, "")
    recipe = parse((loaded / "esmm.toml").read_text("utf-8"), source="esmm.toml")
    ask = Ask(QUESTION[1], shop.photo(3), {"gender": ["Men"]}, 4)
    assert rendered == json.loads(json.dumps(Searcher(client, recipe, can).request(ask)))

    assert whole("remove", "--dry-run").out == f"DELETE _scripts/{name}\n"
    assert _stored(mustache, name)
    assert whole("remove").code == 0
    assert _stored(mustache, name) is None
    whole("remove").fatal(f"there is no stored template {name}", "esmm template install")


@pytest.mark.parametrize(
    ("text", "sentence"), [('{"query": {{query_text}} }', "does not render to JSON"), ("{{#open}}", "answers 400")]
)
def test_a_template_that_cannot_be_rendered_is_not_installed(
    whole: Esmm, mustache: Mustache, module_alias: str, text: str, sentence: str, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setenv("ESMM_DIR", str(tmp_path))
    own = tmp_path / "mappings" / "search" / "boost.mustache.j2"
    own.parent.mkdir(parents=True)
    own.write_text(text)
    whole("install", "--strategy", "boost").fatal(sentence, "")
    assert _stored(mustache, f"esmm-{module_alias}-boost") is None


def test_a_strategy_without_licence_and_an_index_of_others(
    whole: Esmm, client: Elasticsearch, alias: str, loaded: Path, tmp_path: Path
) -> None:
    whole("install", "--strategy", "rrf").fatal("strategy rrf cannot be used here", "--strategy boost")
    client.indices.create(index=alias)
    text = (loaded / "esmm.toml").read_text("utf-8")
    name = parse(text, source="esmm.toml").index.name
    (tmp_path / "other.toml").write_text(text.replace(name, alias), encoding="utf-8")
    whole("install", "--recipe", tmp_path / "other.toml").fatal("was not loaded by esmm", "esmm ingest")
