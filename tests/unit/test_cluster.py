"""Connection, capabilities and the sentences of refusals: real client, real sockets, answers as servers give them."""

import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from ssl import PROTOCOL_TLS_SERVER, SSLContext
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esmm.cluster import Capabilities, Connection, capabilities, connect, connection, named_errors
from esmm.errors import AccessDenied, ClusterError, EsmmError, Incompatible, IndexFault, Unreachable

ELASTIC = {"X-Elastic-Product": "Elasticsearch", "Content-Type": "application/json"}
HTML = {"Content-Type": "text/html"}
Answer = tuple[int, str, dict[str, str]]
Serve = Callable[..., str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start a server that gives one answer to every path (or one by path), and return its address."""
    with ExitStack() as stack:

        def start(answer: Answer | dict[str, Answer], *, pause: float = 0, tls: SSLContext | None = None) -> str:
            class Handler(BaseHTTPRequestHandler):
                def do_GET(self) -> None:
                    time.sleep(pause)
                    path = self.path.split("?")[0]
                    status, body, headers = answer if isinstance(answer, tuple) else answer[path]
                    self.send_response(status)
                    for name, value in ({"Content-Length": str(len(body.encode()))} | headers).items():
                        self.send_header(name, value)
                    self.end_headers()
                    self.wfile.write(body.encode())

                do_POST = do_GET  # noqa: N815  # the name that http.server looks for

                def log_message(self, *_: Any) -> None:
                    pass

            server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
            if tls:
                server.socket = tls.wrap_socket(server.socket, server_side=True)
            server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client that hangs up is wanted
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
            stack.callback(server.server_close)
            stack.callback(server.shutdown)
            return f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"

        yield start


def refusal(kind: str, reason: str, **more: Any) -> str:
    """Return the body of a refusal as Elasticsearch writes it."""
    root = {"type": kind, "reason": reason}
    return json.dumps({"error": {"root_cause": [root], **root, **more}, "status": 400})


def ask(where: Connection, **options: Any) -> EsmmError:
    """Send one search and return the error of esmm that comes of it."""
    with pytest.raises(EsmmError) as caught, connect(where) as client, named_errors(where):
        client.options(**options).search(index="products")
    return caught.value


READ_ONLY = "index [products] blocked by: [FORBIDDEN/8/index write (api)];"
REFUSALS: list[tuple[Answer, type[EsmmError], str, str]] = [
    (
        (401, refusal("security_exception", "unable to authenticate user [u]"), ELASTIC),
        AccessDenied,
        "{url} does not accept the credentials",
        "ELASTICSEARCH_API_KEY",
    ),
    (
        (403, refusal("security_exception", "action [x] is unauthorized for user [u]"), ELASTIC),
        AccessDenied,
        "{url} does not allow this: action [x] is unauthorized for user [u]",
        "right",
    ),
    (
        (403, refusal("security_exception", "current license is non-compliant for [rrf]"), ELASTIC),
        Incompatible,
        "{url} has no licence for this: current license is non-compliant for [rrf]",
        "exact",
    ),
    (
        (400, refusal("media_type_header_exception", "Invalid media-type value on headers"), ELASTIC),
        Incompatible,
        "this Python client is too new for the server at {url}",
        "pip install",
    ),
    (
        (400, refusal("mapper_parsing_exception", "analyzer [english] has not been configured in mappings"), ELASTIC),
        Incompatible,
        "{url} lacks the recipe's analyzer: analyzer [english] has not been configured in mappings",
        "index.analyzer",
    ),
    (
        (403, refusal("cluster_block_exception", READ_ONLY), ELASTIC),
        IndexFault,
        f"{{url}} refuses the request: {READ_ONLY}",
        "lift the block",
    ),
    (
        (429, refusal("cluster_block_exception", "disk usage exceeded flood-stage watermark"), ELASTIC),
        IndexFault,
        "{url} refuses writes because its disk is nearly full (flood-stage watermark)",
        "free disk space",
    ),
    (
        (404, refusal("index_not_found_exception", "no such index [products]"), ELASTIC),
        IndexFault,
        "{url}: no such index [products]",
        "esmm ingest",
    ),
    (
        (413, "<html><h1>413 Request Entity Too Large</h1></html>", HTML),
        ClusterError,
        "{url} finds a request too large",
        "http.max_content_length",
    ),
    (
        (429, refusal("es_rejected_execution_exception", "queue is full"), ELASTIC),
        Unreachable,
        "{url} is overloaded or not ready: queue is full",
        "later",
    ),
    (
        (502, "<html>\r\n<h1>502 Bad Gateway</h1>\r\n<hr>nginx</html>", HTML),
        Unreachable,
        "{url} is overloaded or not ready: 502 Bad Gateway nginx",
        "later",
    ),
    (
        (400, refusal("illegal_argument_exception", "bad", caused_by={"reason": "deeper"}), ELASTIC),
        ClusterError,
        "{url} answers 400 illegal_argument_exception: bad; deeper",
        "log",
    ),
    (
        (500, json.dumps({"error": "see http://admin:hunter2@other/x"}), ELASTIC),
        ClusterError,
        "{url} answers 500: see http://***@other/x",
        "log",
    ),
    (
        (200, "<html>router</html>", HTML),
        Unreachable,
        "what answers at {url} is not Elasticsearch, or is older than 7.14",
        "address",
    ),
]


@pytest.mark.parametrize(("answer", "kind", "sentence", "hint"), REFUSALS)
def test_a_refusal_becomes_one_sentence_with_a_remedy(
    serve: Serve, answer: Answer, kind: type[EsmmError], sentence: str, hint: str
) -> None:
    url = serve(answer)
    error = ask(Connection(url=url))
    assert (type(error), error.message) == (kind, sentence.format(url=url))
    assert hint in error.hint


def test_nothing_listens() -> None:
    error = ask(Connection(url="http://127.0.0.1:1"))
    assert type(error) is Unreachable
    assert error.message == "no Elasticsearch answers at http://127.0.0.1:1: connection refused"
    assert "esmm up" in error.hint


def test_a_slow_server(serve: Serve) -> None:
    url = serve((200, "{}", ELASTIC), pause=0.5)
    error = ask(Connection(url=url), request_timeout=0.1)
    assert (type(error), error.message) == (Unreachable, f"{url} does not answer in time")


def test_https_to_a_server_without_it(serve: Serve) -> None:
    url = serve((200, "{}", ELASTIC)).replace("http", "https")
    error = ask(Connection(url=url))
    assert (error.message, error.hint) == (f"{url} does not speak HTTPS", "write the address with http://")


def test_a_certificate_that_nobody_trusts(serve: Serve, tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "ca.pem"
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    make += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    try:
        subprocess.run(make, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("openssl is not installed, so no certificate can be made")
    tls = SSLContext(PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    url = serve((404, refusal("index_not_found_exception", "no such index [products]"), ELASTIC), tls=tls)
    error = ask(Connection(url=url))
    assert error.message.startswith(f"the certificate of {url} is not trusted: ")
    assert "--ca-certs" in error.hint
    assert ask(Connection(url=url, ca_certs=str(certificate))).message.endswith("no such index [products]")


@pytest.mark.parametrize(
    "where",
    [
        Connection(url="http://host:9200", password="hunter2", username="ann"),
        Connection(url="http://host:9200", api_key="hunter2"),
        Connection(url="http://ann:hunter2@host:9200"),
        Connection(url="http://ann:hun/hunter2@host:9200"),
        Connection(url="http://ann:hun@hunter2@host:9200"),
        Connection(url="ann:hunter2@host:9200"),
    ],
)
def test_no_text_of_a_connection_shows_a_secret(where: Connection) -> None:
    for shown in (repr(where), str(where), where.where, f"{[where]}"):
        assert "hunter2" not in shown
    assert "host:9200" in where.where


@pytest.mark.parametrize("url", ["http://ann:hunter2@127.0.0.1:1", "http://ann:hun/hunter2@x:1", "ann:hunter2@x:1"])
def test_no_error_shows_a_secret(url: str) -> None:
    assert "hunter2" not in str(ask(Connection(url=url)))


@given(st.text(st.characters(exclude_categories=["Z", "C"]), min_size=9))
def test_no_password_shows_in_an_address(secret: str) -> None:
    assert secret not in Connection(url=f"https://ann:{secret}@host:9200").where


@pytest.mark.parametrize(
    ("where", "message", "hint"),
    [
        (Connection(url="http://a:1", cloud_id="x:eA=="), "both a URL and a cloud id are given", "one of them"),
        (Connection(url="localhost:9200"), "localhost:9200 is no usable address", "http://host:9200"),
        (Connection(cloud_id="abc"), "the cloud deployment is no usable address", "cloud id"),
        (Connection(url="https://a:1", ca_certs="none.pem"), "CA certificate none.pem does not exist", "PEM"),
    ],
)
def test_settings_that_cannot_work(where: Connection, message: str, hint: str) -> None:
    with pytest.raises(ClusterError) as caught:
        connect(where)
    assert caught.value.message.startswith(message)
    assert hint in caught.value.hint


def test_flags_count_more_than_the_environment_and_that_more_than_the_file(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("ELASTICSEARCH_URL=http://file:1\nELASTICSEARCH_USERNAME=file\nELASTICSEARCH_PASSWORD=file\n")
    env = {"ELASTICSEARCH_URL": "http://env:1", "ELASTICSEARCH_USERNAME": "env", "ELASTICSEARCH_API_KEY": ""}
    found = connection(env, env_file=file, url="http://flag:1", username=None)
    assert found == Connection(url="http://flag:1", username="env", password="file")
    nothing = connection({}, env_file=tmp_path / "missing")
    assert not nothing.named
    assert nothing.where == "http://localhost:9200"
    assert Connection(cloud_id="x").named


@pytest.mark.parametrize(
    ("where", "sent"),
    [
        (Connection(api_key="k", username="ann", password="p"), "ApiKey k"),
        (Connection(username="ann", password="p"), "Basic YW5uOnA="),
    ],
)
def test_who_asks(where: Connection, sent: str) -> None:
    with connect(where) as client:
        assert client._headers["authorization"] == sent


def nodes(*versions: str, modules: tuple[str, ...] = ("lang-painless",)) -> Answer:
    made = {str(n): {"version": v, "modules": [{"name": m} for m in modules]} for n, v in enumerate(versions)}
    return 200, json.dumps({"nodes": made}), ELASTIC


def test_capabilities_are_those_of_the_weakest_node(serve: Serve) -> None:
    licence = (200, json.dumps({"license": {"type": "trial"}}), ELASTIC)
    url = serve({"/_nodes/plugins": nodes("9.4.3", "8.14.1-SNAPSHOT"), "/_license": licence})
    with connect(Connection(url=url)) as client:
        assert capabilities(client) == Capabilities((8, 14, 1), "trial", frozenset({"lang-painless"}))


def test_a_server_without_licence_api_counts_as_basic(serve: Serve) -> None:
    url = serve({"/_nodes/plugins": nodes("9.4.3"), "/_license": (400, refusal("illegal", "no handler"), ELASTIC)})
    with connect(Connection(url=url)) as client:
        assert capabilities(client).licence == "basic"


def test_a_server_that_is_too_old(serve: Serve) -> None:
    url = serve({"/_nodes/plugins": nodes("8.13.4")})
    with connect(Connection(url=url)) as client, pytest.raises(Incompatible, match=r"Elasticsearch 8\.13\.4.*8\.14"):
        capabilities(client)


@pytest.mark.parametrize(
    ("can", "expected"),
    [
        (Capabilities((8, 14, 0)), {"packed_vectors": False, "knn_k": False, "painless": True, "pipelines": True}),
        (Capabilities((8, 15, 0)), {"packed_vectors": False, "knn_k": True}),
        (Capabilities((9, 3, 0)), {"packed_vectors": True, "paid": False}),
        (Capabilities(licence="trial"), {"paid": True}),
        (Capabilities(modules=frozenset()), {"painless": False, "pipelines": False}),
        (Capabilities(modules=frozenset({"lang-painless"})), {"painless": True, "pipelines": False}),
    ],
)
def test_what_a_version_can_do(can: Capabilities, expected: dict[str, bool]) -> None:
    assert {name: getattr(can, name) for name in expected} == expected


def test_why_a_strategy_cannot_be_used() -> None:
    paid = frozenset({"lang-painless", "rank-rrf"})
    assert not any(Capabilities((8, 18, 0), "trial", paid).strategies().values())
    for licence in ("trial", "basic"):  # a licence alone would not help
        assert Capabilities((8, 17, 9), licence, paid).strategies()["linear"] == "needs Elasticsearch 8.18"
    basic = Capabilities((9, 4, 0), "basic", frozenset()).strategies()
    assert basic["exact"] == "the server has no painless scripts"
    assert basic["rrf"] == "needs an Enterprise or trial licence, not basic"
    assert Capabilities(licence="trial").strategies()["rrf"] == "the server lacks the module rank-rrf"
