"""Who and what is left out of a log: programs, people who click on everything, one person's many repetitions."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from esmm.learn.clicks.log import Impression


@dataclass(frozen=True)
class Limits:
    """What is too much: searches of a user in a day, the share of shown products that a user clicks, repetitions.

    Where lines have no time, the whole log is one day.
    """

    searches: int = 200
    share: float = 0.5
    repeats: int = 10


_FEW = 5  # fewer searches, or products shown, tell nothing about their share of clicks


def filtered(impressions: Iterable[Impression], limits: Limits) -> tuple[list[Impression], dict[str, int]]:
    """Return what people did, and how many lines were dropped for which reason."""
    impressions = list(impressions)
    busy, eager = _busy(impressions, limits), _eager(impressions, limits)
    repeats: Counter[tuple[bytes, str]] = Counter()
    dropped: Counter[str] = Counter()
    kept = []
    for one in impressions:
        if one.user in busy:
            dropped["by users with too many searches in a day"] += 1
        elif one.user in eager:
            dropped["by users who click on too much of what they see"] += 1
        elif len(one.shown) >= _FEW and len(one.clicks) == len(one.shown):
            dropped["with a click on everything shown"] += 1
        elif one.user is not None and repeats[one.user, one.query] >= limits.repeats:
            dropped["by a user who repeats a query"] += 1
        else:
            kept.append(one)
            if one.user is not None:
                repeats[one.user, one.query] += 1
    return kept, dict(dropped)


def _busy(impressions: Iterable[Impression], limits: Limits) -> set[bytes]:
    counts = Counter((one.user, one.day) for one in impressions if one.user is not None)
    return {user for (user, _), count in counts.items() if count > limits.searches and user}


def _eager(impressions: Iterable[Impression], limits: Limits) -> set[bytes]:
    searches: Counter[bytes] = Counter()
    shown: Counter[bytes] = Counter()
    clicks: Counter[bytes] = Counter()
    for one in impressions:
        if one.user is not None and len(one.shown) >= _FEW:
            searches[one.user] += 1
            shown[one.user] += len(one.shown)
            clicks[one.user] += len(one.clicks)
    return {user for user in searches if searches[user] >= _FEW and clicks[user] > limits.share * shown[user]}
