"""A training in small: the sample catalogue with its photos, a backbone with random weights, one thread."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tiny_models
import torch

from esmm.align.pairs import Catalogue
from esmm.align.run import Job
from esmm.align.settings import Settings
from esmm.ingest.job import Source
from esmm.recipe import parse

SAMPLE = Path(__file__).parents[3] / "ingest" / "sample"
BACKBONE = "mobilenet_v3_small"
TINY = Settings(epochs=2, probe=1, batch=16, side=32, hidden=16, validation=0.2, patience=10, refit=2)
RECIPE = """
[index]
name = "tiny"
[fields]
title = { type = "text", embed = 1 }
category = { type = "text", embed = 1 }
image = { type = "photo" }
[text]
model = "digest-32"
"""

Jobs = Callable[..., Job]


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    """Tiny batches lose more by the threads' waiting for each other than they gain."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A weights file drawn at random."""
    return tiny_models.backbone(tmp_path_factory.mktemp("weights") / f"{BACKBONE}.pth", BACKBONE)


@pytest.fixture(scope="session")
def job(weights: Path) -> Jobs:
    """Make the job of training on the sample in small; named settings differ from TINY."""

    def made(folder: Path, *, text: str = "digest-32", **given: Any) -> Job:
        of_job = {name: given.pop(name) for name in ("backbone", "weights", "limit", "catalogues") if name in given}
        recipe = parse(RECIPE.replace("digest-32", text), source="tiny.toml")
        catalogues = [Catalogue(Source(str(SAMPLE / "products.jsonl")), recipe)]
        plain = Job(catalogues, folder, replace(TINY, **given), backbone=BACKBONE, weights=weights)
        return replace(plain, **of_job)

    return made
