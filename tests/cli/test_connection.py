"""Servers that do not answer, refuse the credentials, are too old, too new or no Elasticsearch at all."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import wire
from shell import Esmm

SECRETS = ("hunter2", "c2VjcmV0", "elastic:")
NODES = "/_nodes/plugins"


def _without_auth(request: wire.Request) -> wire.Answer:
    """Answer as a node with security on does to wrong credentials."""
    reason = f"unable to authenticate user [elastic] for REST request [{request.path}]"
    found = wire.refusal(401, "security_exception", reason)
    return wire.Answer(401, found.body, found.headers | {"WWW-Authenticate": 'Basic realm="security", charset="UTF-8"'})


def _elasticsearch(version: str, *, product: bool = True) -> Callable[[wire.Request], wire.Answer]:
    """Answer as a node of this version does when asked about itself."""

    def reply(request: wire.Request) -> wire.Answer:
        asked = re.search(r"compatible-with=(\d+)", request.headers.get("accept", ""))
        if product and asked and int(asked[1]) > int(version.split(".", maxsplit=1)[0]) and version.startswith("8.10"):
            reason = f"Invalid media-type value on headers [Accept, Content-Type]: version {asked[1]} is not supported"
            return wire.refusal(400, "media_type_header_exception", reason)
        body = {"nodes": {"a": {"version": version, "modules": [{"name": "lang-painless"}]}}}
        answer = wire.elastic(200, body)
        plain = {"Content-Type": "application/json; charset=UTF-8"}
        return answer if product else wire.Answer(200, json.dumps(body).encode(), plain)

    return reply


@pytest.mark.parametrize("command", [("ingest", "catalog.jsonl"), ("search", "red"), ("rollback",)])
def test_named_server_that_does_not_answer(
    esmm: Esmm, shop_folder: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.setenv("ELASTICSEARCH_URL", "http://127.0.0.1:9")
    done = esmm(*command)
    done.fatal("no Elasticsearch answers at http://127.0.0.1:9: connection refused", "esmm up")
    assert "starting" not in done.err
    assert not list(shop_folder.glob("*.rejected.jsonl"))


def test_host_that_does_not_exist(esmm: Esmm, shop_folder: Path) -> None:
    esmm("search", "red", "--url", "http://nowhere.invalid:9200").fatal(
        "no Elasticsearch answers at", "ELASTICSEARCH_URL"
    )


@pytest.mark.parametrize(
    "url", ["localhost:9200", "http://localhost", "ftp://localhost:9200", "http://a:b:c:9200", "http://"]
)
def test_address_that_is_none(esmm: Esmm, shop_folder: Path, url: str) -> None:
    done = esmm("search", "red", "--url", url)
    assert done.code == 1
    assert "unexpected" not in done.err, done.err
    assert "hint:" in done.err


@pytest.mark.parametrize("debug", [(), ("--debug",)])
def test_wrong_password_is_told_without_showing_it(program: Esmm, shop_folder: Path, debug: tuple[str, ...]) -> None:
    with wire.serve(_without_auth) as url:
        done = program(*debug, "search", "red", "--url", url, "--username", "elastic", "--password", "hunter2")
    assert done.code == 1
    assert f"{url} does not accept the credentials" in done.err
    assert ("Traceback" in done.err) == bool(debug)
    assert not [secret for secret in SECRETS if secret in done.out + done.err]


@pytest.mark.parametrize(
    "address",
    [
        "http://elastic:hunter2@{host}",
        "http://elastic:hunter2@nowhere.invalid:9200",
        "http://elastic:hun%2Fter2@{host}",
        "http://elastic:hunter2@{host}/sub?x=1",
        "http://elastic:p@hunter2@{host}",
        "http://elastic:p/hunter2@{host}",
        "http://elastic:p#hunter2@{host}",
        "http://elastic:p?hunter2@{host}",
        "http://elastic:p hunter2@{host}",
        "elastic:hunter2@{host}",
    ],
)
@pytest.mark.parametrize(
    "command", [("search", "red"), ("doctor",), ("ingest", "catalog.jsonl"), ("--debug", "search", "red")]
)
def test_secret_in_the_address_is_never_shown(
    esmm: Esmm, shop_folder: Path, monkeypatch: pytest.MonkeyPatch, address: str, command: tuple[str, ...]
) -> None:
    with wire.serve(_without_auth) as url:
        monkeypatch.setenv("ELASTICSEARCH_URL", address.format(host=url.removeprefix("http://")))
        done = esmm(*command)
    assert done.code == 1
    assert "hunter2" not in done.out + done.err
    assert "ter2" not in done.out + done.err
    assert "unexpected" not in done.err


def test_api_key_is_sent_and_never_shown(esmm: Esmm, shop_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def reply(request: wire.Request) -> wire.Answer:
        seen.append(request.headers.get("authorization"))
        return _without_auth(request)

    monkeypatch.setenv("ELASTICSEARCH_API_KEY", "c2VjcmV0")
    with wire.serve(reply) as url:
        done = esmm("--debug", "ingest", "catalog.jsonl", "--url", url)
    assert seen[0] == "ApiKey c2VjcmV0"
    assert (done.code, "c2VjcmV0" in done.err + done.out) == (1, False)


def test_settings_come_from_a_file_and_flags_win(
    esmm: Esmm, shop_folder: Path, monkeypatch: pytest.MonkeyPatch, server_url: str
) -> None:
    monkeypatch.delenv("ELASTICSEARCH_URL")
    (shop_folder / ".env").write_text("ELASTICSEARCH_URL=http://127.0.0.1:9\n")
    esmm("search", "red").fatal("http://127.0.0.1:9", "esmm up")
    (shop_folder / "other.env").write_text(f"ELASTICSEARCH_URL={server_url}\n")
    assert esmm("ingest", "catalog.jsonl", "--env-file", "other.env").code == 0


def test_right_that_is_missing(esmm: Esmm, shop_folder: Path) -> None:
    reason = "action [cluster:monitor/nodes/info] is unauthorized for user [shop]"
    with wire.serve(lambda _: wire.refusal(403, "security_exception", reason)) as url:
        esmm("search", "red", "--url", url).fatal("does not allow this: action [cluster:monitor", "right")


def test_server_before_7_14(esmm: Esmm, shop_folder: Path) -> None:
    with wire.serve(_elasticsearch("7.10.2", product=False)) as url:
        esmm("search", "red", "--url", url).fatal(
            f"what answers at {url} is not Elasticsearch, or is older than 7.14", "8.14"
        )


@pytest.mark.parametrize("version", ["7.17.29", "8.13.4"])
def test_server_before_8_14(esmm: Esmm, shop_folder: Path, version: str) -> None:
    with wire.serve(_elasticsearch(version)) as url:
        done = esmm("ingest", "catalog.jsonl", "--url", url)
    done.fatal(f"the server is Elasticsearch {version}, esmm needs 8.14 or newer", "upgrade")


def test_client_too_new_for_the_server(esmm: Esmm, shop_folder: Path) -> None:
    import elasticsearch

    if elasticsearch.__version__[0] < 9:
        pytest.skip("only a client of version 9 is refused by servers of version 8")
    with wire.serve(_elasticsearch("8.10.4")) as url:
        esmm("search", "red", "--url", url).fatal("client is too new for the server", "elasticsearch>=8.15,<9")


@pytest.mark.parametrize(
    ("status", "sentence"),
    [(200, "what answers at {} is not Elasticsearch"), (404, "{} answers 404: welcome to nginx")],
)
def test_web_server_that_is_no_elasticsearch(esmm: Esmm, shop_folder: Path, status: int, sentence: str) -> None:
    page = wire.Answer(status, b"<html><body>welcome to nginx</body></html>", {"Content-Type": "text/html"})
    with wire.serve(lambda _: page) as url:
        done = esmm("search", "red", "--url", url)
    done.fatal(sentence.format(url), "")
    assert "<html>" not in done.err


def test_server_that_hangs_up(esmm: Esmm, shop_folder: Path) -> None:
    with wire.serve(lambda _: wire.DROP) as url:
        esmm("search", "red", "--url", url).fatal(f"no Elasticsearch answers at {url}", "esmm up")


def test_certificate_file_that_is_missing(esmm: Esmm, shop_folder: Path) -> None:
    flags = ("--url", "https://127.0.0.1:9", "--ca-certs", "nowhere.pem")
    esmm("search", "red", *flags).fatal("CA certificate nowhere.pem does not exist", "PEM")
