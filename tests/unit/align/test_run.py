"""One training as a whole: what its folder holds, and what is refused."""

import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from esmm.align.measures import Epoch
from esmm.align.run import Watch, align
from esmm.align.search import variants
from esmm.align.train import CHECKPOINT
from esmm.encoders.tower import TowerEncoder, load_tower
from esmm.errors import AlignError, EncoderError, EsmmError

from .conftest import BACKBONE, TINY, Jobs

COUNT = 20


@pytest.fixture(scope="module")
def done(job: Jobs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished training; tests only read it."""
    folder = tmp_path_factory.mktemp("models") / "shoes"
    align(job(folder, epochs=1, limit=COUNT))
    return folder


def refused(job: Jobs, folder: Path, **given: object) -> AlignError:
    with pytest.raises(AlignError) as caught:
        align(job(folder, **given))
    assert "\n" not in caught.value.message
    assert caught.value.hint
    return caught.value


def test_the_folder_holds_all_that_is_promised_and_no_pixels(done: Path) -> None:
    assert sorted(path.name for path in done.iterdir()) == [
        "README.md",
        "before.npy",
        "checkpoint.pt",
        "curves.png",
        "examples.html",
        "metrics.json",
        "origin.json",
        "tower.json",
        "tower.safetensors",
    ]
    assert TowerEncoder(done).info.id == "shoes"
    with Image.open(done / "curves.png") as curves:
        assert curves.format == "PNG"
    epochs = [Epoch.from_json(epoch) for epoch in json.loads((done / "metrics.json").read_text())]
    assert [epoch.number for epoch in epochs] == [0, 1, 2]
    assert "data:image/jpeg;base64," in (done / "examples.html").read_text()


def test_the_card_tells_data_settings_and_quality(done: Path) -> None:
    card = (done / "README.md").read_text()
    epochs = [Epoch.from_json(one) for one in json.loads((done / "metrics.json").read_text())]
    best = max(epochs, key=lambda epoch: (epoch.score, epoch.number > 0))
    assert card.startswith("# shoes\n")
    assert "digest-32" in card
    assert f"torchvision's {BACKBONE}" in card
    assert f"{COUNT} pairs of photo and text (5 kept for validation)" in card
    assert "learning_rate 0.0006" in card
    assert "Photos told\n  no colours that captions lack." in card
    assert f"the best of them {best.number}" in card
    assert f"{best.text_to_photo.mrr:.3f}" in card
    assert "Its projection was then fitted to all pairs." in card


def test_other_settings_in_the_same_folder_are_refused_by_name(job: Jobs, done: Path) -> None:
    message = refused(job, done, epochs=1, limit=COUNT, batch=8, seed=3).message
    assert message == f"{done} holds a training with other settings: batch, seed"


@pytest.mark.parametrize(
    ("other", "named"),
    [
        ({"limit": 30}, "limit"),
        ({"backbone": "resnet18", "weights": None}, "backbone, weights"),
        ({"text": "digest-16"}, "text.model"),
        ({"catalogues": []}, "catalogues, customers, text.model"),
    ],
)
def test_another_origin_in_the_same_folder_is_refused_by_name(
    job: Jobs, done: Path, other: dict[str, object], named: str
) -> None:
    message = refused(job, done, **({"epochs": 1, "limit": COUNT} | other)).message
    assert message == f"{done} holds a training with other settings: {named}"


def test_settings_that_train_nothing_are_refused(job: Jobs, tmp_path: Path) -> None:
    assert refused(job, tmp_path, epochs=0, side=0).message == "epochs, side must be 1 or more"
    assert refused(job, tmp_path, validation=1.0).message == "validation leaves no pairs to train on"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("at", ["file", "file/below"])
def test_a_folder_that_cannot_be_made(job: Jobs, tmp_path: Path, at: str) -> None:
    (tmp_path / "file").write_text("in the way")
    error = refused(job, tmp_path / at)
    assert error.message.startswith(f"{tmp_path / at} cannot be written: ")
    assert "--out" in error.hint


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let no file grow beyond so many bytes: to a program that is a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("size", [10_000, 1_000_000, 5_000_000])  # the pixels, the tower, the checkpoint do not fit
def test_a_full_disk_keeps_the_last_good_checkpoint(job: Jobs, tmp_path: Path, size: int) -> None:
    class Stop(Exception):
        pass

    def stopped(epoch: Epoch) -> None:
        if epoch.number == 2:
            raise Stop

    with pytest.raises(Stop):  # after epoch 1 was kept
        align(job(tmp_path, limit=COUNT), Watch(on_epoch=stopped))
    before = load_tower(tmp_path).state_dict()
    with largest_file(size):
        assert "cannot be written: " in refused(job, tmp_path, limit=COUNT).message
    after = load_tower(tmp_path).state_dict()
    assert before.keys() == after.keys()
    state = torch.load(tmp_path / CHECKPOINT, weights_only=True)
    assert [epoch["number"] for epoch in state["history"]] == [0, 1]
    assert not (tmp_path / "photos.u8").exists()
    assert [epoch.number for epoch in align(job(tmp_path, limit=COUNT))] == [0, 1, 2, 3]


@pytest.mark.parametrize("content", [b"", b"no checkpoint", None])
def test_a_broken_checkpoint_is_named(job: Jobs, done: Path, tmp_path: Path, content: bytes | None) -> None:
    whole = (done / CHECKPOINT).read_bytes()
    (tmp_path / CHECKPOINT).write_bytes(whole[: len(whole) // 2] if content is None else content)
    error = refused(job, tmp_path)
    assert error.message.startswith(f"{tmp_path / CHECKPOINT} cannot be read")
    assert "delete it" in error.hint


def test_going_on_from_a_tower(job: Jobs, done: Path, tmp_path: Path) -> None:
    history = align(job(tmp_path / "next", backbone=str(done), weights=None, hidden=0, epochs=1, limit=COUNT))
    config = load_tower(tmp_path / "next").config
    assert (config.name, config.backbone, config.hidden) == ("next", BACKBONE, TINY.hidden)
    last = max((Epoch.from_json(one) for one in json.loads((done / "metrics.json").read_text())), key=lambda e: e.score)
    assert history[0].score == pytest.approx(last.score, abs=0.02)  # it starts where the other one was best


def test_a_wider_projection_is_drawn_anew_on_the_backbone_of_the_tower(job: Jobs, done: Path, tmp_path: Path) -> None:
    next_job = job(
        tmp_path / "w", backbone=str(done), weights=None, hidden=64, epochs=1, limit=COUNT, train="projection"
    )
    align(next_job)
    before, after = load_tower(done), load_tower(tmp_path / "w")
    assert (after.config.hidden, after.widen.out_features, after.out.in_features) == (64, 64, 64)
    assert all(torch.equal(v, after.backbone.state_dict()[name]) for name, v in before.backbone.state_dict().items())
    torch.testing.assert_close(before.norm.running_mean, after.norm.running_mean)


def test_a_tower_of_another_space_is_refused(job: Jobs, done: Path, tmp_path: Path) -> None:
    error = refused(job, tmp_path, text="digest-16", backbone=str(done), weights=None)
    assert "was trained into the space of digest-32" in error.message
    assert "digest-16" in error.message


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"backbone": "nonet_v9"}, "torchvision has no classification model nonet_v9"),
        ({"backbone": "resnet18"}, "do not fit torchvision's resnet18"),
        ({"weights": Path("/no/such.pth")}, "weights file /no/such.pth does not exist"),
    ],
)
def test_what_cannot_be_trained_is_one_sentence(
    job: Jobs, tmp_path: Path, given: dict[str, object], sentence: str
) -> None:
    with pytest.raises((AlignError, EncoderError)) as caught:
        align(job(tmp_path, **given))
    error: EsmmError = caught.value
    assert sentence in error.message
    assert "\n" not in error.message


def test_the_search_tries_each_setting_alone() -> None:
    tried = variants(TINY)
    assert len(tried) == len(set(tried.values())) == 5
    assert tried["as given"] == TINY
    assert all(len(TINY.differences(other)) == 1 for name, other in tried.items() if name != "as given")
    assert {"learning_rate", "loss", "hard"} == {n for other in tried.values() for n in TINY.differences(other)}
    assert variants(replace(TINY, loss="cosine"))["loss infonce"].loss == "infonce"
