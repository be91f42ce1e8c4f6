"""The server tests and every strategy on each version of Elasticsearch: ``make matrix``, or with some versions only.

One node at a time. 8.x servers refuse the Python client 9, so theirs is a thin environment: client 8 before all else
of this one. What was found is kept in results/matrix.json, so that one version can be run again by itself.
"""

import json
import os
import subprocess
import sys
import sysconfig
import tempfile
import urllib.request
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from typing import Any
from xml.etree import ElementTree

from benchmarks.common import HERE, publish, table
from benchmarks.probe import WORKS
from esmm import node
from esmm.node.sources import MAVEN

ROOT = HERE.parent
CLIENT_8 = ROOT / ".venv-client8"
KEPT = HERE / "results" / "matrix.json"
README = ROOT / "README.md"
START, END = "<!-- matrix -->", "<!-- end of matrix -->"
STRATEGIES = ("exact", "boost", "client", "rrf", "linear")
NEWER_CLIENT = "tests/server/test_client_version.py"
SERVER_TESTS = ("tests/server", "--ignore", "tests/server/test_node.py", "--ignore", NEWER_CLIENT)
LACKING = "lacks the module"
Json = dict[str, Any]


def main() -> int:
    """Run the versions that are named, or all; write the table; return 1 where a test failed."""
    found = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.exists() else {}
    versions = sys.argv[1:] or list(MAVEN)
    for version in versions:
        print(f"Elasticsearch {version}", flush=True)
        found[version] = _examined(version)
        KEPT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    _publish({version: found[version] for version in MAVEN if version in found})
    return int(any(found[version]["tests"]["failed"] for version in versions))


def _examined(version: str) -> Json:
    python = _client_8() if version.startswith("8.") else Path(sys.executable)
    with _node(version) as url:
        tests = _tests(python, url, *SERVER_TESTS)
        if python != Path(sys.executable):
            newer = _tests(Path(sys.executable), url, NEWER_CLIENT)
            tests |= {name: tests[name] + newer[name] for name in ("passed", "failed")}
        basic = _probed(python, url)
        trial = _probed(python, url) if _trial(url) else None
    return {"tests": tests, "licences": [licence for licence in (basic, trial) if licence]}


@contextmanager
def _node(version: str) -> Iterator[str]:
    # Not below anybody's private folder: started by root, the node runs as another user.
    folder = Path(tempfile.gettempdir()) / f"esmm-matrix-{os.getpid()}"
    try:
        yield node.up(source="maven", version=version, data=folder).url
    finally:
        node.down(data=folder)
        rmtree(folder, ignore_errors=True)


def _client_8() -> Path:
    """Return the Python of an environment with client 8; all else comes from the present one."""
    python = CLIENT_8 / "bin" / "python"
    if not python.exists():
        venv.create(CLIENT_8, symlinks=True)
        [own] = CLIENT_8.glob("lib/python*/site-packages")
        (own / "all_else.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")
        pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
        subprocess.run([*pip, "elasticsearch>=8.15,<9"], check=True)
    return python


def _tests(python: Path, url: str, *what: str) -> Json:
    """Run tests against the server; return how many passed, which failed, and how many were skipped for each reason."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [str(python), "-m", "pytest", *what, f"--junitxml={report}", "--tb=short"]
        subprocess.run(command, cwd=ROOT, env=os.environ | {"ESMM_TEST_URL": url}, check=False)
        return _read_report(report)


def _read_report(report: Path) -> Json:
    passed, failed = 0, []
    skipped: dict[str, int] = {}
    for case in ElementTree.parse(report).iter("testcase"):
        outcome = next((child for child in case if child.tag in ("failure", "error", "skipped")), None)
        if outcome is None:
            passed += 1
        elif outcome.tag == "skipped":
            reason = outcome.get("message", "").removeprefix("Skipped: ").replace(str(ROOT.parent), "..")
            skipped[reason] = skipped.get(reason, 0) + 1
        else:
            failed.append(f"{case.get('classname')}::{case.get('name')}")
    return {"passed": passed, "failed": failed, "skipped": skipped}


def _probed(python: Path, url: str) -> Json:
    command = [str(python), "-m", "benchmarks.probe", url]
    answer: Json = json.loads(subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout)
    return answer


def _trial(url: str) -> bool:
    asked = urllib.request.Request(f"{url}/_license/start_trial?acknowledge=true", method="POST")
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(asked) as answer:
        return bool(json.load(answer)["trial_was_started"])


def _publish(found: dict[str, Json]) -> None:
    reasons: list[str] = []
    rows = [row for version, each in found.items() for row in _rows(version, each, reasons)]
    header = ("Elasticsearch", "client", "server tests", "licence", *STRATEGIES)
    notes = [f"{number}. {_explained(reason)}" for number, reason in enumerate(reasons, start=1)]
    skips = [_skips(version, each["tests"]) for version, each in found.items() if each["tests"]["skipped"]]
    publish("matrix", "Strategy, version and licence", [table(header, rows), "\n".join(notes), "\n".join(skips)])
    text = README.read_text(encoding="utf-8")
    before, rest = text.split(START, 1)
    result = (HERE / "results" / "matrix.md").read_text(encoding="utf-8")
    README.write_text(f"{before}{START}\n\n{result}\n{END}{rest.split(END, 1)[1]}", encoding="utf-8")


def _rows(version: str, found: Json, reasons: list[str]) -> Iterator[list[str]]:
    tests = found["tests"]
    counts = {"passed": tests["passed"], "failed": len(tests["failed"]), "skipped": sum(tests["skipped"].values())}
    told = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    for number, licence in enumerate(found["licences"]):
        first = [version, licence["client"], told] if number == 0 else ["", "", ""]
        yield [*first, licence["licence"], *(_cell(licence["strategies"][name], reasons) for name in STRATEGIES)]


def _cell(outcome: str, reasons: list[str]) -> str:
    if outcome == WORKS:
        return WORKS
    if outcome not in reasons:
        reasons.append(outcome)
    return f"{'not proven here' if LACKING in outcome else 'refused'} ({reasons.index(outcome) + 1})"


def _explained(reason: str) -> str:
    if LACKING not in reason:
        return f"esmm refuses before it sends anything: {reason}."
    return (
        f"Execution not proven here: {reason}, which Elastic's own distributions have. The form of the request and "
        "this refusal are tested; no server here ran it."
    )


def _skips(version: str, tests: Json) -> str:
    told = "; ".join(f"{count}: {reason}" for reason, count in sorted(tests["skipped"].items()))
    return f"- Skipped on {version}: {told}."


if __name__ == "__main__":
    sys.exit(main())
