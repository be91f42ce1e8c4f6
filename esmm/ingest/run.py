"""A run of parts, as the server remembers it: what it fills, and how far each part is.

The hidden index ``ALIAS-parts`` holds a document for the run and one for each part that came. A part writes its own
document only, so no two parts wait for each other; documents are read by id, which sees every write at once. Of two
processes that load the same part (a scheduler started it twice), the later one has it and the earlier one stops.
"""

import os
import platform
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from esmm.errors import LoadFailed, Locked
from esmm.ingest import lock
from esmm.ingest.parts import told
from esmm.ingest.patience import patient

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

    from esmm.ingest.parts import Part
    from esmm.ingest.report import LoadReport

LOADING, STORED, WHOLE = "loading", "stored", "whole"
BEAT = 5.0  # seconds between two signs of life
_RUN = "run"
Entry = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """A run of ``of`` parts that fill the version ``index``; ``state`` is loading or whole, ``since`` its time."""

    alias: str
    name: str
    of: int
    index: str
    shape: str
    state: str = LOADING
    since: float = field(default_factory=time.time)

    @property
    def is_whole(self) -> bool:
        """Whether all parts were stored and the alias moved."""
        return self.state == WHOLE

    def check(self, part: "Part", shape: str) -> None:
        """Raise Locked or LoadFailed where a part does not belong to this run."""
        if part.run != self.name:
            raise Locked(
                f"{self.alias} is being filled in parts by run {self.name}, so run {part.run} cannot begin",
                "let it end (esmm parts shows how far it is), or give it up: esmm parts --drop",
            )
        if part.of != self.of:
            raise LoadFailed(
                f"run {self.name} has {self.of} parts, so there is no {part}",
                "give every part the same number of parts",
            )
        if shape != self.shape:
            raise LoadFailed(
                f"{part} would make another index than run {self.name} fills: recipe or encoders differ",
                "give every part the same recipe, models and version of esmm, or begin anew: esmm parts --drop",
            )

    def parts(self, client: "Elasticsearch") -> dict[int, Entry]:
        """Return the documents of the parts that came, by number."""
        ids = [str(number) for number in range(1, self.of + 1)]
        answers = patient()(client.mget, index=run_index(self.alias), ids=ids)["docs"]
        return {int(answer["_id"]): answer["_source"] for answer in answers if answer.get("found")}

    def end(self, client: "Elasticsearch") -> None:
        """Note that the run is whole and its alias has moved."""
        whole = {**_document(self), "state": WHOLE, "since": time.time()}
        patient()(client.index, index=run_index(self.alias), id=_RUN, document=whole)


def run_index(alias: str) -> str:
    """Return the name of the hidden index that remembers the run of an alias: rights on ``ALIAS-*`` cover it."""
    return f"{alias}-parts"


def find_run(client: "Elasticsearch", alias: str) -> Run | None:
    """Return the last run of parts behind an alias."""
    from elasticsearch import NotFoundError

    try:
        found = patient()(client.get, index=run_index(alias), id=_RUN)["_source"]
    except NotFoundError:
        return None
    return Run(alias, **found)


def begin_run(client: "Elasticsearch", run: Run) -> Run:
    """Remember a new run in place of the last one."""
    forget_run(client, run.alias)
    settings = {"number_of_shards": 1, "auto_expand_replicas": "0-1", "hidden": True}
    client.indices.create(index=run_index(run.alias), settings={"index": settings}, mappings={"dynamic": False})
    client.index(index=run_index(run.alias), id=_RUN, document=_document(run))
    return run


def forget_run(client: "Elasticsearch", alias: str) -> None:
    """Forget the last run."""
    client.indices.delete(index=run_index(alias), ignore_unavailable=True)


def refuse_during_run(client: "Elasticsearch", alias: str) -> None:
    """Raise Locked while a run of parts fills a version: what were written now would be lost when the alias moves."""
    run = find_run(client, alias)
    if run and not run.is_whole:
        raise Locked(
            f"{alias} is being filled in parts by run {run.name}; {missing(run, run.parts(client))}",
            "run the parts that are missing, or give the run up: esmm parts --drop",
        )


def missing(run: Run, parts: Mapping[int, Entry]) -> str:
    """Say which parts are not stored."""
    open_ones = open_parts(run, parts)
    if not open_ones:
        return f"all {run.of} parts are stored but the alias has not moved: run any of them again"
    return f"{run.of - len(open_ones)} of {run.of} parts are stored, missing: {told(open_ones)}"


def open_parts(run: Run, parts: Mapping[int, Entry]) -> list[int]:
    """Return the numbers of the parts that are not stored."""
    return [number for number in range(1, run.of + 1) if parts.get(number, {}).get("state") != STORED]


def is_alive(part: Entry) -> bool:
    """Say whether a part is at work, as far as can be told from here."""
    return part["state"] == LOADING and lock.is_alive(part)


class Share:
    """A part in the hands of this process; ``again`` says that an earlier one has begun it."""

    def __init__(self, client: "Elasticsearch", run: Run, part: "Part", *, catalogue: str) -> None:
        self._client, self._run, self._part = client, run, part
        self._entry: Entry = {
            "token": uuid.uuid4().hex,
            "host": platform.node(),
            "pid": os.getpid(),
            "state": LOADING,
            "alive": time.time(),
            "catalogue": catalogue,
        }
        self.again = part.number in run.parts(client)
        self._beaten = time.monotonic()
        self._condition: dict[str, Any] = {}
        self._write()

    def check(self) -> None:
        """Give a sign of life from time to time. Raises Locked once another process has this part."""
        if time.monotonic() - self._beaten > BEAT:
            self._write(alive=time.time())
            self._beaten = time.monotonic()

    def stored(self, report: "LoadReport") -> None:
        """Note that all products of this part are stored. Raises Locked once another process has this part."""
        self._write(
            state=STORED,
            alive=time.time(),
            stored=report.stored,
            rejected=report.rejected,
            vectors=report.vectors,
        )

    def _write(self, **news: Any) -> None:
        from elasticsearch import ConflictError

        self._entry |= news
        index, number = run_index(self._run.alias), str(self._part.number)
        try:
            answer = patient()(self._client.index, index=index, id=number, document=self._entry, **self._condition)
        except ConflictError:
            answer = self._client.options(ignore_status=404).get(index=index, id=number)
            if answer.get("_source", {}).get("token") != self._entry["token"]:  # else the answer of a try was lost
                raise Locked(
                    f"{self._part} is in the hands of another process, or the run was given up",
                    "esmm parts shows who has it",
                ) from None
        self._condition = {"if_seq_no": answer["_seq_no"], "if_primary_term": answer["_primary_term"]}


def _document(run: Run) -> Entry:
    return {key: getattr(run, key) for key in ("name", "of", "index", "shape", "state", "since")}


def at(moment: float) -> str:
    """Write a time for people."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M UTC")
