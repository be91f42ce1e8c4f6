"""esmm align on the sample through the command line: in small, killed, searched, and asked for wrong things."""

import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import tiny_models
import torch
from shell import ROOT, Esmm, start

SAMPLE = ROOT / "ingest" / "sample" / "products.jsonl"
BACKBONE = "mobilenet_v3_small"
RECIPE = """
[index]
name = "tiny"
[fields]
title = { type = "text", embed = 1 }
category = { type = "text", embed = 1 }
image = { type = "photo" }
[text]
model = "digest-32"
"""
SMALL = ("--backbone", BACKBONE, "--weights", "w.pth", "--side", 32, "--hidden", 16, "--batch", 16, "--device", "cpu")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.backbone(tmp_path_factory.mktemp("weights") / "w.pth", BACKBONE)


@pytest.fixture
def shop_place(place: Path, drawn: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a recipe and weights; one thread, because tiny batches lose by the threads' waiting."""
    (place / "esmm.toml").write_text(RECIPE, encoding="utf-8")
    (place / "w.pth").symlink_to(drawn)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield place
    torch.set_num_threads(threads)


MEASURES = r"R@1 \d\.\d{3} R@5 \d\.\d{3} R@10 \d\.\d{3} MRR \d\.\d{3} MAP \d\.\d{3}"
EPOCH = re.compile(
    rf"epoch \d: (before training|loss \d+\.\d{{3}}); text to photo {MEASURES}; photo to text {MEASURES}; \d+ s"
)


def test_two_catalogues_with_two_recipes(esmm: Esmm, shop_place: Path) -> None:
    (shop_place / "other.toml").write_text(RECIPE.replace("title = ", "description = "), encoding="utf-8")
    ended = esmm(
        "align",
        SAMPLE,
        SAMPLE,
        "-r",
        "esmm.toml",
        "-r",
        "other.toml",
        "-o",
        "tower",
        *SMALL,
        "--limit",
        20,
        "--epochs",
        1,
    )
    assert ended.code == 0, ended
    lines = ended.out.splitlines()
    assert [EPOCH.fullmatch(line) is not None for line in lines[:3]] == [True] * 3, lines
    assert lines[-2:] == ["[image]", 'model = "tower"']
    assert re.search(r"tower holds the tower of epoch \d", ended.out)
    assert "reading photos and captions" in ended.err
    assert "encoding the captions of 40 pairs" in ended.err
    assert "40 pairs of photo and text" in (shop_place / "tower" / "README.md").read_text()


def test_judged_photos_by_customers_are_trained_on_too(esmm: Esmm, shop_place: Path) -> None:
    photos = sorted((SAMPLE.parent / "photos").iterdir())[:2]
    lines = [f"{photo}\t{product}\t1" for photo, product in zip(photos, ("p-003", "p-004"), strict=True)]
    (shop_place / "judged.tsv").write_text("\n".join(["photo\tproduct_id\tgain", *lines]), encoding="utf-8")
    ended = esmm(
        "align", SAMPLE, "-o", "t", *SMALL, "--judged", "judged.tsv", "--limit", 20, "--epochs", 1, "--probe", 0
    )
    assert ended.code == 0, ended
    assert "encoding the captions of 20 pairs, with 2 of 2 judged photos by customers" in ended.err


def test_the_search_prints_what_it_tried_and_trains_with_the_best(esmm: Esmm, shop_place: Path) -> None:
    ended = esmm("align", SAMPLE, "-o", "tower", *SMALL, "--limit", 20, "--epochs", 1, "--probe", 1, "--search")
    assert ended.code == 0, ended
    tried = dict(re.findall(r"^tried (.+): MAP (\d\.\d{3})$", ended.out, re.MULTILINE))
    assert len(tried) == 5
    assert "as given" in tried
    best = re.search(r"^best: (.+)$", ended.out, re.MULTILINE)
    assert best
    assert float(tried[best[1]]) == max(map(float, tried.values()))
    assert (shop_place / "tower" / "tower.safetensors").is_file()


def test_quiet_prints_nothing_and_faults_still(esmm: Esmm, shop_place: Path) -> None:
    ended = esmm("align", SAMPLE, "-o", "tower", *SMALL, "--limit", 20, "--epochs", 1, "--probe", 0, "-q")
    assert (ended.code, ended.out, ended.err) == (0, "", "")
    esmm("align", SAMPLE, "-o", "tower", *SMALL, "--limit", 20, "--epochs", 2, "--probe", 0, "-q").fatal(
        "tower holds a training with other settings: epochs", "--out"
    )


def test_a_kill_and_the_same_command_again(shop_place: Path) -> None:
    command = ("align", SAMPLE, "-o", "tower", *SMALL, "--limit", 40, "--probe", 1, "--patience", 9)
    checkpoint = shop_place / "tower" / "checkpoint.pt"
    process = start(*command, "--epochs", 3, folder=shop_place, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    until = time.monotonic() + 300
    while not checkpoint.exists() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=20)
    assert process.returncode == -signal.SIGKILL
    pipe = subprocess.PIPE
    again = start(*command, "--epochs", 3, folder=shop_place, stdout=pipe, stderr=pipe)
    out, err = (text.decode() for text in again.communicate(timeout=400))
    assert again.returncode == 0, err
    gone_on = re.search(r"going on after epoch (\d)", err)
    assert gone_on
    numbers = [int(number) for number in re.findall(r"^epoch (\d+):", out, re.MULTILINE)]
    assert numbers == list(range(int(gone_on[1]) + 1, 5))
    assert not (shop_place / "tower" / "photos.u8").exists()


@pytest.mark.parametrize(
    ("args", "sentence", "hint"),
    [
        (("none.jsonl",), "none.jsonl", ""),
        ((SAMPLE, "--backbone", "nonet_v9"), "torchvision has no classification model nonet_v9", "resnet50"),
        ((SAMPLE, "--weights", "none.pth"), "weights file none.pth does not exist", "weights"),
        ((SAMPLE, "-r", "none.toml"), "none.toml", ""),
        ((SAMPLE, "--limit", 3), "gives 3 pairs of photo and text, and a training needs 16", "larger"),
        ((SAMPLE, "--judged", "none.tsv"), "none.tsv", ""),
        ((SAMPLE, "--judged", "words.tsv"), "words.tsv names no photo with one best product", "gain above 0"),
        ((SAMPLE, "-o", "esmm.toml"), "esmm.toml cannot be written: ", "--out"),
    ],
)
def test_wrong_things_are_one_sentence(
    esmm: Esmm, shop_place: Path, args: tuple[object, ...], sentence: str, hint: str
) -> None:
    (shop_place / "words.tsv").write_text("query\tproduct_id\tgain\nshoe\tp-001\t1\n", encoding="utf-8")
    esmm("align", "-o", "tower", *SMALL, *args).fatal(sentence, hint)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ((SAMPLE, "-o", "t", "-r", "a.toml", "-r", "b.toml"), "2 recipes for 1 catalogues: give one, or one for each"),
        (
            (SAMPLE, SAMPLE, "-o", "t", "-r", "a", "-r", "b", "-r", "c"),
            "3 recipes for 2 catalogues: give one, or one for each",
        ),
        ((SAMPLE, SAMPLE, "-o", "t", "--judged", "j.tsv"), "--judged goes with one catalogue"),
        ((SAMPLE,), "Missing option '-o'"),
        (("-o", "t"), "Missing argument 'CATALOGUES...'"),
        ((SAMPLE, "-o", "t", "--loss", "hinge"), "'hinge' is not one of"),
        ((SAMPLE, "-o", "t", "--epochs", 0), "0 is not in the range x>=1"),
        ((SAMPLE, "-o", "t", "--device", "onnx"), "'onnx' is not one of"),
    ],
)
def test_wrong_command_lines(esmm: Esmm, shop_place: Path, args: tuple[object, ...], said: str) -> None:
    ended = esmm("align", *args)
    assert ended.code == 2
    assert said in ended.err
    assert "Traceback" not in ended.err
