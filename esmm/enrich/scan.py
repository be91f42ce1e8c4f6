"""Read an index as it stood at one moment: a point in time (PIT), its slices side by side."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from esmm.errors import Unreachable
from esmm.ingest.batches import BATCH
from esmm.ingest.patience import patient
from esmm.ingest.stages import ahead

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

Json = dict[str, Any]

# Between two pages of one slice; each page renews it. A slow run (--docs-per-second 1) may still lose it.
_KEEP_ALIVE = "10m"
SLICES = 2


class _PitLost(Exception):
    """The server forgot the point in time: it was restarted, or the pages lay too far apart."""


@dataclass(frozen=True)
class Scan:
    """How an index is read: in slices side by side, by pages; ``on_lost`` is called when it has to begin again."""

    client: "Elasticsearch"
    index: str
    slices: int = SLICES
    page: int = BATCH
    on_lost: Callable[[], None] = lambda: None

    def hits(self, body: Mapping[str, Any]) -> Iterator[Json]:
        """Yield every hit of a search, in no order; one that was yielded may come again after a PIT was lost.

        Raises Unreachable if the server loses the PIT before a single hit was read.
        """
        begun = True
        while begun:
            begun = False
            try:
                for hit in self._once(body):
                    begun = True
                    yield hit
            except _PitLost:
                self.on_lost()
            else:
                return
        raise Unreachable(
            f"the server loses the point in time at which {self.index} is read",
            "look at its log; run again, which goes on with what is undone",
        )

    def _once(self, body: Mapping[str, Any]) -> Iterator[Json]:
        patient()(self.client.indices.refresh, index=self.index)  # what was just written must not look undone
        pit = patient()(self.client.open_point_in_time, index=self.index, keep_alive=_KEEP_ALIVE)["id"]
        with ExitStack() as stack:
            stack.callback(self.client.options(ignore_status=404).close_point_in_time, id=pit)
            pages = [self._pages(body, pit, number) for number in range(self.slices)]
            yield from _in_turn([stack.enter_context(closing(ahead(each, depth=1))) for each in pages])

    def _pages(self, body: Mapping[str, Any], pit: str, number: int) -> Iterator[list[Json]]:
        part: Json = {"slice": {"id": number, "max": self.slices}} if self.slices > 1 else {}
        page: Json = {**body, **part, "size": self.page, "sort": ["_shard_doc"], "track_total_hits": False}
        while True:
            answer = self._search({**page, "pit": {"id": pit, "keep_alive": _KEEP_ALIVE}})
            if not (hits := answer["hits"]["hits"]):
                return
            yield hits
            pit, page["search_after"] = answer["pit_id"], hits[-1]["sort"]

    def _search(self, body: Json) -> Any:
        from elasticsearch import ApiError

        try:
            # A shard that fails would otherwise be passed over in silence.
            return patient()(self.client.search, body=body, allow_partial_search_results=False)
        except ApiError as error:
            if "search_context_missing" in str(error.body):
                raise _PitLost from None
            raise


def _in_turn(slices: list[Iterator[list[Json]]]) -> Iterator[Json]:
    """Yield the hits of a page of each slice in turn, until all have ended."""
    while slices:
        left = []
        for pages in slices:
            if page := next(pages, None):
                yield from page
                left.append(pages)
        slices = left
