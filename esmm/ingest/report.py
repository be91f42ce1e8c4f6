"""What a load did: every line accounted for, every fault written down beside the catalogue."""

import threading
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

    from esmm.ingest.catalogue import Rejected

_SHOWN = 5
OK, SOME_REJECTED = 0, 3


@dataclass
class Counts:
    """What every way of bringing vectors into an index counts."""

    index: str = ""
    alias: str = ""
    read: int = 0
    rejected: int = 0
    photo_faults: int = 0
    encoded: dict[str, int] = field(default_factory=dict)
    cached: dict[str, int] = field(default_factory=dict)
    vectors: dict[str, int] = field(default_factory=dict)
    without_encoder: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    saturation: float | None = None
    rejected_file: str | None = None
    photo_faults_file: str | None = None
    reasons: list[str] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)

    @property
    def done(self) -> int:
        """The products that need no more work."""
        return self.rejected

    def wrote(self, fields: "Iterable[str]") -> None:
        """Count the vectors of one product, by field."""
        for name in fields:
            self.vectors[name] = self.vectors.get(name, 0) + 1

    @property
    def exit_code(self) -> int:
        """0 where all went well, 3 where lines were rejected."""
        return SOME_REJECTED if self.rejected else OK

    def as_json(self) -> dict[str, Any]:
        """Return the report for ``--json``."""
        counts = asdict(self)
        del counts["started"]
        return counts | {"seconds": round(self.seconds, 2)}


@dataclass
class LoadReport(Counts):
    """The counts of one load. ``read`` = ``new`` + ``changed`` + ``unchanged`` + ``rejected`` once it has ended.

    ``found`` counts the products of the catalogue that the index held before, ``missing`` those of the index that the
    catalogue lacks, ``deleted`` those that were deleted for it. ``vectors`` counts what was written, by field.
    ``dropped`` names older versions of the index that were deleted. ``part`` names the part of a run that this was,
    ``open_parts`` those that are not stored yet; ``was_whole``: the run had ended before, so nothing was done.
    """

    in_place: bool = False
    part: str = ""
    open_parts: list[int] = field(default_factory=list)
    was_whole: bool = False
    previous: str | None = None
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    found: int = 0
    missing: int = 0
    deleted: int = 0
    dropped: list[str] = field(default_factory=list)

    @property
    def stored(self) -> int:
        """How many products of the catalogue the index holds."""
        return self.new + self.changed + self.unchanged

    @property
    def done(self) -> int:
        """The products that need no more work."""
        return self.stored + self.rejected

    def as_json(self) -> dict[str, Any]:
        """Return the report for ``--json``."""
        return super().as_json() | {"stored": self.stored}


class Ledger:
    """Writes each fault down as it comes: rejected lines in one file, unusable photos in another.

    A file is made with its first fault; what an earlier run left under the same name is removed.
    """

    def __init__(self, report: Counts, folder: Path, name: str) -> None:
        self.report = report
        self._paths = {kind: folder / f"{name}.{kind}.jsonl" for kind in ("rejected", "photo-faults")}
        self._files: dict[str, TextIO] = {}
        self._lock = threading.Lock()  # photos are read from several threads
        for path in self._paths.values():
            path.unlink(missing_ok=True)

    def reject(self, fault: "Rejected") -> None:
        """Write down a line that was not stored."""
        entry = {"file": fault.source, "line": fault.number, "reason": fault.reason, "text": fault.text}
        self._reject(entry, f"{fault.source}, line {fault.number}: {fault.reason}")

    def product(self, record_id: str, reason: str) -> None:
        """Write down a product of an index that got no vectors."""
        self._reject({"id": record_id, "reason": reason}, f"{record_id}: {reason}")

    def photo(self, record_id: str, reference: str, reason: str) -> None:
        """Write down a photo that could not be used; its product is stored all the same."""
        entry = {"id": record_id, "photo": reference[:200], "reason": reason}
        with self._lock:
            self.report.photo_faults += 1
            self.report.photo_faults_file = self._note("photo-faults", entry)

    def close(self) -> None:
        """Close the files."""
        for file in self._files.values():
            file.close()

    def _reject(self, entry: dict[str, Any], told: str) -> None:
        with self._lock:
            self.report.rejected += 1
            self.report.rejected_file = self._note("rejected", entry)
            if len(self.report.reasons) < _SHOWN:
                self.report.reasons.append(told)

    def _note(self, kind: str, fault: dict[str, Any]) -> str:
        """Append a fault to the file of its kind, and return the file's path."""
        import orjson

        if kind not in self._files:
            self._files[kind] = self._paths[kind].open("w", encoding="utf-8")
        self._files[kind].write(orjson.dumps(fault).decode() + "\n")
        return str(self._paths[kind])

    def __enter__(self) -> "Ledger":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: "TracebackType | None"
    ) -> None:
        self.close()
