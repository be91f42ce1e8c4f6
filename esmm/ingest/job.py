"""What one load is about: from where, to where, by which encoders, and what the caller wants of it."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from esmm.ingest.catalogue import read
from esmm.ingest.report import LoadReport

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

    from esmm.cluster import Capabilities
    from esmm.encoders import Encoder, EncoderInfo
    from esmm.ingest.lines import Items
    from esmm.ingest.parts import Part
    from esmm.ingest.ray_engine import RayEngine
    from esmm.ingest.vectors import VectorCache
    from esmm.recipe import Recipe


@dataclass(frozen=True)
class Server:
    """Where a load goes, and what can be done there."""

    client: "Elasticsearch"
    can: "Capabilities"


@dataclass(frozen=True)
class Source:
    """The catalogue, or one part of it, and where its photos and its lists of faults lie."""

    catalogue: str
    photos: tuple[Path, ...] = ()
    stdin: BinaryIO | None = None
    allow_private: bool = False
    part: "Part | None" = None

    def lines(self, id_field: str) -> "Items":
        """Yield the lines of the catalogue, or of this part. Raises CatalogueError."""
        found = read(self.catalogue, stdin=self.stdin)
        return self.part.own(found, id_field) if self.part else found

    @property
    def folder(self) -> Path:
        """The folder of the catalogue; the working folder for standard input."""
        return Path() if self.catalogue == "-" else Path(self.catalogue).parent

    @property
    def fault_folder(self) -> Path:
        """Where lists of faults are written: beside the catalogue, or here if that folder cannot be written."""
        return self.folder if os.access(self.folder, os.W_OK) else Path()

    @property
    def stem(self) -> str:
        """The catalogue's name without its endings, and the part."""
        name = "stdin" if self.catalogue == "-" else Path(self.catalogue).name.split(".")[0]
        return f"{name}.part-{self.part.number}-of-{self.part.of}" if self.part else name


@dataclass(frozen=True)
class Wishes:
    """How a load goes about it.

    ``new_version`` fills a whole new version even where the one in use could be brought up to date. ``sync`` deletes
    the products that the catalogue does not have, unless they are more than ``max_deletes`` of the index, a share.
    ``follow`` goes on with lines that are added later; each waits for others at most so many seconds.
    """

    new_version: bool = False
    sync: bool = False
    max_deletes: float = 0.1
    follow: float | None = None


@dataclass(frozen=True)
class Job:
    """One load, with its report. An ``engine`` encodes elsewhere what the encoders here would."""

    source: Source
    recipe: "Recipe"
    server: Server
    encoders: "Mapping[str, Encoder]"
    cache: "VectorCache"
    on_progress: Callable[[LoadReport], None] = lambda _: None
    engine: "RayEngine | None" = None
    report: LoadReport = field(default_factory=LoadReport)

    @property
    def infos(self) -> "dict[str, EncoderInfo]":
        """Who makes the vectors of each clause."""
        return {clause: encoder.info for clause, encoder in self.encoders.items()}

    @property
    def vector_fields(self) -> dict[str, str]:
        """The vector field of each clause."""
        return {clause: vector.vector for clause, vector in self.recipe.vectors().items()}
