"""The README's figures are those in benchmarks/results, word for word."""

from benchmarks.readme import README, filled


def test_figures_of_the_readme_are_the_results() -> None:
    text = README.read_text(encoding="utf-8")
    assert filled(text) == text, "run: python -m benchmarks.readme"
