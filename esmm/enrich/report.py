"""What an enrichment did: every document that was read has exactly one end."""

from dataclasses import dataclass, field
from typing import Any

from esmm.ingest.report import Counts

SOME_LEFT = 3
NEAR = 0.999  # the cosine of two vectors of one content; batches and machines differ by less


@dataclass
class EnrichReport(Counts):
    """The counts of one run; ``stored`` are the documents written.

    ``read`` = ``stored`` + ``unchanged`` + ``empty`` + ``rejected`` + ``conflicts`` + ``gone`` once it has ended.
    """

    stored: int = 0
    unchanged: int = 0
    empty: int = 0
    conflicts: int = 0
    gone: int = 0
    pits_lost: int = 0

    @property
    def done(self) -> int:
        """The documents that need no more work."""
        return self.stored + self.unchanged + self.empty + self.rejected + self.gone

    @property
    def exit_code(self) -> int:
        """0 where all went well, 3 where documents are left."""
        return SOME_LEFT if self.conflicts else super().exit_code

    def lost_pit(self) -> None:
        """Count a point in time that the server forgot; what it had shown is read again, and counted again."""
        self.pits_lost += 1


@dataclass
class Survey(Counts):
    """What there is to do: the fields that the mapping lacks, and the count of documents in each state.

    ``cosines`` compare, by field, a sample encoded again with what the index holds.
    """

    lacking: dict[str, Any] = field(default_factory=dict)
    states: dict[str, int] = field(default_factory=dict)
    cosines: dict[str, list[float]] = field(default_factory=dict)

    @property
    def done(self) -> int:
        """The documents looked at."""
        return self.read

    @property
    def to_do(self) -> int:
        """The documents that a run would give vectors."""
        return self.states.get("lacking", 0) + self.states.get("stale", 0)

    @property
    def wrong(self) -> int:
        """The vectors of the sample that are others than those made again."""
        return sum(cosine < NEAR for values in self.cosines.values() for cosine in values)
