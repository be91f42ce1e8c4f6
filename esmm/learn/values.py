"""What a number or a date of a product counts for, as Elasticsearch's own functions have it."""

import re
from datetime import UTC, datetime
from typing import Any

_HOURS = {"d": 24.0, "h": 1.0, "m": 1 / 60}


def number_of(value: Any) -> float:
    """Return a number as Elasticsearch takes it: the least of several; below 0 it counts for nothing."""
    values = [float(each) for each in (value if isinstance(value, list) else [value]) if each not in (None, "")]
    return min(values) if values and min(values) >= 0 else float("nan")


def recency_of(value: Any, *, now: float, half_life: str) -> float:
    """Return 1 for now, one half for a half-life away, of several dates the nearest; NaN for what is no date."""
    number, unit = re.fullmatch(r"(\d+)([dhm])", half_life).groups()  # type: ignore[union-attr]  # checked by the recipe
    seconds = [
        abs(now - found)
        for each in (value if isinstance(value, list) else [value])
        if (found := _instant(each)) is not None
    ]
    return float(0.5 ** (min(seconds) / (int(number) * _HOURS[unit] * 3600))) if seconds else float("nan")


def _instant(value: Any) -> float | None:
    """Return seconds since 1970 of what Elasticsearch takes for a date: ISO, or milliseconds."""
    try:
        if str(value).lstrip("-").isdigit() and len(str(value)) > 4:
            return int(value) / 1000
        moment = datetime.fromisoformat(str(value))
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
