"""Fill what README and docs/ take from elsewhere, between their markers: results, and the table of a body's keys.

A test checks that they are up to date.
"""

import re
from collections.abc import Callable
from pathlib import Path

from benchmarks.common import table
from esmm.query.body import RULES

HERE = Path(__file__).parent
README = HERE.parent / "README.md"
PAGES = (README, HERE.parent / "docs" / "scale.md")
_FATES = {"boost": "kept by the strategy boost, chosen by itself"}


def filled(text: str) -> str:
    """Return a page with each part between its markers made anew."""
    return _between("results", _between("keys", text))


def _between(part: str, text: str) -> str:
    pattern = rf"(<!-- {part}:?(?P<names>.*?)-->).*?(<!-- end of {part} -->)"
    make: dict[str, Callable[[str], str]] = {"results": _results, "keys": lambda _: _keys()}
    return re.sub(pattern, lambda m: f"{m[1]}\n\n{make[part](m['names'])}\n\n{m[3]}", text, flags=re.DOTALL)


def _results(names: str) -> str:
    paths = [HERE / "results" / f"{name}.md" for name in names.split()]
    return "\n\n".join(path.read_text(encoding="utf-8").strip() for path in paths)


def _keys() -> str:
    rows = [[f"`{key}`", _FATES.get(rule.fate, rule.fate), rule.how] for key, rule in RULES.items()]
    return table(("key", "what becomes of it", "how, or why"), rows)


def main() -> None:
    """Fill the pages in place."""
    for page in PAGES:
        page.write_text(filled(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
