"""A small search over settings: each variant trains briefly on part of the pairs, and validation decides."""

from collections.abc import Callable
from dataclasses import replace

from esmm.align.run import Job, Watch, prepared, workplace
from esmm.align.settings import LossName, Settings

_PAIRS, _EPOCHS = 1500, 2


def variants(settings: Settings) -> dict[str, Settings]:
    """Return the settings that are tried, by what distinguishes them from those given."""
    rate = settings.learning_rate
    other_loss: LossName = "triplet" if settings.loss == "infonce" else "infonce"
    return {
        "as given": settings,
        f"learning rate {rate / 3:g}": replace(settings, learning_rate=rate / 3),
        f"learning rate {rate * 3:g}": replace(settings, learning_rate=rate * 3),
        f"loss {other_loss}": replace(settings, loss=other_loss),
        "no BM25 neighbours": replace(settings, hard=0.0),
    }


def best_settings(job: Job, watch: Watch, tell: Callable[[str], None]) -> Settings:
    """Return the variant with the best validation score after two epochs on 1,500 pairs of each catalogue.

    ``tell`` gets a line a variant. Raises AlignError.
    """
    limit = min(job.limit or _PAIRS, _PAIRS)
    scores = {}
    with workplace(job):
        for name, settings in variants(job.settings).items():
            short = replace(settings, epochs=_EPOCHS, batch=min(settings.batch, limit // 8))
            training = prepared(replace(job, settings=short, limit=limit), None, Watch())
            training.look()
            while not training.finished:
                training.next(watch.on_step)
            scores[name] = training.best.score
            tell(f"tried {name}: MAP {scores[name]:.3f}")
    best = max(scores, key=lambda name: scores[name])
    tell(f"best: {best}")
    return variants(job.settings)[best]
