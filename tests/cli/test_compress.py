"""`esmm compress`: the encoders of a recipe as small graphs, and everything that can stop it."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest
import shop
import tiny_models
from shell import Esmm, start

from esmm.compress import quantise
from esmm.encoders.onnx import read_config


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.bert(tmp_path_factory.mktemp("models") / "bert")


@pytest.fixture
def folder(shop_folder: Path, recipe_text: str, bert: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A shop whose text encoder is a tiny transformer; its photo encoder is a digest."""
    monkeypatch.setenv("ESMM_CACHE", str(shop_folder / "cache"))
    (shop_folder / "esmm.toml").write_text(recipe_text.replace("digest-32", str(bert)), encoding="utf-8")
    return shop_folder


def test_into_a_folder(esmm: Esmm, folder: Path, bert: Path) -> None:
    done = esmm("compress", "--text-only", "--out", "small")
    assert done.code == 0, done
    config = read_config(folder / "small" / "text")
    row = next(line for line in done.out.splitlines() if "bert-int8" in line).split()
    assert row[1:3] == [config.made_from, config.quantised]
    assert row[-2:] == [f"{config.cosine_mean:.4f}", f"{config.cosine_worst:.4f}"]
    assert 'set text.model = "small/text" in esmm.toml' in done.err
    assert [path.name for path in (folder / "small").iterdir()] == ["text"]
    before = esmm("embed", "red shoe").json()
    recipe = (folder / "esmm.toml").read_text("utf-8").replace(str(bert), "small/text")
    (folder / "esmm.toml").write_text(recipe, encoding="utf-8")
    after = esmm("embed", "red shoe").json()
    assert before != after
    assert sum(a * b for a, b in zip(before, after, strict=True)) > 0.97


def test_into_the_cache(esmm: Esmm, folder: Path) -> None:
    recipe = (folder / "esmm.toml").read_text("utf-8")
    (folder / "esmm.toml").write_text(recipe.replace("[image]", 'device = "onnx"\n[image]'), encoding="utf-8")
    esmm("embed", "red shoe").fatal("has not been compressed on this machine", "esmm compress")
    done = esmm("compress", "--text-only")
    assert done.code == 0, done
    assert 'set text.device = "onnx"' in done.err
    assert len(esmm("embed", "red shoe").json()) == 16
    assert esmm("embed", "red shoe", "--device", "onnx").json() == esmm("embed", "red shoe").json()
    assert esmm("embed", "red shoe", "--device", "cpu").json() != esmm("embed", "red shoe").json()
    assert esmm("compress", "--text-only").out == done.out


def test_turned_by_a_catalogue(esmm: Esmm, folder: Path) -> None:
    done = esmm("compress", "--text-only", "--out", "turned", "--pca", "catalog.jsonl")
    assert done.code == 0, done
    assert "+pca:" in read_config(folder / "turned" / "text").space
    assert esmm("compress", "--pca", "catalog.jsonl").code == 2
    esmm("compress", "--text-only", "--out", "b", "--pca", "nosuch.jsonl").fatal("nosuch.jsonl does not exist", "path")
    empty = shop.write(folder / "empty.jsonl", [{"id": "1"}])
    esmm("compress", "--text-only", "--out", "b", "--pca", empty).fatal("gives no text and no photo", "recipe")
    esmm("compress", "--out", "b", "--recipe", "nosuch.toml").fatal("it does not exist", "esmm init")


def test_what_stops_it(esmm: Esmm, folder: Path, recipe_text: str) -> None:
    esmm("compress", "--out", "small").fatal("digest-16 has no weights to compress", "name a model")
    (folder / "small" / "text").mkdir(parents=True)
    esmm("compress", "--text-only", "--out", "small").fatal("small/text exists already", "another folder")
    (folder / "file").write_text("")
    esmm("compress", "--text-only", "--out", "file").fatal("file/text cannot be written", "a folder")
    (folder / "esmm.toml").write_text(recipe_text.replace("digest-32", "./nosuch"), encoding="utf-8")
    esmm("compress", "--text-only", "--out", "b").fatal("no model folder ./nosuch", "name a folder")
    assert not (folder / "b").exists()


@pytest.mark.parametrize("package", ["onnx", "onnxruntime", "torch"])
def test_a_missing_package(esmm: Esmm, folder: Path, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    esmm("compress", "--text-only", "--out", "b").fatal(f"needs {package}, not installed", "esmm[models,onnx]")
    assert not (folder / "b").exists()


def test_a_full_disk_leaves_nothing(folder: Path) -> None:
    """No file of this process may grow beyond 8 KiB, as on a disk without room."""

    def little_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))

    pipe = subprocess.PIPE
    command = ("compress", "--text-only", "--out", "b")
    process = start(*command, folder=folder, stdout=pipe, stderr=pipe, limits=little_room)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "esmm: b/text cannot be written: File too large\n  hint: name a folder on a disk with room" in err.decode()
    assert list((folder / "b").iterdir()) == []


def test_weights_alone_are_told(esmm: Esmm, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantise, "_FLOOR", {"dynamic": 1.1, "weights": 0.9})
    assert " weights " in esmm("compress", "--text-only", "--out", "small").out
