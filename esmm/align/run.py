"""One training, from catalogues to a folder: tower, metrics, curves, page, model card. It goes on where it was cut."""

import io
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

import numpy as np

from esmm.align.card import write_card
from esmm.align.corpus import Corpus
from esmm.align.pairs import Catalogue, read_pairs
from esmm.align.report import Example, Shown, write_curves, write_page
from esmm.align.settings import Settings
from esmm.align.train import CHECKPOINT, Training
from esmm.encoders import load_encoder
from esmm.encoders.backbone import load_backbone
from esmm.encoders.resolve import tower_folder
from esmm.encoders.tower import Tower, TowerConfig, load_tower, save_tower
from esmm.errors import AlignError
from esmm.paths import whole

if TYPE_CHECKING:
    from esmm.align.measures import Epoch
    from esmm.encoders import EncoderInfo

METRICS, CURVES, PAGE = "metrics.json", "curves.png", "examples.html"
_PIXELS = "photos.u8"
_ORIGIN = "origin.json"
_EXAMPLES, _SHOWN = 8, 5
_HIDDEN = 384


@dataclass(frozen=True)
class Job:
    """What is trained, from what, and where it goes.

    ``backbone`` is a classification model of torchvision (its weights from ``weights``, else torchvision's), or a
    tower to go on from: a folder, or ``esmm-tower``. The text encoder and the captions follow the first recipe.
    """

    catalogues: Sequence[Catalogue]
    folder: Path
    settings: Settings
    backbone: str = "mobilenet_v2"
    weights: Path | None = None
    limit: int | None = None
    device: str = "cpu"


@dataclass(frozen=True)
class Watch:
    """Who is told of a training as it goes: what is being done, each step of an epoch, each finished epoch."""

    on_stage: Callable[[str], None] = lambda _: None
    on_step: Callable[[int, int], None] = lambda _done, _all: None
    on_epoch: "Callable[[Epoch], None]" = lambda _: None


def align(job: Job, watch: Watch = Watch()) -> "list[Epoch]":  # it is immutable
    """Train, and return the history of the epochs; the best tower lies in ``job.folder``.

    A folder that holds an unfinished training of the same settings is gone on with. Raises AlignError.
    """
    _check_settings(job.settings)
    with workplace(job):
        state = _checkpoint(job)
        if state is None:
            _write(job.folder / _ORIGIN, _origin(job))
        training = prepared(job, state, watch)
        _trained(training, job.folder, watch)
    return training.history


def _check_settings(settings: Settings) -> None:
    least = [name for name in ("epochs", "batch", "side", "patience") if getattr(settings, name) < 1]
    if least:
        raise AlignError(f"{', '.join(least)} must be 1 or more", "correct the settings named")
    if settings.validation >= 1:
        raise AlignError("validation leaves no pairs to train on", "set it below 1, such as 0.05")


