"""Command lines: run in this process where speed matters, as a real program where only that proves it."""

import subprocess
import sys
from pathlib import Path

import pytest
import shop
from elasticsearch import Elasticsearch
from loaded import load_shop
from shell import Esmm, Outcome, State, start

from esmm.cli import main
from esmm.cluster import Capabilities
from esmm.recipe import parse


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server_url: str) -> Path:
    """An empty working folder, with the server named in the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ELASTICSEARCH_URL", server_url)
    return tmp_path


@pytest.fixture
def esmm(place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Esmm:
    """Run a command line in this process, as the program would."""

    def run(*args: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["esmm", *map(str, args)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        return Outcome(int(ended.value.code or 0), captured.out, captured.err)

    return run


@pytest.fixture
def program(place: Path) -> Esmm:
    """Run a command line as a program of its own."""

    def run(*args: object, stdin: bytes = b"") -> Outcome:
        pipe = subprocess.PIPE
        process = start(*args, folder=place, stdin=pipe, stdout=pipe, stderr=pipe)
        out, err = process.communicate(stdin, timeout=60)
        return Outcome(process.returncode, out.decode(), err.decode())

    return run


@pytest.fixture
def shop_folder(place: Path, recipe_text: str) -> Path:
    """A folder with a recipe, a catalogue of 12 products, and their photos."""
    (place / "esmm.toml").write_text(recipe_text, encoding="utf-8")
    shop.write(place / "catalog.jsonl", shop.products(12))
    shop.write_photos(place, 12)
    return place


@pytest.fixture(scope="module")
def loaded(
    client: Elasticsearch, can: Capabilities, module_recipe_text: str, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A folder whose recipe and catalogue of 60 products are loaded once for a module; three lack their photo."""
    folder = tmp_path_factory.mktemp("shop")
    (folder / "esmm.toml").write_text(module_recipe_text, encoding="utf-8")
    shop.write_photos(folder, shop.MANY - 3)
    shop.photo(9, side=700).save(folder / "photos" / "9.png")
    recipe = parse(module_recipe_text, source="esmm.toml")
    load_shop(client, can, recipe, shop.write(folder / "catalog.jsonl", shop.products(shop.MANY)), folder)
    return folder


@pytest.fixture
def state(client: Elasticsearch, alias: str) -> State:
    """Where the alias points, and how many products each version holds."""

    def look() -> dict[str, int]:
        found = client.indices.get(index=f"{alias}-v*", allow_no_indices=True, expand_wildcards="all")
        client.indices.refresh(index=f"{alias}-v*", allow_no_indices=True)
        return {
            name.removeprefix(alias) + ("*" if alias in entry["aliases"] else ""): client.count(index=name)["count"]
            for name, entry in found.items()
        }

    return look
