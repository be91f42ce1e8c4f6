"""Send documents to Elasticsearch: patient with a busy server, exact about every document."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from threading import Event
from typing import TYPE_CHECKING, Any

from esmm.errors import IndexFault
from esmm.ingest.patience import BUSY, ServerBusy, is_block, passes, patient
from esmm.ingest.request_size import RequestSize

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

    from esmm.ingest.records import Record

SENDERS = 2
_TOO_LARGE = 413
_ANSWER = "errors,items.*.status,items.*.error.type,items.*.error.reason,items.*.error.caused_by.reason"


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


class Sender:
    """Sends documents to an index, from some threads at a time, in requests as large as the cluster likes them.

    With ``require_alias`` the name must be an alias: an index that is gone does not come back by itself, with a mapping
    of its own.
    """

    def __init__(self, client: "Elasticsearch", index: str, *, require_alias: bool = False) -> None:
        self._bulk = partial(client.bulk, index=index, require_alias=require_alias, filter_path=_ANSWER)
        self.size = RequestSize()
        self._ended = Event()

    def stream(self, batches: Iterable[list[Outgoing]]) -> Iterator[tuple[list[Outgoing], list[Refused]]]:
        """Send batches as they come; yield what was sent together, with what was refused of it.

        What waits goes out as soon as a thread is free; while all are busy it gathers to larger requests. A bounded
        number is on its way. An empty batch comes back at once. Raises as :meth:`send` does; the other threads then
        wait no longer.
        """
        flying: deque[tuple[list[Outgoing], Future[list[Refused]]]] = deque()
        waiting: list[Outgoing] = []
        with ThreadPoolExecutor(SENDERS, thread_name_prefix="esmm-bulk") as pool:
            try:
                for batch in batches:
                    waiting += batch
                    if not batch:
                        yield [], []
                    while waiting and (len(flying) < SENDERS or self.size.is_filled_by(waiting)):
                        part, waiting = self.size.split(waiting)
                        flying.append((part, pool.submit(self.send, part)))
                        yield from _landed(flying, most=SENDERS)
                if waiting:
                    flying.append((waiting, pool.submit(self.send, waiting)))
                yield from _landed(flying, most=0)
            finally:
                self.end()

    def end(self) -> None:
        """Wait no longer for a server that is busy."""
        self._ended.set()

    def send(self, batch: Sequence[Outgoing]) -> list[Refused]:
        """Store a batch; return the documents that the server refused for good.

        Patient as :func:`esmm.ingest.patience.patient` is, from each progress anew; sends again only what was not
        stored. Raises what the last attempt raised.
        """
        waiting, refused = list(batch), list[Refused]()
        while waiting:
            waiting, more = patient(self._ended)(self._advance, waiting)
            refused += more
        return refused

    def _advance(self, waiting: list[Outgoing]) -> tuple[list[Outgoing], list[Refused]]:
        """Send one request; return what is still waiting and what was refused. Raises where nothing was taken."""
        from elasticsearch import ApiError, TransportError

        part, rest = self.size.split(waiting)
        begun = time.monotonic()
        try:
            again, refused = _send_once(self._bulk, part)
        except (ApiError, TransportError) as error:
            if isinstance(error, ApiError) and error.meta.status == _TOO_LARGE:
                return self._smaller(part, rest)
            if passes(error):
                self.size.pushed_back(len(part))
            raise
        if not again:
            self.size.taken(len(part), time.monotonic() - begun)
            return rest, refused
        self.size.pushed_back(len(part))
        if len(again) == len(part):
            raise ServerBusy(
                "the server pushes documents back again and again: it is overloaded",
                "load again later; the vectors made so far are kept",
            )
        return again + rest, refused

    def _smaller(self, part: list[Outgoing], rest: list[Outgoing]) -> tuple[list[Outgoing], list[Refused]]:
        """Go on after a request that was too large; a document that is so by itself is refused."""
        size = sum(len(out.lines) for out in part)
        if len(part) == 1:
            reason = f"its {size:,} bytes are more than the server takes in one request (413)"
            return rest, [Refused(part[0].record, reason, "too_large")]
        self.size.too_large(size)
        return part + rest, []


def _landed(
    flying: deque[tuple[list[Outgoing], Future[list[Refused]]]], *, most: int
) -> Iterator[tuple[list[Outgoing], list[Refused]]]:
    """Yield what has been answered in order, until at most ``most`` are on their way."""
    while flying and (len(flying) > most or flying[0][1].done()):
        sent, future = flying.popleft()
        yield sent, future.result()


def _send_once(bulk: Callable[..., Any], batch: Sequence[Outgoing]) -> tuple[list[Outgoing], list[Refused]]:
    """Send one request; return what was pushed back and what was refused."""
    answer = bulk(operations=[out.lines for out in batch])  # bytes go out as they are
    if not answer.get("errors"):
        return [], []
    again, refused = [], []
    for out, item in zip(batch, answer["items"], strict=True):
        outcome: dict[str, Any] = next(iter(item.values()))
        error = outcome.get("error")
        if error is None:
            continue
        if is_block(outcome["status"], error):
            raise _blocked(str(error.get("reason")))
        if error["type"] == "index_not_found_exception":
            raise IndexFault(
                "the index was deleted in the middle of the load",
                "let nothing delete it while a load runs, then load again",
            )
        if outcome["status"] in BUSY:
            again.append(out)
        else:
            refused.append(Refused(out.record, _reason(error), str(error["type"])))
    return again, refused


def _blocked(reason: str) -> IndexFault:
    if "flood" in reason or "disk usage" in reason:
        return IndexFault(
            "the index refuses writes because the server's disk is nearly full (flood-stage watermark)",
            "free disk space there; the next run goes on from the vectors already made",
        )
    return IndexFault(
        f"the server refuses writes: {reason}",
        "lift the block: PUT INDEX/_settings with index.blocks.read_only and index.blocks.write "
        "set to false; the next run goes on from the vectors already made",
    )


def _reason(error: dict[str, Any]) -> str:
    cause = (error.get("caused_by") or {}).get("reason")
    return f"{error['reason']}: {cause}" if cause else str(error["reason"])
