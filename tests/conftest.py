"""Shared parts: a real Elasticsearch for the whole run, a name of its own for each test's index, tiny recipes."""

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from elasticsearch import Elasticsearch
from mustache import Mustache, mustache_node

from esmm import node
from esmm.cluster import Capabilities, capabilities
from esmm.recipe import Recipe, parse

# Nothing of the tests may come from, or go to, what a person keeps on this machine.
for _name in [name for name in os.environ if name.startswith("ELASTICSEARCH_")]:
    del os.environ[_name]
# Not pytest's own folder: started by root, the node runs as another user, who cannot enter it. Workers inherit its name
# from the process that started them, so that one node serves them all.
_NODE = Path(os.environ.setdefault("ESMM_TEST_NODE", f"{tempfile.gettempdir()}/esmm-tests-{os.getpid()}"))
# A node that lives for minutes is not worth the second compiler.
os.environ.setdefault("ES_JAVA_OPTS", "-XX:TieredStopAtLevel=1")


@pytest.fixture(scope="session")
def server_url() -> str:
    """The address of a real Elasticsearch: ESMM_TEST_URL, or a node started for this run, by whoever needs it first."""
    source = os.environ.get("ESMM_TEST_SOURCE", "maven")
    return os.environ.get("ESMM_TEST_URL") or node.up(source=source, data=_NODE).url


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Stop the node when all is done: a worker that ends may leave others at work."""
    if not hasattr(session.config, "workerinput"):
        node.down(data=_NODE)
        shutil.rmtree(_NODE, ignore_errors=True)


@pytest.fixture(scope="session")
def client(server_url: str) -> Iterator[Elasticsearch]:
    with Elasticsearch(server_url, request_timeout=60) as found:
        yield found


@pytest.fixture(scope="session")
def can(client: Elasticsearch) -> Capabilities:
    return capabilities(client)


@pytest.fixture(scope="session")
def analyzer(can: Capabilities) -> str:
    """What recipes of tests analyse text with: Elastic's core build knows no language."""
    return "english" if "analysis-common" in can.modules else "standard"


@pytest.fixture(scope="session")
def painless(can: Capabilities) -> None:
    """Skip what needs the strategy exact where the server has no scripts."""
    if not can.painless:
        pytest.skip("this server has no painless scripts, which the strategy exact needs")


@pytest.fixture(scope="session")
def mustache() -> Iterator[Mustache]:
    """Elasticsearch's own Mustache, in a node of its own."""
    with mustache_node() as found:
        yield found


@contextmanager
def _own_alias(client: Elasticsearch) -> Iterator[str]:
    name = f"test-{uuid.uuid4().hex[:12]}"
    yield name
    versions = client.indices.get(index=f"{name}*", allow_no_indices=True, expand_wildcards="all")
    for index in versions:  # a killed run leaves its lock, which is hidden
        client.indices.put_settings(index=index, settings={"index.blocks.read_only": None, "index.blocks.write": None})
        client.indices.delete(index=index)
        client.options(ignore_status=404).ingest.delete_pipeline(id=f"esmm-{index}")


@pytest.fixture
def alias(client: Elasticsearch) -> Iterator[str]:
    """An alias of this test alone; what is behind it is deleted afterwards."""
    with _own_alias(client) as name:
        yield name


@pytest.fixture(scope="module")
def module_alias(client: Elasticsearch) -> Iterator[str]:
    """An alias that the tests of one module share, loaded once."""
    with _own_alias(client) as name:
        yield name


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """No test finds vectors that another one made. Fetched programs are still shared."""
    monkeypatch.setenv("ESMM_VECTORS", str(tmp_path / "vectors.sqlite"))


TINY = """
[index]
name = "{name}"
analyzer = "{analyzer}"
[fields]
title = {{ type = "text", boost = 3, embed = 1 }}
brand = {{ type = "text", boost = 2, facet = true }}
gender = {{ type = "keyword" }}
price = {{ type = "double" }}
image = {{ type = "photo" }}
[text]
model = "digest-32"
[image]
model = "digest-16"
"""


def tiny_recipe(name: str = "tiny", **replaced: str) -> Recipe:
    """A recipe whose vectors come from digests; ``replaced`` swaps parts of its text."""
    text = TINY.format(name=name, analyzer="english")
    for old, new in replaced.items():
        text = text.replace(old, new)
    return parse(text, source="tiny.toml")


@pytest.fixture
def recipe(recipe_text: str) -> Recipe:
    return parse(recipe_text, source="tiny.toml")


@pytest.fixture
def recipe_text(alias: str, analyzer: str) -> str:
    return TINY.format(name=alias, analyzer=analyzer)


@pytest.fixture(scope="module")
def module_recipe_text(module_alias: str, analyzer: str) -> str:
    return TINY.format(name=module_alias, analyzer=analyzer)
