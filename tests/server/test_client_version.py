"""A Python client that is newer than its server: 8.x refuses client 9 (`make matrix` brings the two together)."""

import json
import urllib.request

import pytest
from elasticsearch import __version__ as client_version

from esmm.cluster import capabilities, connect, connection, named_errors
from esmm.errors import Incompatible


@pytest.fixture
def older_server(server_url: str) -> str:
    """The address of a server that is older than the client by a major version; asked without the client."""
    asked = f"{server_url}/_nodes/_local?filter_path=nodes.*.version"
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(asked) as answer:
        [found] = json.load(answer)["nodes"].values()
    if int(found["version"].partition(".")[0]) >= client_version[0]:
        pytest.skip("the client is not newer than the server")
    return server_url


def test_server_refuses_a_newer_client_and_the_remedy_is_told(older_server: str) -> None:
    where = connection({}, url=older_server)
    with pytest.raises(Incompatible) as told, connect(where) as client, named_errors(where):
        capabilities(client)
    assert told.value.message == f"this Python client is too new for the server at {older_server}"
    assert told.value.hint == 'pip install "elasticsearch>=8.15,<9"'
