"""Judgements from a search log: position bias taken out, little evidence shrunk, programs and persons left out."""

import csv
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

from esmm import __version__
from esmm.errors import LearnError
from esmm.learn.clicks.counts import counted
from esmm.learn.clicks.curves import by_pbm, by_swaps
from esmm.learn.clicks.filters import Limits, filtered
from esmm.learn.clicks.grades import Worth, graded
from esmm.learn.clicks.log import Impression, Log, read_log
from esmm.learn.clicks.privacy import anonymous
from esmm.paths import whole


@dataclass(frozen=True)
class Settings:
    """How judgements are made: the model of positions, the users that a query needs, limits, and what counts."""

    model: str = "pbm"
    k_anonymity: int = 5
    limits: Limits = field(default_factory=Limits)
    worth: Worth = field(default_factory=Worth)


@dataclass(frozen=True)
class Judged:
    """Gains (0 to 1) by query and product; ``provenance`` is plain JSON; ``faults`` are bad lines by number."""

    gains: Mapping[str, Mapping[str, float]]
    provenance: Mapping[str, Any]
    faults: tuple[tuple[int, str], ...]


def judge(path: str | Path, settings: Settings | None = None) -> Judged:
    """Make judgements of a search log. Raises LearnError where it says too little, telling what was dropped."""
    settings = settings or Settings()
    if settings.model not in {"pbm", "swaps"}:
        raise LearnError(f"there is no model {settings.model!r} of clicks", "choose pbm or swaps")
    log = read_log(path)
    kept, dropped = _chosen(log, settings)
    if not kept:
        raise _nothing(log, dropped)
    curve = by_swaps(kept) if settings.model == "swaps" else by_pbm(counted(kept))
    result = graded(counted(kept), curve, settings.worth)
    if not result.gains:
        raise _nothing(log, {**dropped, **result.dropped})
    provenance = {
        "made_by": f"esmm {__version__} clicks",
        "settings": asdict(settings),
        "lines": log.lines,
        "lines_used": len(kept),
        "lines_bad": len(log.faults),
        "queries_scrubbed": log.scrubbed,
        "dropped": {**dropped, **result.dropped},
        "users": _users(log),
        "queries": len(result.gains),
        "judgements": sum(map(len, result.gains.values())),
        "curve": asdict(curve),
        "prior_shape": round(result.shape, 4),
        "value_of_gain_1": round(result.full, 4),
        "noise": _noise(settings.worth.epsilon),
    }
    return Judged(result.gains, provenance, tuple(log.faults))


def table(judged: Judged, file: IO[str]) -> None:
    """Write the judgements as a table: query, product_id, gain, the best product of a query first."""
    out = csv.writer(file, "excel-tab", lineterminator="\n")
    out.writerow(("query", "product_id", "gain"))
    for query in sorted(judged.gains):
        products = judged.gains[query]
        out.writerows((query, product, products[product]) for product in sorted(products, key=lambda p: -products[p]))


def store(judged: Judged, path: Path) -> Path:
    """Write the table, and beside it the JSON of its provenance, whose path is returned. Raises LearnError."""
    beside = path.with_name(path.name.removesuffix(".tsv") + ".provenance.json")
    try:
        with whole(path) as made, made.open("w", encoding="utf-8", newline="") as file:
            table(judged, file)
        with whole(beside) as made:
            made.write_text(json.dumps(judged.provenance, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise LearnError(f"{path} cannot be written: {error.strerror}", "name a file in a folder that exists") from None
    return beside


def _chosen(log: Log, settings: Settings) -> tuple[list[Impression], dict[str, int]]:
    """Return the impressions that may be used, and the lines dropped by reason."""
    kept, dropped = filtered(log.impressions, settings.limits)
    if log.emptied:
        dropped["with nothing but personal data as query"] = log.emptied
    known = anonymous(kept, settings.k_anonymity)
    named = [one for one in kept if one.query in known]
    if rare := len(kept) - len(named):
        dropped["of queries too rare to be anonymous"] = rare
    return named, dropped


def _users(log: Log) -> str:
    if any(one.user is not None for one in log.impressions):
        return "hashed with a secret salt while reading; neither hashes nor salt are kept"
    return "none in the log: k-anonymity counted searches"


def _noise(epsilon: float | None) -> str:
    if epsilon is None:
        return "none"
    return (
        f"Laplace, epsilon {epsilon:g} for what one search did with one product (clicks, carts, purchases); "
        "not for all that a person did, nor for views, the curve and the choice of queries"
    )


def _nothing(log: Log, dropped: Mapping[str, int]) -> LearnError:
    reasons = [f"{len(log.faults)} unreadable"] if log.faults else []
    reasons += [f"{count} {why}" for why, count in dropped.items()]
    first = "".join(f"\n  line {number}: {why}" for number, why in log.faults[:5])
    return LearnError(
        f"no judgement is left of {log.lines} searches: {', '.join(reasons) or 'nothing was shown'}{first}",
        "take a longer log, or lower --k-anonymity or --min-looks",
    )


__all__ = ["Judged", "Limits", "Settings", "Worth", "judge", "store", "table"]
