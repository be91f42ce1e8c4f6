"""Patience with a server that is busy, restarts or is not heard: which faults pass by themselves, and how to wait."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from threading import Event
from typing import TYPE_CHECKING, Any

from esmm.errors import Unreachable

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch
    from tenacity import RetryCallState, Retrying

BUSY = (429, 502, 503, 504)
_PATIENCE = 300  # seconds without any progress: a node with many shards takes minutes to restart
_LONGEST_PAUSE = 20  # seconds


class ServerBusy(Unreachable):
    """All documents of a request were pushed back; they are sent again after a pause."""


def patient(ended: Event | None = None) -> "Retrying":
    """Return a caller that repeats a step on 429, 502, 503, 504, lost connections and time-outs.

    It waits longer and longer, as long as the server asks for by Retry-After, and after some minutes raises what the
    last attempt raised; at once where ``ended`` is set.
    """
    from tenacity import Retrying, retry_if_exception, sleep_using_event, stop_after_delay, stop_when_event_set

    ended = ended or Event()
    return Retrying(
        retry=retry_if_exception(passes),
        stop=stop_after_delay(_PATIENCE) | stop_when_event_set(ended),
        wait=_pause,
        sleep=sleep_using_event(ended),
        reraise=True,
    )


def dogged(client: "Elasticsearch") -> "Elasticsearch":
    """Return the client, which repeats each request by itself a few times: for steps that take many of them."""
    return client.options(max_retries=5, retry_on_timeout=True, retry_on_status=BUSY)


def passes(error: BaseException) -> bool:
    """Say whether a fault may be gone a little later."""
    from elasticsearch import ApiError, ConnectionTimeout
    from elasticsearch import ConnectionError as Lost

    if isinstance(error, ApiError):
        return error.meta.status in BUSY and not is_block(error.meta.status, error.body)
    return isinstance(error, (ServerBusy, Lost, ConnectionTimeout))


def is_block(status: int, error: Any) -> bool:
    """Say whether an error is a block that somebody must lift; those with 503 end when the node has started."""
    return status != 503 and "cluster_block_exception" in str(error)


def _pause(state: "RetryCallState") -> float:
    """Return how many seconds to wait: drawn at random below a bound that doubles, never less than the server asks."""
    from tenacity import wait_random_exponential

    drawn = float(wait_random_exponential(multiplier=0.5, max=_LONGEST_PAUSE)(state))
    error = state.outcome.exception() if state.outcome else None
    headers = getattr(getattr(error, "meta", None), "headers", None) or {}
    return max(drawn, min(_asked(headers.get("retry-after", "")), _PATIENCE / 2))


def _asked(retry_after: str) -> float:
    """Return the seconds of a Retry-After header, which holds a number or a date (RFC 9110, 10.2.3)."""
    if retry_after.strip().isdigit():
        return float(retry_after)
    try:
        moment = parsedate_to_datetime(retry_after)
    except ValueError:
        return 0.0
    return max(0.0, (moment.astimezone(UTC) - datetime.now(UTC)).total_seconds())
