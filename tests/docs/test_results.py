"""The figures of README and docs/ are those in benchmarks/results, word for word."""

from pathlib import Path

import pytest

from benchmarks.readme import PAGES, filled


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_figures_are_the_results(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert filled(text) == text, "run: python -m benchmarks.readme"
