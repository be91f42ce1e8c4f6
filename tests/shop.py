"""Made-up products for tests: a few words each, a small photo in a colour of its own."""

import gzip
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from PIL import Image

COLOURS = ("red", "green", "blue", "black", "white", "grey")
THINGS = ("shirt", "shoe", "lamp", "kettle", "scarf")
BRANDS = ("Quenby", "Luneva", "Ostra")
MANY = 60  # products of the shop that a module loads once


def product(number: int, **more: Any) -> dict[str, Any]:
    words = COLOURS[number % len(COLOURS)], THINGS[number % len(THINGS)]
    return {
        "id": f"p{number}",
        "title": f"{words[0]} {words[1]} number{number}",
        "brand": BRANDS[number % len(BRANDS)],
        "gender": "Men" if number % 2 else "Women",
        "price": 5 + number / 2,
        "image": f"photos/{number}.png",
    } | more


def products(count: int) -> list[dict[str, Any]]:
    return [product(number) for number in range(count)]


def write(path: Path, lines: Iterable[Any]) -> Path:
    """Write JSON lines, gzipped where the name says so; a line that is a text stays as it is."""
    text = "".join((line if isinstance(line, str) else json.dumps(line, ensure_ascii=False)) + "\n" for line in lines)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def photo(number: int, *, side: int = 24) -> Image.Image:
    return Image.new("RGB", (side, side), (number * 7 % 256, number * 13 % 256, number // 256))


def write_photos(folder: Path, count: int) -> None:
    (folder / "photos").mkdir(exist_ok=True)
    for number in range(count):
        photo(number).save(folder / "photos" / f"{number}.png")


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
