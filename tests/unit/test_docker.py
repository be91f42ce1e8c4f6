"""docker/: what can be checked without an engine."""

import base64
import json
import os
import re
import shutil
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from esmm.node.sources import VERSION
from esmm.shipped import shipped

yaml = pytest.importorskip("yaml", reason="PyYAML comes with the extra models")

COMPOSE = shipped("docker/compose.yaml")
DOCKERFILE = shipped("docker/Dockerfile").read_text()
RUNNING = ("elasticsearch", "kibana")


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    return yaml.safe_load(COMPOSE.read_text())["services"]


def test_images_are_pinned(services: dict[str, Any]) -> None:
    for name in (*RUNNING, "setup"):
        assert services[name]["image"].endswith(f":{VERSION}"), name
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert bases
    assert all(re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+", base) for base in bases)


def test_what_keeps_running_has_a_health_check_and_stays_on_this_machine(services: dict[str, Any]) -> None:
    for name in RUNNING:
        assert services[name]["healthcheck"]["test"][0] == "CMD-SHELL"
        assert all(port.startswith("127.0.0.1:") for port in services[name]["ports"])


def test_every_variable_has_a_value_or_says_what_to_set() -> None:
    used = re.findall(r"(?<!\$)\$\{?(\w+)(:[-?])?", COMPOSE.read_text())
    assert len(used) > 10
    assert {name for name, fallback in used if not fallback} == set()


def test_no_password_is_written_down(services: dict[str, Any]) -> None:
    for name, service in services.items():
        for key, value in service.get("environment", {}).items():
            if "PASSWORD" in key:
                assert re.fullmatch(r"\$\{\w+:\?set \w+ in the environment or in \.env\}", value), (name, key)


def test_every_volume_is_declared(services: dict[str, Any]) -> None:
    named = [volume.partition(":")[0] for service in services.values() for volume in service.get("volumes", [])]
    declared = yaml.safe_load(COMPOSE.read_text())["volumes"]
    assert {name for name in named if not name.startswith("$")} == set(declared)


def test_esmm_is_a_tool_that_does_not_run_as_root(services: dict[str, Any]) -> None:
    assert services["esmm"]["profiles"] == ["tools"]
    assert (COMPOSE.parent / services["esmm"]["build"]["context"] / services["esmm"]["build"]["dockerfile"]).exists()
    assert DOCKERFILE.index("USER esmm") < DOCKERFILE.index('ENTRYPOINT ["esmm"]')


def test_what_the_image_copies_is_what_the_wheel_needs() -> None:
    copied = set(re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.MULTILINE))
    project = (COMPOSE.parent.parent / "pyproject.toml").read_text()
    shipped_folders = re.findall(r'^"(\w+)" = "esmm/_shipped', project, re.MULTILINE)
    assert {"esmm", *shipped_folders} <= copied


class Receiver(BaseHTTPRequestHandler):
    got: list[tuple[str, str, bytes]] = []  # noqa: RUF012

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.got.append((self.path, self.headers["Authorization"], body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def run_setup(script: str, password: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "ELASTIC_PASSWORD": "e $x", "KIBANA_PASSWORD": password}
    return subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, check=False)


@pytest.mark.skipif(not (shutil.which("curl") and shutil.which("bash")), reason="needs bash and curl")
def test_setup_sends_the_password_as_json_and_refuses_what_would_break_it(services: dict[str, Any]) -> None:
    script = services["setup"]["command"][0].replace("$$", "$")
    with HTTPServer(("127.0.0.1", 0), Receiver) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        done = run_setup(script.replace("elasticsearch:9200", f"127.0.0.1:{server.server_port}"), "k $y 'z")
        thread.join()
    assert done.returncode == 0, done.stderr
    [(path, authorization, body)] = Receiver.got
    assert path == "/_security/user/kibana_system/_password"
    assert base64.b64decode(authorization.removeprefix("Basic ")) == b"elastic:e $x"
    assert json.loads(body) == {"password": "k $y 'z"}
    for bad in ('a"b', "a\\b"):
        assert run_setup(script, bad).returncode == 1


def test_docker_is_passed_over_where_no_engine_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from esmm.errors import NodeError
    from esmm.node.docker import require_engine

    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    with pytest.raises(NodeError, match="no Docker engine answers"):
        require_engine()
