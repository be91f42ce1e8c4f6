"""Runs every example, before and after, and compares what it finds with what Python finds.

    python examples/clients/run.py [--text "…"] [--recipe esmm.toml] [--only python go …]

Exit code 1 where a language finds something else. What is fetched and built lies in esmm's cache folder.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from esmm.cli.common import Cluster, load_recipe
from esmm.cli.ingest import ensure_server
from esmm.cluster import DEFAULT_URL
from esmm.errors import EsmmError
from esmm.paths import cache_dir, make_folder
from esmm.server import find_server

HERE = Path(__file__).parent
SAMPLE = HERE.parents[1] / "ingest" / "sample"
WHEN = ("before", "after")
TEXT = "keep my coffee hot on the train"
Found = dict[str, list[str]]


@dataclass(frozen=True)
class Language:
    """What an example needs, what fetches and builds it (run in its folder), and what runs it."""

    tools: tuple[str, ...]
    build: tuple[str, ...]
    run: str
    client: int | None = None  # its client's major version, the oldest of the server


LANGUAGES = {
    "python": Language((), (), f"{sys.executable} python/{{when}}.py"),
    "curl": Language(("bash", "curl"), (), "bash curl/{when}.sh"),
    "javascript": Language(
        ("node", "npm"), ("npm install --no-package-lock --no-audit --no-fund",), "node javascript/{when}.js", 9
    ),
    "java": Language(
        ("java", "mvn"),
        ("mvn -q dependency:copy-dependencies -DoutputDirectory=lib",),
        "java -cp java/lib/* java/{When}.java",
        9,
    ),
    "go": Language(
        ("go",), ("go mod tidy", "go build -o before before.go", "go build -o after after.go"), "go/{when}", 9
    ),
}


def main() -> int:
    """Run the languages named on the command line, or all; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=list(LANGUAGES), default=list(LANGUAGES), help="these languages")
    parser.add_argument("--text", default=TEXT)
    parser.add_argument("--recipe", type=Path, default=SAMPLE / "esmm.toml")
    given = parser.parse_args()
    index = load_recipe(str(given.recipe)).index.name
    server = ensure_server(find_server(), quiet=False)
    os.environ |= {"ELASTICSEARCH_URL": server.where.url or DEFAULT_URL, "INDEX": index}
    work = make_folder(cache_dir() / "clients" / index)
    prepare(work, given.recipe.absolute(), given.text, server)
    found: dict[str, Found] = {}
    missing: dict[str, str] = {}
    for name in dict.fromkeys(["python", *given.only]):
        if reason := lacks(LANGUAGES[name], server):
            missing[name] = reason
        else:
            found[name] = searched(LANGUAGES[name], name, given.text, work)
    differing = differences(found)
    show(found, missing, differing)
    return 1 if differing else 0


def prepare(work: Path, recipe: Path, text: str, server: Cluster) -> None:
    """Load the sample if it is not there; from query.json make hybrid.json and vector.json, as a shop would."""
    shutil.copytree(HERE, work, dirs_exist_ok=True)
    if not server.client.indices.exists(index=os.environ["INDEX"]):
        esmm("ingest", SAMPLE / "products.jsonl", "--recipe", recipe, "--quiet")
    upgrade = esmm("upgrade", work / "query.json", "--placeholders", "--recipe", recipe)
    (work / "hybrid.json").write_text(upgrade, encoding="utf-8")
    (work / "vector.json").write_text(esmm("embed", text, "--recipe", recipe), encoding="utf-8")


def lacks(language: Language, server: Cluster) -> str:
    """Say what keeps a language from running here; nothing if it can."""
    if absent := [tool for tool in language.tools if not shutil.which(tool)]:
        return f"{' and '.join(absent)} not installed"
    version = server.can.version[0]
    if language.client and version < language.client:
        return f"client {language.client} needs Elasticsearch {language.client}, this is {version}"
    return ""


def searched(language: Language, name: str, text: str, work: Path) -> Found:
    """Build and run both programs of a language; return the ids that each finds, in order."""
    for command in language.build:
        output(command.split(), work / name)
    runs = {when: language.run.format(when=when, When=when.title()).split() for when in WHEN}
    return {when: ids(output([*command, text], work)) for when, command in runs.items()}


def ids(printed: str) -> list[str]:
    """Read the ids from what a program printed: lines that begin with one, or the server's answer."""
    if printed.startswith("{"):
        return [hit["_id"] for hit in json.loads(printed).get("hits", {}).get("hits", [])]
    return [line.split()[0] for line in printed.splitlines()]


def differences(found: dict[str, Found]) -> list[str]:
    """Name each program that does not find what Python finds, in its order."""
    return [f"{name}, {when}" for name in found for when in WHEN if found[name][when] != found["python"][when]]


def show(found: dict[str, Found], missing: dict[str, str], differing: Sequence[str]) -> None:
    """Print the table."""
    for name, results in found.items():
        for when in WHEN:
            verdict = "differs from Python" if f"{name}, {when}" in differing else "as Python"
            print(f"{name:<12}{when:<8}{len(results[when]):>3} hits  {verdict:<21}{' '.join(results[when])}")
    for name, reason in missing.items():
        print(f"{name:<12}not run: {reason}")


def esmm(*arguments: object) -> str:
    """Run a command of esmm; return what it prints."""
    return output([sys.executable, "-m", "esmm", *map(str, arguments)], Path())


def output(command: Sequence[str], folder: Path) -> str:
    """Run a program in a folder; return what it prints. SystemExit if it fails."""
    try:
        done = subprocess.run(command, cwd=folder, check=True, capture_output=True, encoding="utf-8")
    except subprocess.CalledProcessError as failed:
        told = (failed.stderr or failed.stdout).strip()
        sys.exit(f"{' '.join(command[:3])} ended with exit code {failed.returncode}: {told[-1000:]}")
    return done.stdout


if __name__ == "__main__":
    try:
        sys.exit(main())
    except EsmmError as error:
        sys.exit(str(error))
