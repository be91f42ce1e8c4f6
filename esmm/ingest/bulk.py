"""Send documents to Elasticsearch: patient with a busy server, exact about every document."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from esmm.errors import IndexFault, Unreachable

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch
    from tenacity import Retrying

    from esmm.ingest.records import Record

BUSY = (429, 502, 503, 504)
_ATTEMPTS = 8
_SENDERS = 2
_TOO_LARGE = 413


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A record and the bulk lines that store it; ``known``: the index holds another form of it."""

    record: "Record"
    lines: bytes
    vectors: tuple[str, ...]
    known: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """A document that the server will not take, and why; ``kind`` is Elasticsearch's name of the error."""

    record: "Record"
    reason: str
    kind: str


class ServerBusy(Unreachable):
    """Some documents of a request were pushed back; they are sent again after a pause."""


def patient() -> "Retrying":
    """Return a caller that repeats a step on 429, 502, 503, 504, lost connections and time-outs.

    It waits longer and longer, and in the end raises what the last attempt raised.
    """
    from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

    return Retrying(
        retry=retry_if_exception(_passes),
        stop=stop_after_attempt(_ATTEMPTS),
        wait=wait_random_exponential(multiplier=0.5, max=30),
        reraise=True,
    )


def sent(
    batches: Iterable[list[Outgoing]], client: "Elasticsearch", name: str
) -> Iterator[tuple[list[Outgoing], list[Refused]]]:
    """Send batches from threads, a bounded number at a time; yield each with what was refused of it."""
    flying: deque[tuple[list[Outgoing], Future[list[Refused]]]] = deque()
    with ThreadPoolExecutor(_SENDERS, thread_name_prefix="esmm-bulk") as pool:
        for batch in batches:
            flying.append((batch, pool.submit(send, client, name, batch)))
            while len(flying) > _SENDERS or (flying and flying[0][1].done()):
                gone, future = flying.popleft()
                yield gone, future.result()
        for gone, future in flying:
            yield gone, future.result()


def send(client: "Elasticsearch", index: str, batch: Sequence[Outgoing]) -> list[Refused]:
    """Store a batch; return the documents that the server refused for good.

    Patient as :func:`patient` is; sends again only what was not stored. A request that the server finds too large is
    halved. Raises what the last attempt raised.
    """
    from elasticsearch import ApiError

    if not batch:
        return []
    waiting, refused = list(batch), list[Refused]()

    def attempt() -> None:
        nonlocal waiting
        waiting, more = _send_once(client, index, waiting)
        refused.extend(more)
        if waiting:
            raise ServerBusy(
                f"the server pushed {len(waiting)} documents back {_ATTEMPTS} times: it is overloaded",
                "load again later; the vectors made so far are kept",
            )

    try:
        patient()(attempt)
    except ApiError as error:
        if error.meta.status != _TOO_LARGE or len(waiting) == 1:
            raise
        middle = len(waiting) // 2
        refused += send(client, index, waiting[:middle]) + send(client, index, waiting[middle:])
    return refused


def _send_once(client: "Elasticsearch", index: str, batch: Sequence[Outgoing]) -> tuple[list[Outgoing], list[Refused]]:
    """Send one request; return what was pushed back and what was refused."""
    answer = client.bulk(
        index=index,
        operations=[out.lines for out in batch],  # type: ignore[misc]  # bytes go out as they are
        filter_path="errors,items.*.status,items.*.error.type,items.*.error.reason,items.*.error.caused_by.reason",
    )
    if not answer.get("errors"):
        return [], []
    again, refused = [], []
    for out, item in zip(batch, answer["items"], strict=True):
        outcome: dict[str, Any] = next(iter(item.values()))
        error = outcome.get("error")
        if error is None:
            continue
        if error["type"] == "cluster_block_exception":
            raise _blocked(index, str(error.get("reason")))
        if outcome["status"] in BUSY:
            again.append(out)
        else:
            refused.append(Refused(out.record, _reason(error), str(error["type"])))
    return again, refused


def _passes(error: BaseException) -> bool:
    from elasticsearch import ApiError, ConnectionTimeout
    from elasticsearch import ConnectionError as Lost

    busy = isinstance(error, ApiError) and error.meta.status in BUSY and not _is_block(error.body)
    return busy or isinstance(error, (ServerBusy, Lost, ConnectionTimeout))


def _is_block(body: Any) -> bool:
    return "cluster_block_exception" in str(body)


def _blocked(index: str, reason: str) -> IndexFault:
    if "flood" in reason or "disk usage" in reason:
        return IndexFault(
            f"{index} refuses writes because the server's disk is nearly full (flood-stage watermark)",
            "free disk space there; the next run goes on from the vectors already made",
        )
    return IndexFault(
        f"{index} refuses writes: {reason}",
        "lift the block: PUT INDEX/_settings with index.blocks.read_only and index.blocks.write "
        "set to false; the next run goes on from the vectors already made",
    )


def _reason(error: dict[str, Any]) -> str:
    cause = (error.get("caused_by") or {}).get("reason")
    return f"{error['reason']}: {cause}" if cause else str(error["reason"])
