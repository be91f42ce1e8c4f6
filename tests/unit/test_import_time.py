"""What is imported when: nothing heavy before it is needed, and the times that this buys."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

HEAVY = {"elasticsearch", "numpy", "pydantic", "jinja2", "rich", "torch", "PIL", "torchvision", "transformers", "ray"}
RECIPE = """
[index]
name = "shop"
[fields]
title = { type = "text", embed = 1 }
image = { type = "photo" }
[text]
model = "digest-8"
[image]
model = "digest-8"
"""
SHOW_LOADED = "import sys; print(); print(*sorted(set(sys.modules) & {}), sep=',')"


def loaded_by(code: str, folder: Path) -> set[str]:
    """Run Python code in a process of its own and return which heavy modules it left loaded."""
    script = f"{code}\n{SHOW_LOADED.format(HEAVY)}"
    run = subprocess.run([sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=True)
    return {name for name in run.stdout.splitlines()[-1].split(",") if name}


def running(*arguments: str) -> str:
    """Return code that runs the command line in the same process."""
    return f"from esmm.cli import cli\ncli({list(arguments)}, standalone_mode=False)"


@pytest.mark.parametrize("code", ["import esmm", "import esmm.cli", "import esmm.cluster", "import esmm.query.search"])
def test_imports_are_light(code: str, tmp_path: Path) -> None:
    assert loaded_by(code, tmp_path) == set()


def test_help_is_light(tmp_path: Path) -> None:
    assert loaded_by(running("search", "--help"), tmp_path) == set()
    assert loaded_by(running("--help"), tmp_path) == set()


def test_building_a_query_needs_no_model_and_no_client(tmp_path: Path) -> None:
    (tmp_path / "esmm.toml").write_text(RECIPE, encoding="utf-8")
    assert loaded_by(running("search", "red shoe", "--print"), tmp_path) == {"numpy", "pydantic"}


def test_the_default_recipe_needs_only_the_template_engine(tmp_path: Path) -> None:
    assert loaded_by(running("init", "--print"), tmp_path) == {"jinja2", "pydantic"}


def test_the_check_above_can_fail(tmp_path: Path) -> None:
    assert "pydantic" in loaded_by("import esmm.recipe", tmp_path)


def seconds(*arguments: str) -> float:
    """Return the best of several runs of Python."""
    times = []
    for _ in range(5):
        start = time.perf_counter()
        subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
        times.append(time.perf_counter() - start)
    return min(times)


def test_times(capsys: pytest.CaptureFixture[str]) -> None:
    """The aims are 60 ms over bare Python and 0.3 s; a busy machine gets three times that."""
    bare = seconds("-c", "pass")
    light = seconds("-c", "import esmm") - bare
    shown = seconds("-m", "esmm", "--help")
    with capsys.disabled():
        print(f"\nimport esmm: {1000 * light:.0f} ms over bare Python; esmm --help: {shown:.2f} s")  # noqa: T201
    assert light <= 3 * 0.06
    assert shown <= 3 * 0.3
