"""Start a local node: its folders, its settings, its command, and what a crash means."""

import json
import os
import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from esmm.errors import NodeError
from esmm.node import probe, process
from esmm.node.java import find_java
from esmm.paths import make_folder

# What a log says, the sentence of the remedy.
_REMEDIES = {
    r"heap size|heap space|OutOfMemory|Could not reserve|insufficient memory|Cannot allocate memory": (
        "set ESMM_HEAP to what this machine can give, such as 512m"
    ),
    r"failed to obtain node lock|LockObtainFailed": "another node uses this data folder: stop it, or name another one",
    r"Address already in use|BindHttpException": "another program took the port meanwhile: start again",
    r"cannot downgrade|created by a newer|newer than the current": (
        "the data was written by a newer Elasticsearch: use that one, or another data folder"
    ),
    r"No space left on device": "make room on the disk of the data folder",
    r"unknown setting": "the home that was named carries a setting that this version does not know: look at its config",
}


@dataclass(frozen=True)
class Plan:
    """All that is needed to start a node."""

    home: Path
    version: str
    data: Path
    port: int

    @property
    def url(self) -> str:
        """Where the node answers, on this machine only."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        """The file that takes all output of the node; its last lines tell why it crashed."""
        return self.data / "logs" / "console.log"


def start(plan: Plan) -> int:
    """Start the node of ``plan`` and return its process number; it does not answer yet."""
    java = find_java(plan.version, plan.home)
    who = process.account()
    _prepare(plan, who, java)
    return process.start(command(plan, java), environment(plan, java), plan.log, who)


def wait_ready(plan: Plan, pid: int, seconds: float = 180) -> None:
    """Wait until the node answers; NodeError with the end of its log where it crashes or is too slow."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if probe.version_at(plan.url):
            probe.settle(plan.url)
            return
        if process.birth(pid) is None:
            raise _crashed(plan)
        time.sleep(0.3)
    raise NodeError(
        f"Elasticsearch {plan.version} did not answer within {seconds:g} s; the end of {plan.log}:\n"
        f"{process.tail(plan.log)}",
        "give the machine more room (ESMM_HEAP is what Elasticsearch takes, 1g by default) and start again",
    )


def command(plan: Plan, java: Path) -> list[str]:
    """Return the command that starts this kind of home: script, 9.x launcher, or 8.x launcher."""
    home, program = plan.home, str(java / "bin" / "java")
    if (script := home / "bin" / "elasticsearch").exists():
        return [str(script)]
    if (home / "lib/tools/server-launcher").is_dir():
        main = "org.elasticsearch.server.launcher.ServerLauncher"
        return [program, "-cp", f"{home}/lib/tools/server-launcher/*", main]
    if (home / "lib/cli-launcher").is_dir():
        return [
            program,
            "-Dcli.name=server",
            f"-Dcli.script={script}",
            "-Dcli.libs=lib/tools/server-cli",
            f"-Des.path.home={home}",
            f"-Des.path.conf={plan.data / 'config'}",
            "-Des.distribution.type=tar",
            "-cp",
            f"{home}/lib/*:{home}/lib/cli-launcher/*",
            "org.elasticsearch.launcher.CliToolLauncher",
        ]
    raise NodeError(
        f"{home} holds nothing that starts Elasticsearch", "name a whole Elasticsearch, or leave --home out"
    )


def environment(plan: Plan, java: Path) -> dict[str, str]:
    """Return the node's whole environment: nothing of the user's, which may hold secrets, but PATH and the language."""
    heap = os.environ.get("ESMM_HEAP", "1g")
    own = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    return own | {
        "ES_HOME": str(plan.home),
        "ES_PATH_CONF": str(plan.data / "config"),
        "ES_DISTRIBUTION_TYPE": "tar",
        "ES_JAVA_HOME": str(java),
        "ES_JAVA_OPTS": f"-Xms{heap} -Xmx{heap} {os.environ.get('ES_JAVA_OPTS', '')}".strip(),
        "ES_TMPDIR": str(plan.data / "tmp"),
        "HOME": str(plan.data / "tmp"),
        "JAVA": str(java / "bin" / "java"),
        "JAVA_TYPE": "ES_JAVA_HOME",
        "CLI_JAVA_OPTS": "",
    }


def settings(plan: Plan) -> dict[str, object]:
    """Return the node's settings. One that a home does not know would stop the node, so modules decide."""
    modules = plan.home / "modules"
    known = {"x-pack-core": "xpack.security.enabled", "x-pack-ml": "xpack.ml.enabled"}
    return {
        "cluster.name": "esmm",
        "node.name": "esmm",
        "discovery.type": "single-node",
        "http.host": "127.0.0.1",
        "http.port": plan.port,
        "transport.host": "127.0.0.1",
        "transport.port": 0,
        "path.data": str(plan.data / "index"),
        "path.logs": str(plan.data / "logs"),
    } | {setting: False for module, setting in known.items() if (modules / module).is_dir()}


def _prepare(plan: Plan, who: process.Account, java: Path) -> None:
    """Make the node's folders and settings; the home itself stays as it is and is only read."""
    try:
        for name in ("config", "index", "logs", "tmp"):
            folder = make_folder(plan.data / name)
            if name == "config":
                _write_config(plan, folder)
            who.own(folder)
    except PermissionError as fault:
        raise _unwritable(plan.data, "the present user") from fault
    if not who.may("w", plan.data / "index"):
        raise _unwritable(plan.data, who.name)
    for path in (plan.home / "lib", java / "bin"):
        if not who.may("x", path):
            raise NodeError(f"{path} cannot be read by {who.name}", "put it where every user may read it")


def _write_config(plan: Plan, folder: Path) -> None:
    for path in sorted((plan.home / "config").rglob("*")):
        target = folder / path.relative_to(plan.home / "config")
        if path.is_dir():
            target.mkdir(exist_ok=True)
        else:
            shutil.copyfile(path, target)
            target.chmod(0o640)
    # A start that was cut off leaves it, and Elasticsearch refuses to start where it is.
    (folder / "elasticsearch.keystore.tmp").unlink(missing_ok=True)
    lines = [f"{name}: {json.dumps(value)}" for name, value in settings(plan).items()]
    (folder / "elasticsearch.yml").write_text("\n".join(["# written by esmm", *lines, ""]), encoding="utf-8")
    options = folder / "jvm.options"
    if options.exists():
        # The garbage collector's log goes to the home, which the node must not need to write.
        kept = re.sub(r"^[^#\n]*-Xlog:.*\n?", "", options.read_text(encoding="utf-8"), flags=re.MULTILINE)
        options.write_text(kept, encoding="utf-8")


def _unwritable(data: Path, name: str) -> NodeError:
    return NodeError(
        f"the data folder {data} cannot be reached or written by {name}, as whom Elasticsearch runs",
        "name another one by --data or ESMM_DATA, outside of anybody's private folder",
    )


def _crashed(plan: Plan) -> NodeError:
    shown, searched = process.tail(plan.log), process.tail(plan.log, 100)
    remedies = [remedy for pattern, remedy in _REMEDIES.items() if re.search(pattern, searched, re.IGNORECASE)]
    return NodeError(
        f"Elasticsearch {plan.version} stopped while starting; the end of {plan.log}:\n{shown}",
        remedies[0] if remedies else "read the log; `esmm up` with another data folder starts from nothing",
    )
