"""What passes by itself, and how long is waited for it."""

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from threading import Event, Timer

import pytest
from elastic_transport import ApiResponseMeta, HttpHeaders, NodeConfig
from elasticsearch import ApiError, ConnectionTimeout
from elasticsearch import ConnectionError as Lost

from esmm.ingest import patience
from esmm.ingest.patience import passes, patient


def refusal(status: int, kind: str = "", reason: str = "", **headers: str) -> ApiError:
    node = NodeConfig("http", "localhost", 9200)
    meta = ApiResponseMeta(status, "1.1", HttpHeaders({k.replace("_", "-"): v for k, v in headers.items()}), 0.1, node)
    return ApiError(kind, meta, {"error": {"type": kind, "reason": reason}})


@pytest.mark.parametrize(
    ("error", "temporary"),
    [
        (refusal(429), True),
        (refusal(502), True),
        (refusal(503), True),
        (refusal(504), True),
        (refusal(400), False),
        (refusal(413), False),
        (refusal(500), False),
        (Lost("gone"), True),
        (ConnectionTimeout("late"), True),
        (ValueError("ours"), False),
        (refusal(429, "cluster_block_exception", "TOO_MANY_REQUESTS/12/disk usage exceeded"), False),
        (refusal(403, "cluster_block_exception", "FORBIDDEN/8/index write"), False),
        (refusal(503, "cluster_block_exception", "SERVICE_UNAVAILABLE/1/state not recovered / initialized"), True),
    ],
)
def test_what_passes_by_itself(error: Exception, temporary: bool) -> None:
    assert passes(error) is temporary


def waited(monkeypatch: pytest.MonkeyPatch, error: Exception, times: int = 1) -> list[float]:
    """Fail some times with an error; return the pauses, which are not slept."""
    pauses: list[float] = []
    ended = Event()

    def wait(timeout: float) -> None:
        pauses.append(timeout)

    monkeypatch.setattr(ended, "wait", wait)
    left = [error] * times

    def step() -> None:
        if left:
            raise left.pop()

    patient(ended)(step)
    return pauses


def test_retry_after_in_seconds_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    assert waited(monkeypatch, refusal(429, retry_after="7"), 3) == [7, 7, 7]


def test_retry_after_as_a_date_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    moment = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    (pause,) = waited(monkeypatch, refusal(503, retry_after=moment))
    assert 25 < pause <= 30


@pytest.mark.parametrize("words", ["", "soon", "-5", "Wed, 21 Oct 2015 07:28:00 GMT"])
def test_retry_after_that_says_nothing_useful(monkeypatch: pytest.MonkeyPatch, words: str) -> None:
    (pause,) = waited(monkeypatch, refusal(503, retry_after=words))
    assert 0 <= pause <= 0.5


def test_retry_after_of_a_day_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    (pause,) = waited(monkeypatch, refusal(429, retry_after="86400"))
    assert pause == patience._PATIENCE / 2


def test_pauses_grow_but_stay_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses = waited(monkeypatch, Lost("gone"), 40)
    assert max(pauses[:3]) <= 2
    assert 5 < max(pauses) <= patience._LONGEST_PAUSE


def test_patience_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "_PATIENCE", 0.3)
    tried = []

    def step() -> None:
        tried.append(1)
        raise Lost("gone")

    with pytest.raises(Lost):
        patient()(step)
    assert len(tried) > 1


def test_nobody_waits_after_the_end() -> None:
    """A pause ends at once when another sender failed for good, or Ctrl-C was pressed."""
    ended = Event()
    Timer(0.1, ended.set).start()
    begun = time.monotonic()
    with pytest.raises(ApiError):
        patient(ended)(lambda: (_ for _ in ()).throw(refusal(429, retry_after="60")))
    assert time.monotonic() - begun < 5
