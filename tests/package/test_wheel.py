"""The wheel: built, installed into an environment that cannot see the checkout, run from another folder."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from esmm.recipe import parse

CHECKOUT = Path(__file__).parents[2]
BUILT_FROM = ("esmm", "mappings", "ingest", "docker", "pyproject.toml", "LICENSE", "README.md")
RECIPE = """
[index]
name = "shop"
[fields]
title = { type = "text", embed = 1 }
[text]
model = "digest-8"
"""
Run = Callable[..., str]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from a copy, which holds what tests and editors leave lying about, too."""
    source = tmp_path_factory.mktemp("source")
    for name in BUILT_FROM:
        place = CHECKOUT / name
        (shutil.copytree if place.is_dir() else shutil.copy)(place, source / name)
    for folder in ("esmm", "ingest/sample", "ingest/sample/photos"):
        (source / folder / "__pycache__").mkdir(exist_ok=True)
        (source / folder / "__pycache__" / "left.cpython-311.pyc").write_bytes(b"left")
    command = [
        sys.executable,
        "-m",
        "build",
        "--wheel",
        "--no-isolation",
        "--outdir",
        str(source / "dist"),
        str(source),
    ]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    (found,) = (source / "dist").glob("esmm-*.whl")
    return found


@pytest.fixture(scope="module")
def run(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return a function that runs a program of the environment the wheel is installed in, and returns its output.

    The dependencies are those of this test run, by a path file: path files inside that folder, such as the one of an
    editable installation, are not read again, so the checkout cannot be imported.
    """
    folder = tmp_path_factory.mktemp("elsewhere")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")], check=True)
    python = folder / "venv" / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*pip, "--disable-pip-version-check", str(wheel)], check=True)
    (site,) = (folder / "venv").glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    hidden = ("PYTHON", "ESMM_", "ELASTICSEARCH_", "VIRTUAL_ENV")
    env = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}

    def call(program: str, *arguments: str, folder: Path = folder) -> str:
        command = [str(python.parent / program), *arguments]
        done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return call


def names(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def test_the_wheel_is_small_and_holds_no_litter(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = {info.filename: info.compress_size for info in archive.infolist()}
    tower = sum(size for name, size in packed.items() if name.startswith("esmm/models/"))
    assert tower <= 8_000_000
    assert wheel.stat().st_size - tower < 2_000_000
    assert not [name for name in names(wheel) if "__pycache__" in name or name.endswith((".pyc", ".sqlite", ".env"))]
    assert {name.split("/")[0].split("-")[0] for name in names(wheel)} == {"esmm"}


def test_the_wheel_holds_every_module_and_every_shipped_file(wheel: Path) -> None:
    command = ["git", "ls-files", "esmm", "mappings", "ingest", "docker"]
    tracked = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    if tracked.returncode:
        pytest.skip("not a git checkout, so nothing says which files belong to it")
    wanted = {name if name.startswith("esmm/") else f"esmm/_shipped/{name}" for name in tracked.stdout.splitlines()}
    assert wanted - set(names(wheel)) == set()


def test_the_photos_are_those_of_the_sample_catalogue(wheel: Path) -> None:
    sample = "esmm/_shipped/ingest/sample/"
    with zipfile.ZipFile(wheel) as archive:
        products = [json.loads(line) for line in archive.read(sample + "products.jsonl").splitlines()]
    images = [product["image"] for product in products if product.get("image")]
    named = {name for image in images for name in (image if isinstance(image, list) else [image])}
    shipped = {name.removeprefix(sample) for name in names(wheel) if name.startswith(sample + "photos/")}
    assert shipped == named


def test_the_checkout_cannot_be_imported(run: Run) -> None:
    where = run("python", "-c", "import esmm, sys; print(esmm.__file__, *sys.path, sep='\\n')").splitlines()
    assert where[0].endswith("site-packages/esmm/__init__.py")
    assert "elsewhere" in where[0]
    assert str(CHECKOUT) not in where


def test_the_command_line_starts(run: Run) -> None:
    assert "Usage: esmm" in run("esmm", "--help")
    version = run("python", "-c", "import esmm; print(esmm.__version__)")
    assert run("esmm", "--version").strip().endswith(version.strip())


def test_init_finds_its_template(run: Run) -> None:
    assert parse(run("esmm", "init", "--print")).vectors().keys() == {"text", "image"}


def test_a_search_is_built_without_a_server(run: Run, tmp_path: Path) -> None:
    (tmp_path / "shop.toml").write_text(RECIPE, encoding="utf-8")
    body = json.loads(run("esmm", "search", "red shoe", "--print", "--recipe", "shop.toml", folder=tmp_path))
    assert body["query"]["bool"]["should"][0]["bool"]["must"][0]["combined_fields"]["query"] == "red shoe"
    assert len(body["query"]["bool"]["should"][1]["knn"]["query_vector"]) == 8


@pytest.mark.parametrize(
    "name", ["mappings/index.json.j2", "ingest/pipeline.json.j2", "ingest/sample/esmm.toml", "docker/compose.yaml"]
)
def test_shipped_files_are_found_inside_the_installation(run: Run, name: str) -> None:
    found = run("python", "-c", f"from esmm.shipped import shipped; print(shipped({name!r}))").strip()
    assert found.endswith(f"site-packages/esmm/_shipped/{name}")


def test_the_sample_catalogue_gives_a_recipe(run: Run) -> None:
    found = run("python", "-c", "from esmm.shipped import shipped; print(shipped('ingest/sample/products.jsonl'))")
    recipe = parse(run("esmm", "init", found.strip(), "--print"))
    assert recipe.index.id == "id"
    assert recipe.named("photo") == ["image"]
