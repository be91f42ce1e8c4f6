"""An index filled by esmm itself, for tests of what comes after the load."""

from pathlib import Path

from elasticsearch import Elasticsearch

from esmm.cluster import Capabilities
from esmm.encoders import load_encoders
from esmm.ingest.job import Job, Server, Source
from esmm.ingest.load import load
from esmm.ingest.vectors import VectorCache
from esmm.recipe import Recipe


def load_shop(
    client: Elasticsearch, can: Capabilities, recipe: Recipe, catalogue: Path, folder: Path, *, device: str = "auto"
) -> None:
    """Load a catalogue with the recipe's own encoders; the vector cache lies in ``folder``."""
    encoders, _ = load_encoders(recipe, device=device)
    with VectorCache(folder / "vectors.sqlite") as cache:
        load(Job(Source(str(catalogue)), recipe, Server(client, can), encoders, cache))
