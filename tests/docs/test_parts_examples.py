"""examples/parts: what each scheduler would run is run here, without the scheduler, against a real server."""

import ast
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

import pytest
import shop
from elasticsearch import Elasticsearch
from shell import ROOT

from esmm.cli import cli
from esmm.ingest.parts import part_of

EXAMPLES, COUNT = ROOT / "examples" / "parts", 40


@pytest.fixture
def place(tmp_path: Path, recipe_text: str, server_url: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a shop, and a program esmm in the PATH."""
    (tmp_path / "esmm.toml").write_text(recipe_text.partition("[image]")[0], encoding="utf-8")
    shop.write(tmp_path / "catalog.jsonl", [*shop.products(COUNT), "{broken"])
    program = tmp_path / "bin" / "esmm"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m esmm "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("ELASTICSEARCH_URL", server_url)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def loaded(client: Elasticsearch, alias: str) -> int:
    return int(client.count(index=alias)["count"])


def test_kubernetes(place: Path, client: Elasticsearch, alias: str) -> None:
    yaml = pytest.importorskip("yaml", reason="PyYAML comes with the extra models")
    job = yaml.safe_load((EXAMPLES / "kubernetes.yaml").read_text("utf-8"))["spec"]["jobTemplate"]["spec"]
    (container,) = job["template"]["spec"]["containers"]
    (script,) = container["args"]
    assert f"/{job['completions']} " in script
    assert job["completionMode"] == "Indexed"
    script = script.replace("/shop/", "").replace(f"/{job['completions']} ", "/2 ")
    for index in ("0", "1"):
        env = os.environ | {"JOB_COMPLETION_INDEX": index, container["env"][0]["name"]: "esmm-ingest-1"}
        assert subprocess.run([*container["command"], script], env=env, check=False).returncode == 0
    assert loaded(client, alias) == COUNT


class Bash:
    """What of Airflow's BashOperator the example uses: it keeps the commands."""

    ran: ClassVar[list[str]] = []

    def __init__(self, **given: Any) -> None:
        self.ran.append(given["bash_command"])

    @classmethod
    def partial(cls, **_: Any) -> type["Bash"]:
        return cls

    @classmethod
    def expand(cls, bash_command: list[str]) -> "Bash":
        cls.ran += bash_command
        return cls(bash_command=cls.ran.pop())

    def __rshift__(self, other: Any) -> None:
        pass


def test_airflow(place: Path, client: Elasticsearch, alias: str) -> None:
    """Airflow is not installed here: the file is run without its imports, and the shell commands for real."""
    tree = ast.parse((EXAMPLES / "airflow_dag.py").read_text("utf-8"))
    tree.body = [line for line in tree.body if "airflow" not in ast.unparse(line).split(" import ")[0]]
    (block,) = [line for line in tree.body if isinstance(line, ast.With)]
    block.items = [ast.withitem(ast.parse("open('/dev/null')", mode="eval").body)]
    Bash.ran.clear()
    code = compile(ast.fix_missing_locations(tree), "airflow_dag.py", "exec")
    exec(code, {"BashOperator": Bash})
    assert len(Bash.ran) == 17
    for command in [Bash.ran[0], *(line.replace("/16 ", "/2 ") for line in Bash.ran[1:3])]:
        assert subprocess.run(["bash", "-c", command.replace("{{ run_id }}", "x")], check=False).returncode == 0
    assert loaded(client, alias) == COUNT


def test_spark(place: Path, client: Elasticsearch, alias: str) -> None:
    """The partitions are made by hand here."""
    job = runpy.run_path(str(EXAMPLES / "spark_job.py"))
    job["load"].__globals__["PARTS"] = 2
    for index in (0, 1):
        rows = [row for row in shop.products(COUNT) if part_of(row["id"], 2) == index + 1]
        assert list(job["load"](index, rows, run="tonight")) == [(index + 1, 0)]
    assert loaded(client, alias) == COUNT


@pytest.mark.parametrize("file", ["kubernetes.yaml", "airflow_dag.py", "spark_job.py"])
def test_every_option_is_one_of_the_program(file: str) -> None:
    used = set(re.findall(r"(?<=[ \"])--[a-z-]+", (EXAMPLES / file).read_text("utf-8")))
    known = {name for verb in ("ingest", "parts") for option in cli.commands[verb].params for name in option.opts}
    assert {"--part", "--run"} <= used <= known
