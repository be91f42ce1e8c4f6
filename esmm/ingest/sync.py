"""Products that a catalogue has no more: counted, and deleted where that was asked for and is not too much."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from esmm.errors import LoadFailed
from esmm.ingest.patience import patient

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

    from esmm.ingest.parts import Part
    from esmm.ingest.report import LoadReport
    from esmm.ingest.seen import SeenIds

_PAGE = 5000
_KEEP_ALIVE = "5m"


def check_deletes(report: "LoadReport", held: int, limit: float) -> None:
    """Raise LoadFailed where deleting what the catalogue lacks is not safe; the index held ``held`` products."""
    what = f"{report.missing:,} of {held:,} products of {report.index} are not in the catalogue"
    if report.rejected:
        raise LoadFailed(
            f"{what}, but {report.rejected:,} of its lines could not be used: nothing was deleted, all else was stored",
            f"mend the lines in {report.rejected_file}, then load again",
        )
    if report.missing > limit * held:
        raise LoadFailed(
            f"{what}, more than {limit:.0%}: nothing was deleted, all else was stored",
            f"see whether the catalogue is whole; if it is: --max-deletes {-(-100 * report.missing // held)}%",
        )


def delete_unseen(client: "Elasticsearch", index: str, seen: "SeenIds", *, part: "Part | None" = None) -> int:
    """Delete the products whose ids were not seen, of one part or of all; return how many."""
    deleted = 0
    for ids in _ids(client, index):
        gone = [identity for identity in seen.unknown(ids) if part is None or part.takes(identity)]
        if gone:
            lines = [{"delete": {"_id": identity}} for identity in gone]
            answer = patient()(client.bulk, index=index, operations=lines, filter_path="items.*.result")
            deleted += sum(item["delete"].get("result") == "deleted" for item in answer["items"])
    return deleted


def _ids(client: "Elasticsearch", index: str) -> Iterator[list[str]]:
    """Yield the ids of an index, a page at a time, as they are at the start."""
    point = patient()(client.open_point_in_time, index=index, keep_alive=_KEEP_ALIVE)["id"]
    after = None
    try:
        while True:
            pit = {"id": point, "keep_alive": _KEEP_ALIVE}
            more: dict[str, Any] = {"search_after": after} if after else {}
            wanted = {"pit": pit, "size": _PAGE, "sort": [{"_shard_doc": "asc"}], "track_total_hits": False, **more}
            answer = patient()(client.search, source=False, **wanted)
            hits = answer["hits"]["hits"]
            if not hits:
                return
            yield [hit["_id"] for hit in hits]
            after = hits[-1]["sort"]
    finally:
        patient()(client.options(ignore_status=404).close_point_in_time, id=point)  # 404: closed, but not heard of
