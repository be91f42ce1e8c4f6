"""Compressed encoders: what they make of items, and what is said when their folder is broken."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from esmm.compress import compress, folders_of
from esmm.encoders import load_encoder
from esmm.encoders.batching import batches
from esmm.encoders.onnx import CONFIG, GRAPH, TOKENIZER, _threads, load_onnx, read_config
from esmm.encoders.sentence import SentenceEncoder
from esmm.errors import EncoderError
from esmm.recipe import VectorField, parse

MINILM = "all-MiniLM-L6-v2"
TITLES = [
    "Navy blue casual shoes for men",
    "Women's red cotton summer dress with long sleeves",
    "Stainless steel saucepan, 18 cm",
    "Waterproof hiking boots",
    "Analogue wrist watch with a brown leather strap",
    "Wireless over-ear headphones",
    "Scarf",
    "Ceramic table lamp with a white shade, for the bedside " * 5,
]


def compressed(model: object, folder: Path) -> Path:
    recipe = parse(
        f'[index]\nname = "a"\n[fields]\nt = {{ type = "text", embed = 1 }}\n[text]\nmodel = "{model}"\n', source="a"
    )
    folders = folders_of(recipe, folder)
    compress(recipe, folders)
    return folders["text"]


@pytest.fixture(scope="module")
def minilm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compressed(MINILM, tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="module")
def tiny(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compressed(tiny_bert, tmp_path_factory.mktemp("tiny"))


def test_the_bundled_model_keeps_its_sense_at_a_quarter_of_its_size(minilm: Path) -> None:
    before, after = SentenceEncoder(MINILM), load_onnx(minilm)
    one, other = before.encode(TITLES), after.encode(TITLES)
    cosines = (one * other).sum(axis=1)
    assert cosines.mean() > 0.985
    assert cosines.min() > 0.97
    config = read_config(minilm)
    assert config.quantised == "dynamic"
    assert 0.98 < config.cosine_mean < 1
    assert config.cosine_worst <= config.cosine_mean
    assert sum(file.stat().st_size for file in minilm.iterdir()) < 0.27 * config.bytes_before
    question = ["warm boots for the mountains"]
    assert (other @ after.encode(question)[0]).argmax() == (one @ before.encode(question)[0]).argmax() == 3


def test_who_made_the_vectors(minilm: Path) -> None:
    before, after = SentenceEncoder(MINILM).info, load_onnx(minilm).info
    assert before.comparable(after)
    assert before.differences(after).keys() == {"id", "revision"}


def test_rows_come_in_the_order_of_the_texts(minilm: Path) -> None:
    encoder = load_onnx(minilm)
    many = [f"{title} {number}" for number in range(20) for title in TITLES]
    rows = encoder.encode(many)
    backwards = encoder.encode(many[::-1])
    np.testing.assert_allclose((rows * backwards[::-1]).sum(axis=1), 1, atol=0.02)  # int8 depends on the batch
    alone = np.concatenate([encoder.encode([text]) for text in many[:40]])
    assert ((rows[:40] @ alone.T).argmax(axis=1) == np.arange(40)).all()
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    assert rows.dtype == np.float32


def test_nothing_little_and_very_much(tiny: Path) -> None:
    encoder = load_onnx(tiny)
    assert encoder.encode([]).shape == (0, 16)
    assert np.isfinite(encoder.encode(["", " "])).all()
    rows = encoder.encode(["red shoe " * 100, "red shoe " * 200_000])
    np.testing.assert_allclose(rows[0], rows[1], atol=1e-5)


@given(st.lists(st.integers(0, 300), max_size=60), st.integers(1, 600))
def test_a_batch_is_within_the_budget_and_every_text_in_one(lengths: list[int], budget: int) -> None:
    made = list(batches(lengths, budget=budget))
    assert sorted(number for batch in made for number in batch) == list(range(len(lengths)))
    for batch in made:
        assert len(batch) == 1 or len(batch) * max(lengths[number] for number in batch) <= budget
    longest = [max(lengths[number] for number in batch) for batch in made]
    assert longest == sorted(longest)


def test_batches_of_short_texts_are_large() -> None:
    assert [len(batch) for batch in batches([10] * 100, budget=500)] == [50, 50]
    assert list(batches([9, 2, 9], budget=18)) == [[1, 0], [2]]


def test_no_torch_at_query_time(minilm: Path) -> None:
    script = (
        "import sys\nfrom esmm.encoders import load_encoder\nfrom esmm.recipe import VectorField\n"
        f"rows = load_encoder(VectorField(model={str(minilm)!r}, vector='v'), role='query').encode(['red shoe'])\n"
        "print(rows.shape, *({'torch', 'transformers', 'onnx', 'onnxruntime'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout == "(1, 384) onnxruntime\n"
    assert run.stderr == ""


def test_prefixes_and_dims_are_those_of_the_recipe(tiny: Path) -> None:
    vector = VectorField(model=str(tiny), vector="v", query_prefix="query : ", dims=8)
    whole = load_onnx(tiny).encode(["query : red shoe"])[0, :8]
    rows = load_encoder(vector, role="query").encode(["red shoe"])
    np.testing.assert_allclose(rows[0], whole / np.linalg.norm(whole), atol=1e-5)


def test_the_revision_changes_with_graph_and_tokenizer(tiny: Path, tmp_path: Path) -> None:
    before = load_onnx(tiny).info
    moved = shutil.copytree(tiny, tmp_path / "moved")
    assert load_onnx(moved).info == before
    tokenizer = (moved / TOKENIZER).read_text("utf-8").replace('"rot":11', '"rouge":11')
    (moved / TOKENIZER).write_text(tokenizer, encoding="utf-8")
    assert before.differences(load_onnx(moved).info).keys() == {"revision"}


@pytest.mark.parametrize(("given", "threads"), [("", 0), ("3", 3), ("4,2", 4), ("many", 0)])
def test_threads_are_those_of_the_environment(given: str, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", given)
    assert _threads() == threads


def _cut(folder: Path) -> None:
    graph = folder / GRAPH
    graph.write_bytes(graph.read_bytes()[: graph.stat().st_size // 2])


def _older(folder: Path) -> None:
    config = json.loads((folder / CONFIG).read_text("utf-8"))
    del config["space"]
    (folder / CONFIG).write_text(json.dumps(config), encoding="utf-8")


BROKEN: dict[str, tuple[str, Callable[[Path], object]]] = {
    "cut graph": (GRAPH, _cut),
    "empty graph": (GRAPH, lambda folder: (folder / GRAPH).write_bytes(b"")),
    "no graph": (GRAPH, lambda folder: (folder / GRAPH).unlink()),
    "no tokenizer": (TOKENIZER, lambda folder: (folder / TOKENIZER).unlink()),
    "other tokenizer": (TOKENIZER, lambda folder: (folder / TOKENIZER).write_text("{}", encoding="utf-8")),
    "no json": (CONFIG, lambda folder: (folder / CONFIG).write_text("{", encoding="utf-8")),
    "setting missing": (CONFIG, _older),
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_folder_is_one_sentence(tiny: Path, tmp_path: Path, how: str) -> None:
    folder = shutil.copytree(tiny, tmp_path / "broken")
    part, damage = BROKEN[how]
    damage(folder)
    with pytest.raises(EncoderError) as caught:
        load_onnx(folder)
    assert caught.value.message.startswith(str(folder / part))
    assert "\n" not in caught.value.message
    assert "esmm compress" in caught.value.hint


@pytest.mark.parametrize("package", ["onnxruntime", "tokenizers"])
def test_a_missing_package_is_named_with_its_extra(tiny: Path, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(EncoderError, match=f"needs {package}, which is not installed") as caught:
        load_onnx(tiny)
    assert caught.value.hint == 'pip install "esmm[onnx]"'
