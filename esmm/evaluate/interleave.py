"""Two rankings compared by real clicks: team-draft interleaving of their lists, and what a log of it tells.

Radlinski, Kurup and Joachims, "How Does Clickthrough Data Reflect Retrieval Quality?", CIKM 2008.
"""

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import NormalDist
from typing import Any

from esmm.errors import LearnError

_SHOWN_FAULTS = 20


@dataclass(frozen=True)
class Mixed:
    """An interleaved list: products in the order to show, each with the team that gets credit for a click, or none."""

    ids: tuple[str, ...]
    teams: tuple[str | None, ...]

    def as_json(self, query: str, clicks: Sequence[str] = ()) -> dict[str, Any]:
        """Return the line of a log: what was shown for a query, and the ids clicked."""
        shown = [{"id": found, "team": team} for found, team in zip(self.ids, self.teams, strict=True)]
        return {"query": query, "shown": shown, "clicks": list(clicks)}


@dataclass(frozen=True)
class Impression:
    """One page shown: the team of each product, and the ids clicked."""

    teams: Mapping[str, str | None]
    clicks: frozenset[str]


@dataclass(frozen=True)
class Outcome:
    """What a log tells: impressions won by each of two teams, drawn ones, and those without a click that counts.

    ``share`` is the first team's share of the won impressions with its interval at ``level`` (Wilson 1927), ``p`` the
    two-sided sign test. All three know nothing of people who return: impressions of one person are not independent.
    """

    teams: tuple[str, str]
    wins: tuple[int, int]
    drawn: int
    without: int
    share: float
    low: float
    high: float
    level: float
    p: float


def team_draft(
    first: Sequence[str], second: Sequence[str], *, length: int, rng: Random, names: tuple[str, str] = ("a", "b")
) -> Mixed:
    """Interleave two result lists, best first, into one of at most ``length`` products.

    In each round a coin says which team picks first; each picks the best of its list that is not there yet. When one
    list has no more to give, the rest of the other is shown without a team, since nobody competes for it. A longer
    list with the same coin (``Random(key)``) begins with the shorter one, so pages fit together.
    """
    lists, teams = dict(zip(names, (first, second), strict=True)), dict[str, str | None]()
    for picking in _turns(names, rng):
        best = {team: next((found for found in lists[team] if found not in teams), None) for team in names}
        if len(teams) >= length or None in best.values():
            break
        teams[str(best[picking])] = picking
    rest = (found for found in (*first, *second) if found not in teams)
    for found in list(dict.fromkeys(rest))[: max(0, length - len(teams))]:
        teams[found] = None
    return Mixed(tuple(teams), tuple(teams.values()))


def in_share(key: str, share: float, *, salt: str = "") -> bool:
    """Say whether a key (a session, a user) is in a share (0 to 1) of the traffic: always the same for one salt.

    Who is in a share is in every larger one. Another ``salt`` draws anew: give each experiment its own. Raises
    LearnError for a share outside 0 to 1.
    """
    if not 0 <= share <= 1:
        raise LearnError(f"a share of traffic of {share:g} is not between 0 and 1", "0.1 is a tenth")
    digest = hashlib.sha256(f"{salt}\0{key}".encode()).digest()
    return int.from_bytes(digest[:8], "big") < share * 2**64


def read_impressions(path: Path) -> list[Impression]:
    """Read a log of interleaved pages: JSON lines ``{"query", "shown": [{"id", "team"}], "clicks": [ids]}``.

    Raises LearnError with all faults, each with its line.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise LearnError(f"{path} cannot be read: {error}", "name a file of JSON lines in UTF-8") from None
    read = {number: _impression(line) for number, line in enumerate(lines, 1) if line.strip()}
    faults = [f"line {number}: {fault}" for number, fault in read.items() if isinstance(fault, str)]
    if faults or not read:
        more = [f"and {len(faults) - _SHOWN_FAULTS} more"] * (len(faults) > _SHOWN_FAULTS)
        told = "\n".join(f"  {fault}" for fault in [*faults[:_SHOWN_FAULTS], *more]) or "  it is empty"
        form = '{"query": "shoe", "shown": [{"id": "17", "team": "a"}], "clicks": ["17"]}'
        raise LearnError(f"{path} is no log of interleaved pages:\n{told}", f"each line looks like {form}")
    return [found for found in read.values() if isinstance(found, Impression)]


def credited(impressions: Iterable[Impression], *, level: float = 0.95) -> Outcome:
    """Give each impression to the team with more products clicked, and say whether one team wins more often.

    Raises LearnError if the impressions know more than two teams, or none.
    """
    seen = list(impressions)
    names = sorted({team for impression in seen for team in impression.teams.values() if team is not None})
    if not 1 <= len(names) <= 2:
        raise LearnError(
            f"a log of interleaved pages has two teams, this one has {', '.join(names) or 'none'}",
            "evaluate each pair of fusions by a log of its own",
        )
    first, second = (*names, "(none)")[:2]
    leads = [_lead(impression, first, second) for impression in seen]
    wins = (sum(lead is not None and lead > 0 for lead in leads), sum(lead is not None and lead < 0 for lead in leads))
    low, high = wilson(wins[0], sum(wins), level=level)
    share = wins[0] / sum(wins) if sum(wins) else math.nan
    drawn, without = leads.count(0), leads.count(None)
    return Outcome((first, second), wins, drawn, without, share, low, high, level, sign_test(*wins))


def sign_test(wins: int, losses: int) -> float:
    """Return the two-sided p of as uneven a result of fair coins (exact); 1 without any."""
    n, fewer = wins + losses, min(wins, losses)
    if 2 * fewer == n:
        return 1.0
    logs = (math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) for k in range(fewer + 1))
    return min(1.0, 2 * math.fsum(math.exp(log - n * math.log(2)) for log in logs))


def wilson(wins: int, n: int, *, level: float = 0.95) -> tuple[float, float]:
    """Return Wilson's score interval of a share; 0 to 1 if nothing was counted."""
    if not n:
        return 0.0, 1.0
    z = NormalDist().inv_cdf((1 + level) / 2)
    middle, width = wins + z * z / 2, z * math.sqrt(wins * (n - wins) / n + z * z / 4)
    return max(0.0, (middle - width) / (n + z * z)), min(1.0, (middle + width) / (n + z * z))


def _turns(names: tuple[str, str], rng: Random) -> Iterator[str]:
    while True:
        yield from names if rng.random() < 0.5 else reversed(names)


def _lead(impression: Impression, first: str, second: str) -> int | None:
    """Return by how many clicked products the first team leads; None if no click counts."""
    credit = [impression.teams[click] for click in impression.clicks]
    mine, theirs = credit.count(first), credit.count(second)
    return mine - theirs if mine or theirs else None


def _impression(line: str) -> Impression | str:
    """Read one line of a log, or say what is wrong with it."""
    try:
        raw = json.loads(line)
        teams = {shown["id"]: shown["team"] for shown in raw["shown"]}
        clicks = frozenset(raw["clicks"])
    except json.JSONDecodeError as error:
        return f"no JSON: {error.msg}"
    except KeyError as error:
        return f"{error.args[0]} is missing"
    except TypeError:
        return "shown must be a list of objects with id and team, clicks a list of ids"
    if not all(isinstance(found, str) for found in (*teams, *clicks)):
        return "ids must be texts"
    if not all(team is None or isinstance(team, str) for team in teams.values()):
        return "a team must be a text or null"
    strange = sorted(clicks - set(teams))
    return f"clicked but not shown: {', '.join(strange)}" if strange else Impression(teams, clicks)
