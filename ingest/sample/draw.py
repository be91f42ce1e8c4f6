"""Draw every photo of the sample catalogue: ``python draw.py [FOLDER [NAME ...]]``.

Own work of the esmm project, pictures included; licensed under Apache-2.0 like the project.
Each name of LOOKS becomes FOLDER/NAME.jpg (default: ``photos`` beside this file), always the same for one name.
"""

import sys
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import home
import leisure
import textures as t
import wear
from canvas import Scene
from PIL import Image
from textures import Paint

Look = tuple[Callable[[Scene, Paint, Paint], None], Paint, Paint]
_DARK, _PALE, _LEAF = t.smooth("#2b2b2f"), t.smooth("#f1efe9"), t.plain("#3f7f3c")

LOOKS: dict[str, Look] = {
    "p-001": (wear.tee, t.plain("#c4222e"), t.plain("#a81c27")),
    "p-002": (wear.tee, t.stripes("#f3f1ea", "#1f2c56", 4), t.plain("#1f2c56")),
    "p-003": (wear.tee, t.plain("#2f5d43"), t.plain("#28503a")),
    "p-004": (wear.shirt, t.checks("#c2392f", "#1d1a1f", 7), _DARK),
    "p-005": (wear.shirt, t.plain("#a9c8e8"), _PALE),
    "p-006": (wear.shirt, t.denim("#4a6c99"), t.metal("#c9b18a")),
    "p-007": (wear.sweater, t.knit("#efe6d0", 5), t.knit("#e8dec6", 2.4)),
    "p-008": (wear.sweater, t.knit("#7c2238", 2.6), t.knit("#6b1c30", 2)),
    "p-009": (wear.dress, t.dots("#17171b", "#f6f4ee", 7), t.plain("#c0202c")),
    "p-010": (wear.dress, t.blooms("#f2c230", "#fdf8ea", 10), t.plain("#f2c230")),
    "p-011": (wear.dress, t.suede("#0f6b4b"), t.suede("#0b5239")),
    "p-012": (wear.trousers, t.denim("#33517f"), t.metal("#c58a4b")),
    "p-013": (wear.trousers, t.plain("#b59a6d"), t.smooth("#7a6542")),
    "p-014": (wear.beanie, t.knit("#e87722", 4), t.suede("#e87722")),
    "p-015": (wear.beanie, t.knit("#8d9196", 4), t.suede("#f2f0ec")),
    "p-016": (wear.sneaker, t.leather("#f4f2ec"), t.leather("#2f8a5b")),
    "p-017": (wear.sneaker, t.weave("#1f6fd0"), t.weave("#f07f13")),
    "p-018": (wear.sneaker, t.weave("#c62b33"), t.weave("#c62b33")),
    "p-019": (wear.boot, t.leather("#8a5a33"), t.leather("#6c4526")),
    "p-020": (wear.boot, t.leather("#2a282b"), t.leather("#39363a")),
    "p-021": (wear.wellington, t.smooth("#f4c51d"), t.smooth("#2f4a86")),
    "p-022": (wear.wellington, t.smooth("#3f5a3a"), t.smooth("#2a3c28")),
    "p-023": (wear.pump, t.smooth("#c3122b"), t.smooth("#26161a")),
    "p-024": (wear.pump, t.suede("#37343a"), t.smooth("#1c1a1d")),
    "p-025": (wear.handbag, t.leather("#c07f45"), t.leather("#8a5526")),
    "p-026": (wear.handbag, t.quilt("#2d2b31"), t.metal("#d8b65c")),
    "p-027": (wear.backpack, t.weave("#2b3c66"), t.leather("#a56a38")),
    "p-028": (wear.backpack, t.plain("#6d7440"), t.plain("#34372a")),
    "p-029": (wear.backpack, t.dots("#ef86ad", "#fff6f8", 9), t.plain("#a64a86")),
    "p-030": (wear.suitcase, t.smooth("#178c93"), t.smooth("#0f5a5f")),
    "p-031": (wear.suitcase, t.metal("#b4b8be"), t.smooth("#3a3c40")),
    "p-032": (home.mug, t.smooth("#c92a2a"), _PALE),
    "p-033": (home.mug, t.speckled("#3f6fae", "#1d355f"), t.smooth("#dfe5ea")),
    "p-034": (home.mug, t.stripes("#f5f2ea", "#2e9e77", 9), _PALE),
    "p-035": (home.pan, t.clay("#37373a"), t.clay("#37373a")),
    "p-036": (home.pan, t.metal("#c9764a"), t.metal("#b9bcc2")),
    "p-037": (home.flask, t.metal("#b3b7bd"), t.smooth("#2b2b2f")),
    "p-038": (home.flask, t.smooth("#5aa84f"), t.wood("#c99b62")),
    "p-039": (home.teapot, t.speckled("#4c86b8", "#25527d"), t.speckled("#4c86b8", "#25527d")),
    "p-040": (home.teapot, t.blooms("#f5f3ee", "#d46a8c", 13), t.smooth("#d46a8c")),
    "p-041": (home.chair, t.wood("#b07a45"), t.wood("#b07a45")),
    "p-042": (home.chair, t.smooth("#3f74b5"), t.plain("#e9e2d2")),
    "p-043": (home.armchair, t.suede("#d9a027"), t.suede("#d9a027")),
    "p-044": (home.armchair, t.leather("#6b3f28"), t.leather("#7a4a30")),
    "p-045": (home.lamp, t.plain("#f3ead7"), t.wood("#9c6b3f")),
    "p-046": (home.lamp, t.plain("#2f7a56"), t.metal("#c9a54f")),
    "p-047": (leisure.football, _PALE, _DARK),
    "p-048": (leisure.basketball, t.leather("#d9702a"), _DARK),
    "p-049": (leisure.football, t.smooth("#f2d024"), t.smooth("#2257b8")),
    "p-050": (leisure.bike, t.smooth("#d0222c"), _DARK),
    "p-051": (leisure.bike, t.smooth("#7cc7b2"), t.leather("#8a552b")),
    "p-052": (leisure.tent, t.plain("#ea7a24"), t.plain("#5b5d61")),
    "p-053": (leisure.tent, t.plain("#5f7d45"), t.plain("#2f3d28")),
    "p-054": (leisure.teddy, t.suede("#9a6a3e"), t.suede("#dcbf94")),
    "p-055": (leisure.teddy, t.suede("#f0b6c6"), t.suede("#fbeef0")),
    "p-056": (leisure.headphones, t.smooth("#26262a"), t.leather("#3b3a3f")),
    "p-057": (leisure.headphones, t.smooth("#f2f0ee"), t.leather("#d9a58f")),
    "p-058": (leisure.phone_case, t.dots("#1f8f8a", "#f9f6ec", 8), t.smooth("#166b67")),
    "p-059": (leisure.phone_case, t.wood("#a8713f"), _DARK),
    "p-060": (leisure.speaker, t.wood("#7a4f30"), t.smooth("#2c2c30")),
    "p-061": (wear.watch, t.leather("#7b4a2a"), t.smooth("#f5f2e8")),
    "p-062": (wear.watch, t.metal("#b5b9bf"), t.smooth("#1e3f78")),
    "p-063": (home.pot, t.clay("#c56a42"), _LEAF),
    "p-064": (home.pot, t.smooth("#2f5fae"), t.plain("#5c8f3a")),
    "p-065": (home.watering_can, t.metal("#a9b0b3"), t.metal("#8f979b")),
    "p-066": (home.watering_can, t.smooth("#3d9a4a"), t.smooth("#2c7237")),
    "p-067": (home.umbrella, t.plain("#c8202f"), t.wood("#8a5a33")),
    "p-068": (home.umbrella, t.dots("#f7f5f0", "#3a6fc4", 9), t.smooth("#2c4f94")),
}
DETAILS = {"p-004-b": "p-004", "p-007-b": "p-007", "p-025-b": "p-025"}  # second photos: the middle, twice as near


def draw(name: str) -> Image.Image:
    """Return the photo of a key of LOOKS or DETAILS, RGB, 224 by 224."""
    shape, main, trim = LOOKS[DETAILS.get(name, name)]
    scene = Scene(zlib.crc32(name.encode()))
    shape(scene, main, trim)
    return scene.photo((25, 25, 75, 75)) if name in DETAILS else scene.photo()


def write(folder: Path, names: Sequence[str] = ()) -> None:
    """Draw the named photos, or all, into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names or [*LOOKS, *DETAILS]:
        draw(name).save(folder / f"{name}.jpg", quality=85, optimize=True)


if __name__ == "__main__":
    write(Path(sys.argv[1]) if sys.argv[1:] else Path(__file__).parent / "photos", sys.argv[2:])
