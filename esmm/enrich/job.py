"""What an enrichment is about: which index, by which recipe and encoders, how gently."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from esmm.enrich.documents import Reader
from esmm.enrich.scan import SLICES, Scan
from esmm.enrich.update import Writer
from esmm.ingest.batches import BATCH
from esmm.ingest.fill import open_photos
from esmm.ingest.report import Ledger
from esmm.photos import Photos

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

    from esmm.encoders import Encoder, EncoderInfo
    from esmm.enrich.report import EnrichReport
    from esmm.enrich.target import Target
    from esmm.ingest.fill import Claim
    from esmm.ingest.report import Counts
    from esmm.recipe import Recipe


@dataclass(frozen=True)
class Job:
    """One run over the recipe's index.

    ``slices`` are read side by side; ``docs_per_second`` are written at most (None: as fast as it goes). ``photos`` are
    folders and zip files to look in; ``faults`` is the folder for lists of faults.
    """

    client: "Elasticsearch"
    recipe: "Recipe"
    encoders: "Mapping[str, Encoder]" = field(default_factory=dict)
    photos: tuple[Path, ...] = ()
    allow_private: bool = False
    faults: Path = Path()
    slices: int = SLICES
    docs_per_second: int | None = None
    on_progress: Callable[[Any], None] = lambda _: None

    @property
    def infos(self) -> "dict[str, EncoderInfo]":
        """Who makes the vectors of each clause."""
        return {clause: encoder.info for clause, encoder in self.encoders.items()}

    @property
    def reader(self) -> Reader:
        """What turns hits into documents."""
        return Reader(self.recipe, self.infos)

    @property
    def batch(self) -> int:
        """Documents on their way together: what is written slowly is read late, so that few change meanwhile."""
        return min(BATCH, self.docs_per_second or BATCH)

    def scan(self, target: "Target", on_lost: Callable[[], None]) -> Scan:
        """Return how the index is read."""
        return Scan(self.client, target.index, self.slices, self.batch, on_lost)

    def ledger(self, report: "Counts") -> Ledger:
        """Open the lists of faults, named by the index."""
        return Ledger(report, self.faults, self.recipe.index.name)

    def writer(self, target: "Target", report: "EnrichReport", ledger: Ledger, claim: "Claim") -> Writer:
        """Return what reads the index and writes into it, as long as the claim to it holds."""
        scan = self.scan(target, on_lost=report.lost_pit)
        return Writer(scan, report, claim, self.docs_per_second, self.on_progress, ledger.product)

    def open_photos(self) -> AbstractContextManager[Photos]:
        """Open the places of photos."""
        return open_photos(self.recipe, self.photos, allow_private=self.allow_private)
