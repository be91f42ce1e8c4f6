"""The README's table of versions is the one that `make matrix` wrote."""

from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_readme_shows_the_matrix_as_it_was_found() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = text.split("<!-- matrix -->", 1)[1].split("<!-- end of matrix -->", 1)[0]
    assert shown.strip() == (ROOT / "benchmarks" / "results" / "matrix.md").read_text(encoding="utf-8").strip()