@contextmanager
def workplace(job: Job) -> Iterator[None]:
    """Make the folder, name the faults of its disk, and leave no pixels in it."""
    try:
        job.folder.mkdir(parents=True, exist_ok=True)
        yield
    except (OSError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not _is_full(error):
            raise
        reason = getattr(error, "strerror", None) or "no space left"
        raise AlignError(
            f"{job.folder} cannot be written: {reason}; what was finished before is kept",
            "free space or name another folder with --out, then run the same command to go on",
        ) from None
    finally:
        with suppress(OSError):
            (job.folder / _PIXELS).unlink(missing_ok=True)


def prepared(job: Job, state: dict[str, Any] | None, watch: Watch) -> Training:
    """Read the pairs, encode their captions and build the tower; ``state`` is a checkpoint to go on from."""
    import torch

    watch.on_stage("reading photos and captions")
    pairs = read_pairs(job.catalogues, job.folder / _PIXELS, side=job.settings.side, limit=job.limit)
    recipe = job.catalogues[0].recipe
    if recipe.text is None:
        raise AlignError(f"{recipe.source} has no [text], so there is no space to train into", "esmm init writes one")
    encoder = load_encoder(recipe.text, device=job.device)
    watch.on_stage(f"encoding the captions of {pairs}")
    corpus = Corpus(pairs, encoder, job.settings)
    torch.manual_seed(job.settings.seed)  # a new projection is drawn
    training = Training(_tower(job, encoder.info), corpus, job.settings, device=job.device)
    if state:
        training.resume(state)
        watch.on_stage(f"going on after epoch {training.history[-1].number}")
    return training


def _trained(training: Training, folder: Path, watch: Watch) -> None:
    before = _before(training, folder)
    if not training.history:
        training.look()
        watch.on_stage(f"photos tell {training.told}")
        save_tower(training.tower, folder)  # an epoch may be worse, or end in no number
        watch.on_epoch(training.history[-1])
    while not training.finished:
        watch.on_epoch(training.next(watch.on_step))
        if training.best is training.history[-1]:
            save_tower(training.tower, folder)
        training.save(folder / CHECKPOINT)
        _write(folder / METRICS, [epoch.as_json() for epoch in training.history])
        write_curves(training.history, folder / CURVES)
    if not training.refitted:
        training.tower.load_state_dict(load_tower(folder).state_dict())
        _described(training, folder, before)
        if training.settings.refit:
            watch.on_stage("fitting the projection to all pairs")
            training.refit(watch.on_step)
            training.save(folder / CHECKPOINT)  # before the tower: a refit must not begin from a tower that had one
    if training.refitted:
        save_tower(training.tower, folder)


def _described(training: Training, folder: Path, before: np.ndarray) -> None:
    """Write the page and the card: how good the best epoch's tower is on photos that it has not seen."""
    write_page(
        folder / PAGE,
        title=training.tower.config.name,
        settings=training.settings.as_json(),
        history=training.history,
        examples=_examples(training, before),
    )
    write_card(training, folder)


def _tower(job: Job, text: "EncoderInfo") -> Tower:
    wanted = TowerConfig(
        name=job.folder.resolve().name,
        backbone=job.backbone,
        side=job.settings.side,
        hidden=job.settings.hidden or _HIDDEN,
        dims=text.dims,
        text=str(text),
        space=text.space,
    )
    if (start := tower_folder(job.backbone)) is None:
        module, _ = load_backbone(job.backbone, job.weights)
        return Tower(wanted, module)
    tower = load_tower(start)
    had = tower.config
    if (had.space, had.dims) != (text.space, text.dims):
        raise AlignError(
            f"{job.backbone} was trained into the space of {had.text}, the recipe names {text}",
            "start from a torchvision model, or name that text model in the recipe",
        )
    tower.config = replace(wanted, backbone=had.backbone, hidden=job.settings.hidden or had.hidden)
    if tower.config.hidden != had.hidden:
        tower.draw_projection()
    return tower


def _checkpoint(job: Job) -> dict[str, Any] | None:
    import torch

    path = job.folder / CHECKPOINT
    if not path.exists():
        return None
    try:
        state: dict[str, Any] = torch.load(path, map_location=job.device, weights_only=True)
        earlier = Settings(**state["settings"])
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, TypeError, UnpicklingError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise AlignError(f"{path} cannot be read: {reason}", "delete it to start again") from None
    named = job.settings.differences(earlier) + _other_origin(job)
    if named:
        raise AlignError(
            f"{job.folder} holds a training with other settings: {', '.join(named)}",
            "name another folder with --out, or delete this one",
        )
    return state


def _origin(job: Job) -> dict[str, Any]:
    """Return what a training is made from, beside its settings."""
    return {
        "catalogues": [catalogue.source.catalogue for catalogue in job.catalogues],
        "customers": [sum(map(len, catalogue.customers.values())) for catalogue in job.catalogues],
        "text.model": [catalogue.recipe.text.model for catalogue in job.catalogues[:1] if catalogue.recipe.text],
        "backbone": job.backbone,
        "weights": str(job.weights) if job.weights else None,
        "limit": job.limit,
    }


def _other_origin(job: Job) -> list[str]:
    path = job.folder / _ORIGIN
    earlier = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return [name for name, value in _origin(job).items() if earlier.get(name, value) != value]


def _before(training: Training, folder: Path) -> np.ndarray:
    """Return the validation photos' vectors before training, kept beside the checkpoint for a resumed one."""
    path = folder / "before.npy"
    if not training.history:  # an earlier one may have been killed before its first epoch
        np.save(path, training.vectors_of(training.corpus.validation))
    return np.asarray(np.load(path))


def _examples(training: Training, before: np.ndarray) -> list[Example]:
    corpus = training.corpus
    pool = corpus.validation
    after = training.vectors_of(pool)
    shown = [corpus.shown(pair) for pair in pool]
    names = sorted(set(shown))
    drawn = np.random.default_rng(training.settings.seed).permutation(len(names))[:_EXAMPLES]
    made = []
    for caption in sorted(names[number] for number in drawn):
        vector = corpus.first_vectors([pool[shown.index(caption)]])[0]

        def top(photos: np.ndarray, vector: np.ndarray = vector, caption: str = caption) -> tuple[Shown, ...]:
            best = np.argsort(-(photos @ vector), kind="stable")[:_SHOWN]
            return tuple(Shown(_jpeg(corpus.photos[pool[b]]), shown[b], shown[b] == caption) for b in best)

        made.append(Example(caption, top(before), top(after)))
    return made


def _jpeg(pixels: np.ndarray) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels[:, :, :3]).save(file, "JPEG", quality=85)
    return file.getvalue()


def _write(path: Path, value: Any) -> None:
    with whole(path) as beside:
        beside.write_text(json.dumps(value, indent=1), encoding="utf-8")


def _is_full(error: RuntimeError) -> bool:
    """Tell whether torch failed to write a file whole: it says so by a RuntimeError of its own."""
    said = ("PytorchStreamWriter", "No space left", "file write failed", "iostream error", "unexpected pos")
    return any(words in str(error) for words in said)
