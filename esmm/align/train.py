"""The training loop: epochs, schedule, early stopping, checkpoints that survive a kill."""

import math
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from esmm.align.colours import Told, told_by_photos
from esmm.align.corpus import Batch, Corpus
from esmm.align.losses import LOSSES, Comparison, kept_neighbours, same_product
from esmm.align.measures import Epoch, best_of, both_ways
from esmm.align.settings import Settings
from esmm.align.stored import joined
from esmm.align.viewer import Viewer
from esmm.encoders.tower import Tower
from esmm.errors import AlignError
from esmm.paths import whole

CHECKPOINT = "checkpoint.pt"
_CLIP = 5.0  # a gradient longer than this is cut to it
_COLDEST = 100.0  # the highest inverse temperature, as in CLIP
# The probe sees so many views of each photo, in batches so many times as large, at this rate.
_PROBE_VIEWS, _PROBE_BATCHES, _PROBE_RATE = 3, 4, 4e-3
# The refit draws so many pairs at a time, some also in scenes, at this rate, and drops so many of the features.
_REFIT_BATCH, _REFIT_RATE, _FORGOTTEN = 512, 2e-3, 0.1

OnStep = Callable[[int, int], None]


class Training:
    """A tower in training, its optimiser, and the history of its epochs."""

    def __init__(self, tower: Tower, corpus: Corpus, settings: Settings, *, device: str = "cpu") -> None:
        self.tower, self.corpus, self.settings = tower.to(device), corpus, settings
        self.history: list[Epoch] = []
        self.told = Told()
        self.refitted = False
        self._device = torch.device(device)
        self._vectors = corpus.vectors.to(device)
        self._viewer = Viewer(tower, corpus, scenes=settings.scenes > 0, device=self._device)
        self.vectors_of = self._viewer.vectors_of
        self._log_scale = nn.Parameter(torch.tensor(math.log(20.0), device=device))
        _freeze(tower, settings)
        backbone = [p for p in tower.backbone.parameters() if p.requires_grad]
        head = [p for name, p in tower.named_parameters() if not name.startswith("backbone.")]
        self._rates = [settings.learning_rate, settings.learning_rate * settings.backbone_rate]
        self._head = [*head, self._log_scale]
        groups = [{"params": self._head}, {"params": backbone}]
        self._optimiser = torch.optim.AdamW(groups, lr=0.0, weight_decay=settings.weight_decay)
        self._total = settings.epochs * corpus.steps(settings.batch)

    @property
    def best(self) -> Epoch:
        """The epoch whose tower is kept."""
        return best_of(self.history)

    @property
    def _probed(self) -> int:
        """How many epochs come before those that train the tower as a whole."""
        return 1 if self.settings.probe else 0

    @property
    def finished(self) -> bool:
        """Whether all epochs ran, or as many without gain as patience allows."""
        last = self.history[-1].number
        return last >= self.settings.epochs + self._probed or last - self.best.number >= self.settings.patience

    def look(self) -> None:
        """Measure the tower before training, as epoch 0.

        A new projection is first set to the scale of its features; then photos tell the colours that captions lack.
        """
        began = time.monotonic()
        if not self.tower.is_standardised:
            self._viewer.standardise(self.corpus.training, self.settings.seed)
        if self.settings.colours < 1:
            self._complete(self._told())
        self.history.append(self._measured(0, None, began))

    def next(self, on_step: OnStep = lambda _done, _all: None) -> Epoch:
        """Train the next epoch and measure it. Raises AlignError if the loss is no number any more."""
        first = self.history[-1].number == 0
        return self.probe(on_step) if first and self.settings.probe else self.epoch(on_step)

    def probe(self, on_step: OnStep = lambda _done, _all: None) -> Epoch:
        """Train the projection on stored features of the still backbone, as epoch 1.

        It is cheap, and what is then trained as a whole starts better and forgets less (Kumar et al. 2022).
        """
        began = time.monotonic()
        torch.manual_seed(self.settings.seed)
        rng = np.random.default_rng([self.settings.seed, 0])
        self.tower.train()
        batches = (batch for _ in range(_PROBE_VIEWS) for batch in self.corpus.batches(self.settings, rng))
        stored = [self._viewer.stored(batch) for batch in batches]

        def loss() -> torch.Tensor:
            drawn = [stored[number] for number in rng.integers(len(stored), size=_PROBE_BATCHES)]
            photos, scenes, captions = joined(drawn, [self.corpus.redrawn(one.pairs, rng) for one in drawn])
            features = torch.cat([photos, scenes]).to(self._device)
            seen = self.tower.project(features)
            told = self._loss(seen[: len(photos)], seen[len(photos) :], captions, rng)
            return told + self.settings.keep * kept_neighbours(seen, self.tower.own(features))

        steps = max(1, self.settings.probe * len(stored) // (_PROBE_VIEWS * _PROBE_BATCHES))
        losses = self._fit_head(loss, steps, _PROBE_RATE, 1, on_step)
        self.history.append(self._measured(1, float(np.mean(losses[-len(stored) :])), began))
        return self.history[-1]

    def epoch(self, on_step: OnStep = lambda _done, _all: None) -> Epoch:
        """Train the tower as a whole for one epoch."""
        number, began, settings = self.history[-1].number + 1, time.monotonic(), self.settings
        torch.manual_seed(settings.seed * 1000 + number)  # a resumed training draws as an undisturbed one
        rng = np.random.default_rng([settings.seed, number])
        steps = self.corpus.steps(settings.batch)
        self.tower.train()
        losses = []
        for done, batch in enumerate(self.corpus.batches(settings, rng)):
            losses.append(self._step(batch, (number - 1 - self._probed) * steps + done, rng))
            _check_finite(losses[-1], number, done + 1)
            on_step(done + 1, steps)
        self.history.append(self._measured(number, sum(losses) / len(losses), began))
        return self.history[-1]

    def refit(self, on_step: OnStep = lambda _done, _all: None) -> None:
        """Fit the projection to all pairs, those of validation too, on stored features.

        Epochs are chosen by photos that they have not seen. A shop searches the photos that it trained on: here their
        captions are learned by heart. What holds for other photos is kept by dropping features (Srivastava 2014).
        """
        torch.manual_seed(self.settings.seed)
        rng = np.random.default_rng([self.settings.seed, 1 << 20])
        stored = self._viewer.stored_all(rng)
        self.tower.train()
        in_scene = min(len(stored.scenes), self._viewer.in_scenes(_REFIT_BATCH))

        def loss() -> torch.Tensor:
            picked = rng.permutation(len(stored.scenes))[:in_scene]
            pairs = np.concatenate([stored.pairs[picked], self.corpus.drawn(_REFIT_BATCH - in_scene, rng)])
            seen_so = pairs + self.corpus.count * rng.integers(2, size=len(pairs))  # as it is, or a view of it
            features = torch.cat([stored.photos[seen_so], stored.scenes[picked]]).to(self._device).float()
            seen = self.tower.project(functional.dropout(features, _FORGOTTEN))
            captions = self.corpus.redrawn(pairs, rng)
            return self._loss(seen[: len(pairs)], seen[len(pairs) :], captions, rng)

        steps = math.ceil(self.settings.refit * self.corpus.count / _REFIT_BATCH)
        self._fit_head(loss, steps, _REFIT_RATE, self.history[-1].number, on_step)
        self.refitted = True

    def _fit_head(
        self, loss: Callable[[], torch.Tensor], steps: int, rate: float, epoch: int, on_step: OnStep
    ) -> list[float]:
        """Take so many steps with the projection alone, and return the losses; ``rate`` is the highest."""
        optimiser = torch.optim.AdamW(self._head, weight_decay=self.settings.weight_decay)
        losses = []
        for done in range(steps):
            optimiser.param_groups[0]["lr"] = rate * _schedule(done / steps, self.settings.warmup)
            losses.append(_stepped(optimiser, loss()))
            _check_finite(losses[-1], epoch, done + 1)
            on_step(done + 1, steps)
        return losses

    def save(self, path: Path) -> None:
        """Write all that a resumed training needs, whole or not at all."""
        state = {
            "settings": self.settings.as_json(),
            "history": [epoch.as_json() for epoch in self.history],
            "tower": self.tower.state_dict(),
            "scale": self._log_scale.detach(),
            "optimiser": self._optimiser.state_dict(),
            "told": asdict(self.told),
            "refitted": self.refitted,
        }
        with whole(path) as beside:
            torch.save(state, beside)

    def resume(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`save` wrote."""
        self.tower.load_state_dict(state["tower"])
        self._log_scale.data.copy_(state["scale"])
        self._optimiser.load_state_dict(state["optimiser"])
        self.history = [Epoch.from_json(epoch) for epoch in state["history"]]
        self._complete(Told(**state["told"]))
        self.refitted = state["refitted"]

    def _told(self) -> Told:
        """Let the photos of each catalogue tell the colours that its captions lack."""
        torch.manual_seed(self.settings.seed)
        found = [self._told_in(pairs) for pairs in self.corpus.catalogues]
        checked = sum(told.checked for told in found)
        right = sum(told.precision * told.checked for told in found)
        return Told({k: v for told in found for k, v in told.colours.items()}, checked, right / max(1, checked))

    def _told_in(self, pairs: np.ndarray) -> Told:
        with torch.inference_mode():
            features = self.tower.norm(self._viewer.plain(pairs).float().to(self._device)).cpu()
        captions = [self.corpus.shown(pair) for pair in pairs]
        told = told_by_photos(features.clone(), captions, sure=self.settings.colours, seed=self.settings.seed)
        return replace(told, colours={int(pairs[place]): colour for place, colour in told.colours.items()})

    def _complete(self, told: Told) -> None:
        self.told = told
        self.corpus.complete(told.colours)
        self._vectors = self.corpus.vectors.to(self._device)

    def _step(self, batch: Batch, number: int, rng: np.random.Generator) -> float:
        for group, rate in zip(self._optimiser.param_groups, self._rates, strict=True):
            group["lr"] = rate * _schedule(number / self._total, self.settings.warmup)
        photos, scenes = self._viewer.views(batch)
        with torch.set_grad_enabled(self.settings.train != "projection"):
            features = self._viewer.features(torch.cat([photos, scenes]))
        seen = self.tower.project(features)
        return _stepped(self._optimiser, self._loss(seen[: len(photos)], seen[len(photos) :], batch.captions, rng))

    def _loss(
        self, photos: torch.Tensor, scenes: torch.Tensor, captions: np.ndarray, rng: np.random.Generator
    ) -> torch.Tensor:
        """Compare unit rows of photos with their captions; ``scenes`` show the first of them again."""
        loss = self._compared(photos, captions, rng)
        if len(scenes):
            shown = captions[: len(scenes)]
            alike = self.corpus.vocabulary.compatible(shown, shown).to(self._device)
            same = same_product(photos[: len(scenes)], scenes, alike)
            loss = loss + self.settings.scenes * (same + self._compared(scenes, shown, rng))
        return loss

    def _compared(self, photos: torch.Tensor, captions: np.ndarray, rng: np.random.Generator) -> torch.Tensor:
        columns = np.concatenate([captions, self.corpus.bank(rng)])
        unknown = self.corpus.vocabulary.compatible(captions, columns).to(self._device)
        scale = self._log_scale.exp().clamp(max=_COLDEST)
        texts = self._vectors[torch.from_numpy(columns)]
        return LOSSES[self.settings.loss](Comparison(photos, texts, unknown, scale))

    def _measured(self, number: int, loss: float | None, began: float) -> Epoch:
        chosen = self.corpus.validation
        captions = [self.corpus.shown(pair) for pair in chosen]
        to_photo, to_text = both_ways(self.vectors_of(chosen), self.corpus.first_vectors(chosen), captions)
        rate = self._optimiser.param_groups[0]["lr"]
        return Epoch(number, loss, rate, time.monotonic() - began, to_photo, to_text)


def _stepped(optimiser: torch.optim.Optimizer, loss: torch.Tensor) -> float:
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_([p for group in optimiser.param_groups for p in group["params"]], _CLIP)
    optimiser.step()
    return loss.item()


def _check_finite(loss: float, epoch: int, step: int) -> None:
    if not math.isfinite(loss):
        raise AlignError(
            f"the loss became {loss} in epoch {epoch}, step {step}; the best tower so far is kept",
            "start again with a lower --learning-rate",
        )


def _schedule(done: float, warmup: float) -> float:
    """Return the share of the highest rate: rising for the warm-up, then down along a cosine to 0."""
    if done < warmup:
        return done / warmup
    return 0.5 * (1 + math.cos(math.pi * (done - warmup) / (1 - warmup)))


def _freeze(tower: Tower, settings: Settings) -> None:
    """Keep still what is not to learn: the backbone, or the first half of its parameters in their order."""
    parameters = list(tower.backbone.parameters())
    still = {"projection": len(parameters), "last": len(parameters) // 2, "all": 0}[settings.train]
    for parameter in parameters[:still]:
        parameter.requires_grad_(False)  # torch's own signature
