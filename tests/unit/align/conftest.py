"""A training in small: the sample catalogue with its photos, a backbone with random weights, one thread."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    """Tiny batches lose more by the threads' waiting for each other than they gain."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A weights file for mobilenet_v2, drawn at random."""
    from torchvision import models

    file = tmp_path_factory.mktemp("weights") / "mobilenet_v2.pth"
    torch.manual_seed(1)
    torch.save(models.mobilenet_v2(weights=None).state_dict(), file)
    return file
