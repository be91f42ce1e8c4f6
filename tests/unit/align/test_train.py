"""The training loop on the sample: it learns, repeats itself, goes on after a kill, stops in time."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from esmm.align.colours import Told
from esmm.align.run import Job, Watch, align, prepared
from esmm.align.train import Training
from esmm.encoders.backbone import load_backbone
from esmm.encoders.tower import TowerEncoder, load_tower
from esmm.errors import AlignError

from .conftest import BACKBONE, Jobs


class Killed(BaseException):
    """Stands for a kill: no handler of faults may catch it."""


def in_training(job: Job) -> Training:
    job.folder.mkdir(exist_ok=True)
    training = prepared(job, None, Watch())
    training.look()
    return training


def weights_of(tower: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in tower.state_dict().items()}


def test_the_loss_falls_and_the_captions_are_found(job: Jobs, tmp_path: Path) -> None:
    training = in_training(job(tmp_path, probe=100, epochs=1, hidden=64, scenes=0.0, hard=0.0, limit=24))
    chosen = training.corpus.training

    def loss() -> float:
        texts = training.corpus.first_vectors([int(pair) for pair in chosen])
        return float(1 - (training.vectors_of(chosen) * texts).sum(1).mean())

    before = loss()
    epochs = [training.next(), training.next()]
    assert training.finished
    assert [epoch.number for epoch in training.history] == [0, 1, 2]
    assert all(epoch.loss is not None and math.isfinite(epoch.loss) for epoch in epochs)
    assert loss() < before - 0.1


def test_each_loss_and_no_scenes_train(job: Jobs, tmp_path: Path) -> None:
    for loss in ("triplet", "cosine"):
        training = in_training(job(tmp_path, loss=loss, scenes=0.0, probe=0, limit=20))
        assert math.isfinite(training.next().loss or math.nan)


@pytest.mark.parametrize("scenes", [0.0, 0.25])
def test_the_refit_learns_the_captions_of_all_pairs_and_leaves_the_backbone(
    job: Jobs, tmp_path: Path, scenes: float
) -> None:
    training = in_training(job(tmp_path, probe=0, hidden=64, scenes=scenes, refit=300, limit=24))
    pairs = np.arange(training.corpus.count)
    texts = training.corpus.first_vectors([int(pair) for pair in pairs])

    def near() -> float:
        return float((training.vectors_of(pairs) * texts).sum(1).mean())

    before, backbone = near(), weights_of(training.tower.backbone)
    steps: list[tuple[int, int]] = []
    training.refit(lambda done, all_: steps.append((done, all_)))
    assert near() > before + 0.1
    assert steps == [(done + 1, len(steps)) for done in range(len(steps))]
    assert all(torch.equal(value, backbone[name]) for name, value in training.tower.backbone.state_dict().items())
    assert training.refitted


def test_without_a_refit_the_tower_is_that_of_the_best_epoch(job: Jobs, tmp_path: Path) -> None:
    said: list[str] = []
    align(job(tmp_path, epochs=1, limit=20, refit=0), Watch(on_stage=said.append))
    assert not any(stage.startswith("fitting") for stage in said)
    assert "fitted to all pairs" not in (tmp_path / "README.md").read_text()


@pytest.mark.parametrize("train", ["projection", "last", "all"])
def test_what_does_not_learn_stays_bit_for_bit(job: Jobs, tmp_path: Path, weights: Path, train: str) -> None:
    training = in_training(job(tmp_path, train=train, probe=0, epochs=1, warmup=0.0, limit=20))
    projection = training.tower.widen.weight.detach().clone()
    training.next()
    before = dict(load_backbone(BACKBONE, weights)[0].named_parameters())
    names = list(before)
    moved = [not torch.equal(before[name], value) for name, value in training.tower.backbone.named_parameters()]
    assert len(moved) == len(names)
    still = {"projection": len(names), "last": len(names) // 2, "all": 0}[train]
    assert not any(moved[:still])
    assert sum(moved[still:]) >= 0.9 * (len(names) - still)
    assert not torch.equal(projection, training.tower.widen.weight)
    statistics = dict(load_backbone(BACKBONE, weights)[0].named_buffers())
    assert all(torch.equal(statistics[name], value) for name, value in training.tower.backbone.named_buffers())


def result(folder: Path) -> tuple[bytes, list[dict[str, object]]]:
    metrics = json.loads((folder / "metrics.json").read_text())
    return (folder / "tower.safetensors").read_bytes(), [epoch | {"seconds": 0} for epoch in metrics]


def test_a_killed_training_goes_on_to_the_very_same_tower(job: Jobs, tmp_path: Path) -> None:
    whole, parts, other = (tmp_path / name for name in ("tower", "parts/tower", "other/tower"))
    align(job(whole, epochs=2))
    steps = 0

    def killed_at(fatal: int) -> Watch:
        def on_step(_done: int, _all: int) -> None:
            nonlocal steps
            steps += 1
            if steps == fatal:
                raise Killed

        return Watch(on_step=on_step)

    def killed_in_the_refit(stage: str) -> None:
        if stage.startswith("fitting the projection"):
            raise Killed

    # In the probe, in a later epoch, and after the last one.
    for watch in (killed_at(1), killed_at(6), Watch(on_stage=killed_in_the_refit)):
        with pytest.raises(Killed):
            align(job(parts, epochs=2), watch)
    said: list[str] = []
    history = align(job(parts, epochs=2), Watch(on_stage=said.append))
    assert any(line.startswith("going on after epoch ") for line in said)
    assert [epoch.number for epoch in history] == [0, 1, 2, 3]
    assert result(parts) == result(whole)
    (parts / "tower.safetensors").unlink()  # as if it was killed before the very last step
    align(job(parts, epochs=2))
    assert result(parts) == result(whole)
    align(job(other, epochs=2, seed=2))
    assert result(other)[0] != result(whole)[0]


def test_a_resumed_training_draws_the_colours_that_photos_told(job: Jobs, tmp_path: Path) -> None:
    training, again = in_training(job(tmp_path)), in_training(job(tmp_path / "again"))
    training.told = Told({0: "red"}, 10, 0.9)
    training.save(tmp_path / "c.pt")
    again.resume(torch.load(tmp_path / "c.pt", weights_only=True))
    assert again.told == training.told
    assert again.corpus.colours == {0: "red"}


def test_a_finished_training_is_not_trained_again(job: Jobs, tmp_path: Path) -> None:
    first = align(job(tmp_path / "t", epochs=1, limit=20))
    epochs: list[object] = []
    again = align(job(tmp_path / "t", epochs=1, limit=20), Watch(on_epoch=epochs.append))
    assert again == first
    assert epochs == []


def test_a_training_without_gain_ends_by_patience_and_keeps_the_start(job: Jobs, tmp_path: Path) -> None:
    history = align(job(tmp_path, learning_rate=0.0, probe=0, epochs=9, patience=2, limit=20))
    assert [epoch.number for epoch in history] == [0, 1, 2, 3]
    assert load_tower(tmp_path).config.side == 32


def test_a_loss_that_is_no_number_ends_the_training_and_the_best_tower_stays(job: Jobs, tmp_path: Path) -> None:
    with pytest.raises(AlignError, match=r"the loss became (nan|inf) in epoch \d+, step \d+") as caught:
        align(job(tmp_path, learning_rate=1e30, warmup=0.0, epochs=9))
    assert "--learning-rate" in caught.value.hint
    rows = TowerEncoder(tmp_path).encode([])
    assert rows.shape == (0, 32)
    assert all(torch.isfinite(value).all() for value in load_tower(tmp_path).state_dict().values())


def test_validation_pairs_are_not_trained_on(job: Jobs, tmp_path: Path) -> None:
    corpus = in_training(job(tmp_path)).corpus
    assert len(corpus.validation) == round(0.2 * (len(corpus.training) + len(corpus.validation)))
    assert not set(corpus.validation) & set(corpus.training)
    drawn = {
        int(pair) for batch in corpus.batches(job(tmp_path).settings, np.random.default_rng(0)) for pair in batch.pairs
    }
    assert drawn
    assert drawn <= set(map(int, corpus.training))
