"""Where a model is looked for, and the sentence where it is found nowhere."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from esmm.encoders.resolve import find_model, revision_of
from esmm.errors import EncoderError

FIND = """
from esmm.encoders.resolve import find_model
try:
    find_model("nosuch-model")
except Exception as error:
    print(repr(error), error)
"""


def test_a_folder_comes_before_a_package_of_the_same_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    bundled = find_model("all-MiniLM-L6-v2")
    assert (bundled / "modules.json").is_file()
    assert find_model("sentence-transformers/all-MiniLM-L6-v2") == bundled
    (tmp_path / "all-MiniLM-L6-v2").mkdir()
    assert find_model("all-MiniLM-L6-v2") == Path("all-MiniLM-L6-v2")


@pytest.mark.parametrize("name", ["./nosuch", "/nosuch/model", "~/nosuch-model"])
def test_a_path_is_never_looked_for_on_the_hub(name: str) -> None:
    with pytest.raises(EncoderError) as caught:
        find_model(name)
    assert caught.value.message == f"no model folder {name}"


def test_a_name_that_cannot_be_one() -> None:
    with pytest.raises(EncoderError, match="'a/b/c d' is neither a folder nor a model name"):
        find_model("a/b/c d")


@pytest.mark.parametrize("hub", [{"HF_HUB_OFFLINE": "1"}, {"HF_ENDPOINT": "http://127.0.0.1:9"}])
def test_no_hub_can_be_reached(tmp_path: Path, hub: dict[str, str]) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    environment |= hub | {"HF_HUB_CACHE": str(tmp_path)}
    run = subprocess.run([sys.executable, "-c", FIND], env=environment, capture_output=True, text=True, check=True)
    assert run.stdout.startswith("EncoderError(")
    assert "model sentence-transformers/nosuch-model is not in a local folder, package or cache" in run.stdout
    assert "hint: copy the model to a folder" in run.stdout


def test_the_revision_is_that_of_every_file_that_makes_vectors(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "a.safetensors").write_bytes(b"1")
    (tmp_path / "inner" / "b.bin").write_bytes(b"2")
    one = revision_of(tmp_path)
    (tmp_path / "README.md").write_text("note")
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache" / "fetched.json").write_text("today")
    assert revision_of(tmp_path) == one
    (tmp_path / "inner" / "b.bin").write_bytes(b"3")
    two = revision_of(tmp_path)
    (tmp_path / "inner" / "b.bin").rename(tmp_path / "inner" / "c.bin")
    three = revision_of(tmp_path)
    (tmp_path / "vocab.txt").write_text("red")
    assert len({one, two, three, revision_of(tmp_path)}) == 4
    assert len(one) == 12
    assert revision_of(tmp_path / "a.safetensors") == "6b86b273ff34"  # sha256 of "1"
