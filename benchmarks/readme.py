"""Copy the results into the README, between its two markers; a test checks that they are the same."""

from pathlib import Path

HERE = Path(__file__).parent
README = HERE.parent / "README.md"
START, END = "<!-- results:", "<!-- end of results -->"


def filled(text: str) -> str:
    """Return the README with each named result between the markers."""
    before, rest = text.split(START, 1)
    names, rest = rest.split("-->", 1)
    after = rest.split(END, 1)[1]
    results = [(HERE / "results" / f"{name}.md").read_text(encoding="utf-8").strip() for name in names.split()]
    return f"{before}{START}{names}-->\n\n" + "\n\n".join(results) + f"\n\n{END}{after}"


def main() -> None:
    """Fill the README in place."""
    README.write_text(filled(README.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
