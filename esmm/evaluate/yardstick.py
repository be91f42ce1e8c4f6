"""ranx's own fusion as a yardstick, where ranx is installed (Bassani and Romelli, CIKM 2022)."""

import warnings
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from esmm.errors import LearnError
from esmm.evaluate.systems import SEED, Ground, Run, alone
from esmm.learn.contest import FOLDS, folds
from esmm.query.fusion import KEYWORD

if TYPE_CHECKING:
    from types import ModuleType

    from numpy.typing import NDArray

# ranx reads whole gains only.
_STEPS = 1000
_NONE = "(nothing found)"  # stands in an empty list, which ranx cannot type


def optimised(ground: Ground, *, seed: int = SEED) -> Run:
    """Return the run of ranx's ``optimize_fusion`` (min-max, weighted sum, by nDCG@10) over keyword and vectors.

    Its weights are found on four fifths of the questions, for the last fifth. Questions with nothing to find are
    left out. Raises LearnError where that cannot be done, and says why.
    """
    ranx, clauses = _library(), (KEYWORD, *ground.vectors)
    rows = np.flatnonzero(ground.stack.ideal > 0)
    if len(clauses) < 2 or len(rows) < FOLDS:
        told = "there is one clause alone" if len(clauses) < 2 else f"{FOLDS} folds need as many questions"
        raise LearnError(told, "give more questions, or load vectors")
    runs = [ground.run(alone(ground, clause)) for clause in clauses]
    names, made = [ground.stack.names[row] for row in rows], Run()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numba's own casts
        for test in folds(len(rows), FOLDS, seed):
            made |= _of_fold(ranx, _split(names, test), runs, ground.qrels)
    return made


def _library() -> "ModuleType":
    try:
        import ranx
    except ImportError:
        raise LearnError("ranx is not installed", "pip install ranx") from None
    found: ModuleType = ranx
    return found


def _split(names: Sequence[str], test: "NDArray[np.int_]") -> tuple[list[str], list[str]]:
    held = set(test.tolist())
    return [n for at, n in enumerate(names) if at not in held], [n for at, n in enumerate(names) if at in held]


def _of_fold(ranx: Any, parts: tuple[list[str], list[str]], runs: Sequence[Run], qrels: Run) -> Run:
    train, test = parts
    kind = {"norm": "min-max", "method": "wsum"}
    judged = ranx.Qrels({name: {p: round(_STEPS * gain) for p, gain in qrels[name].items()} for name in train})
    weights = ranx.optimize_fusion(judged, _of(ranx, runs, train), **kind, metric="ndcg@10", show_progress=False)
    found = ranx.fuse(_of(ranx, runs, test), **kind, params=weights).to_dict()
    return {
        name: {product: float(score) for product, score in found[name].items() if product != _NONE} for name in test
    }


def _of(ranx: Any, runs: Iterable[Run], names: Sequence[str]) -> list[Any]:
    return [ranx.Run({name: dict(run[name]) or {_NONE: 0.0} for name in names}) for run in runs]
