"""``esmm init``: what is written, and over what it does not write."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from esmm.cli.init import default_recipe, init, recipe_for
from esmm.errors import CatalogueError, RecipeError
from esmm.recipe import load, parse
from esmm.shipped import shipped


@pytest.fixture
def catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    rows = [{"sku": f"s{n}", "name": f"Shoe {n}", "price": n + 0.5, "photo": f"{n}.jpg"} for n in range(5)]
    file = tmp_path / "My Shop.v2.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return file


def test_a_recipe_is_written_and_is_sound(catalogue: Path) -> None:
    done = CliRunner().invoke(init, [catalogue.name])
    assert done.exit_code == 0
    assert f"esmm ingest {catalogue.name}" in done.stderr
    assert done.stdout == ""
    recipe = load("esmm.toml")
    assert (recipe.index.name, recipe.index.id) == ("my-shop", "sku")
    assert {name: field.type for name, field in recipe.fields.items()} == {
        "name": "text",
        "price": "double",
        "photo": "photo",
    }


def test_a_file_that_is_there_stays(catalogue: Path) -> None:
    out = catalogue.parent / "own.toml"
    out.write_text("mine")
    done = CliRunner().invoke(init, [catalogue.name, "--out", "own.toml"])
    assert isinstance(done.exception, RecipeError)
    assert "--force" in done.exception.hint
    assert out.read_text() == "mine"
    assert CliRunner().invoke(init, [catalogue.name, "--out", "own.toml", "--force"]).exit_code == 0
    assert load(out).index.name == "my-shop"


def test_print_writes_no_file(catalogue: Path) -> None:
    done = CliRunner().invoke(init, [catalogue.name, "--print"])
    assert parse(done.stdout).index.name == "my-shop"
    assert not Path("esmm.toml").exists()
    assert CliRunner().invoke(init, ["--print"]).stdout == default_recipe()


def test_neither_catalogue_nor_print(catalogue: Path) -> None:
    done = CliRunner().invoke(init, [])
    assert done.exit_code == 2
    assert "--print" in done.stderr


def test_a_catalogue_that_cannot_be_read(catalogue: Path) -> None:
    with pytest.raises(CatalogueError):
        recipe_for("missing.jsonl")


def test_the_recipe_guessed_from_the_sample_fits_it() -> None:
    guessed = parse(recipe_for(str(shipped("ingest/sample/products.jsonl"))))
    written = load(shipped("ingest/sample/esmm.toml"))
    assert guessed.index.id == written.index.id
    assert {name: field.type for name, field in guessed.fields.items()} == {
        name: field.type for name, field in written.fields.items()
    }
