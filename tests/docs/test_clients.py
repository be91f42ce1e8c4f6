"""The examples for other clients: Python and curl against a real server; the others by `make clients`."""

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable
from difflib import ndiff
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from elasticsearch import Elasticsearch
from loaded import load_shop
from shell import ROOT

from esmm.cluster import Capabilities, capabilities
from esmm.query.encode import QuestionEncoder
from esmm.query.search import Ask, Searcher
from esmm.recipe import Recipe, parse

CLIENTS, SAMPLE = ROOT / "examples" / "clients", ROOT / "ingest" / "sample"
FILES = {
    "python": ("before.py", "after.py"),
    "javascript": ("before.js", "after.js"),
    "java": ("Before.java", "After.java"),
    "go": ("before.go", "after.go"),
    "curl": ("before.sh", "after.sh"),
}
TEXT = "keep my coffee hot on the train"


@pytest.fixture(scope="module")
def recipe_file(module_alias: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample's recipe for an index of this module's own; vectors from digests, words and photos in one space."""
    text = (SAMPLE / "esmm.toml").read_text("utf-8").replace("esmm-sample", module_alias)
    text = text.replace("all-MiniLM-L6-v2", "digest-32").partition("[image]")[0] + '[image]\nmodel = "digest-32"\n'
    path = tmp_path_factory.mktemp("clients") / "esmm.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def loaded(client: Elasticsearch, can: Capabilities, recipe_file: Path) -> Recipe:
    recipe = parse(recipe_file.read_text("utf-8"), source=str(recipe_file))
    load_shop(client, can, recipe, SAMPLE / "products.jsonl", recipe_file.parent)
    return recipe


@pytest.fixture
def shown(loaded: Recipe, server_url: str, client: Elasticsearch, tmp_path: Path) -> Callable[..., list[str]]:
    """Run a program beside hybrid.json and vector.json; return the ids that it prints."""
    made = Searcher(client, loaded, capabilities(client)).template((CLIENTS / "query.json").read_text("utf-8"))
    hybrid = json.dumps(made.body)
    assert hybrid.count('"<text_vector>"') == 4, "to gather and to score, texts and photos"
    (tmp_path / "hybrid.json").write_text(hybrid, encoding="utf-8")
    environment = os.environ | {"ELASTICSEARCH_URL": server_url, "INDEX": loaded.index.name}

    def run(program: str, file: str, text: str) -> list[str]:
        (vector,) = {clause.vector for clause in QuestionEncoder(loaded, None).clauses(Ask(text))}
        (tmp_path / "vector.json").write_text(json.dumps(vector), encoding="utf-8")
        command = [program, str(CLIENTS / file), text]
        done = subprocess.run(
            command, check=False, cwd=tmp_path, env=environment, capture_output=True, encoding="utf-8"
        )
        assert done.returncode == 0, done
        return runner().ids(done.stdout)

    return run


@cache
def runner() -> Any:
    """The script behind `make clients`, as a module."""
    spec = importlib.util.spec_from_file_location("clients_run", CLIENTS / "run.py")
    assert spec
    assert spec.loader
    module = sys.modules["clients_run"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_each_language_of_the_runner_has_its_pair() -> None:
    assert set(FILES) == set(runner().LANGUAGES) == {path.name for path in CLIENTS.iterdir() if path.is_dir()}


@pytest.mark.parametrize("language", FILES)
def test_before_and_after_differ_by_a_few_lines(language: str) -> None:
    before, after = ((CLIENTS / language / name).read_text("utf-8").splitlines() for name in FILES[language])
    changed = [line[0] for line in ndiff(before, after) if line[0] in "+-"]
    assert changed.count("-") <= 10
    assert changed.count("+") <= 16


def test_python_and_curl_find_the_same(loaded: Recipe, recipe_file: Path, server_url: str, tmp_path: Path) -> None:
    environment = os.environ | {"ELASTICSEARCH_URL": server_url, "PYTHONPATH": str(ROOT), "ESMM_CACHE": str(tmp_path)}
    command = [sys.executable, CLIENTS / "run.py", "--recipe", recipe_file, "--only", "curl"]
    done = subprocess.run(command, check=False, env=environment, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done
    rows = [line.split() for line in done.stdout.splitlines()]
    assert [row[:2] for row in rows] == [[name, when] for name in ("python", "curl") for when in ("before", "after")]
    assert rows[1][2] == "10"
    assert rows[0] != rows[1]


@pytest.mark.parametrize(
    "text", ["blue mug", 'a "blue" mug \\ & $1', "<text_vector>", "<query_text>", '"<text_vector>"', '"}}, "size": 1']
)
def test_the_hits_are_those_of_upgrade_whatever_is_typed(
    shown: Callable[..., list[str]], client: Elasticsearch, can: Capabilities, loaded: Recipe, text: str
) -> None:
    body = json.loads((CLIENTS / "query.json").read_text("utf-8"))
    body["query"]["bool"]["must"][0]["multi_match"]["query"] = text
    searcher = Searcher(client, loaded, can)
    wanted = [hit.id for hit in searcher.send(searcher.upgrade(body, Ask(text)).body, searcher.fusion).hits]
    assert len(wanted) == 10
    assert shown(sys.executable, "python/after.py", text) == wanted
    assert shown("bash", "curl/after.sh", text) == wanted


def test_before_is_the_query_that_is_upgraded(
    shown: Callable[..., list[str]], client: Elasticsearch, loaded: Recipe
) -> None:
    body = json.loads((CLIENTS / "query.json").read_text("utf-8"))
    wanted = [hit["_id"] for hit in client.search(index=loaded.index.name, body=body)["hits"]["hits"]]
    assert wanted
    assert shown(sys.executable, "python/before.py", TEXT) == wanted
    assert shown("bash", "curl/before.sh", TEXT) == wanted


def test_a_difference_is_named() -> None:
    same = {"before": ["a"], "after": ["a", "b"]}
    found = {"python": same, "curl": dict(same), "go": same | {"after": ["b", "a"]}}
    assert runner().differences(found) == ["go, after"]
