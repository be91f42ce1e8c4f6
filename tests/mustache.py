"""Elasticsearch 7.17 with the real Mustache engine: built once from Maven, into the cache folder.

The servers that run here lack Mustache. This one renders search templates exactly as Elasticsearch does.
"""

import http.client
import json
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from esmm.node import process
from esmm.node.archive import unpack
from esmm.node.launch import Plan, start, wait_ready
from esmm.paths import cache_dir, make_folder

VERSION = "7.17.29"
_NODE = f"org.elasticsearch.distribution.integ-test-zip:elasticsearch:{VERSION}:zip"
_JARS = (
    f"org.elasticsearch.plugin:lang-mustache-client:{VERSION}",
    "com.github.spullara.mustache.java:compiler:0.9.6",
)
_POLICY = 'grant { permission java.lang.RuntimePermission "accessDeclaredMembers"; };\n'


class Mustache:
    """The node's Mustache: renders templates over one connection."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=30)

    def render(self, source: str, params: Any) -> Any:
        """Render a template and read what came of it as JSON."""
        return json.loads(self.text(source, params))

    def text(self, source: str, params: Any) -> str:
        """Render a template; what came of it need not be JSON."""
        body = json.dumps({"source": source, "params": params}).encode()
        self._connection.request("POST", "/_render/template", body, {"Content-Type": "application/json"})
        answer = self._connection.getresponse()
        text = answer.read().decode()
        assert answer.status == 200, text
        return text.removeprefix('{"template_output":').removesuffix("}")

    def close(self) -> None:
        self._connection.close()


@contextmanager
def mustache_node() -> Iterator[Mustache]:
    """Start the node on a free port, and stop it at the end."""
    # Not pytest's own folder: started by root, the node runs as another user, who cannot enter it.
    folder = Path(tempfile.gettempdir()) / f"esmm-mustache-{os.getpid()}"
    plan = Plan(mustache_home(), VERSION, folder, _free_port())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ESMM_HEAP", "512m")
        pid = start(plan)
    born = process.birth(pid) or ""
    try:
        wait_ready(plan, pid)
        with closing(Mustache(plan.url)) as found:
            yield found
    finally:
        process.stop(pid, born)
        shutil.rmtree(folder, ignore_errors=True)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as trial:
        return int(trial.getsockname()[1])


def mustache_home() -> Path:
    """Return the folder of the node's programs; fetched and put together the first time, whole or not at all."""
    home = cache_dir() / "mustache-node" / VERSION
    if home.exists():
        return home
    # Beside its place, so that one rename moves it there; the loser of two at once throws his away.
    with tempfile.TemporaryDirectory(dir=make_folder(home.parent)) as folder:
        shop = Path(folder)
        for artifact in (_NODE, *_JARS):
            _fetch(artifact, shop)
        unpack(shop / f"elasticsearch-{VERSION}.zip", shop / "home")
        _add_mustache(shop / "home" / "modules", shop)
        try:
            (shop / "home").rename(home)
        except OSError:
            if not home.exists():
                raise
    return home


def _fetch(artifact: str, folder: Path) -> None:
    goal = ["dependency:copy", f"-Dartifact={artifact}", f"-DoutputDirectory={folder}"]
    subprocess.run(["mvn", "--batch-mode", "--quiet", "--strict-checksums", *goal], check=True)


def _add_mustache(modules: Path, jars: Path) -> None:
    module = modules / "lang-mustache"
    module.mkdir()
    sibling = (modules / "transport-netty4" / "plugin-descriptor.properties").read_text(encoding="utf-8")
    own = {"name": "lang-mustache", "classname": "org.elasticsearch.script.mustache.MustachePlugin"}
    lines = [line for line in sibling.splitlines() if line.partition("=")[0] not in own]
    lines += [f"{key}={value}" for key, value in own.items()]
    (module / "plugin-descriptor.properties").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (module / "plugin-security.policy").write_text(_POLICY, encoding="utf-8")
    for jar in jars.glob("*.jar"):
        shutil.copy(jar, module)
    for path in (module, *module.iterdir()):
        path.chmod(0o755 if path.is_dir() else 0o644)
