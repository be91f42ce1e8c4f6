"""The report of a training: what its curves and its page say, and that neither is ever half written."""

import base64
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from training import epoch, example, history

from esmm.align.report import write_curves, write_page
from esmm.errors import EsmmError

LOSS = (0x00, 0x72, 0xB2)
MEASURES = [LOSS, (0xD5, 0x5E, 0x00), (0x00, 0x9E, 0x73), (0xCC, 0x79, 0xA7), (0x1B, 0x1E, 0x23)]
FAINT = (0x6F, 0x76, 0x81)
VOID = {"meta", "link", "img", "br"}


class Page(HTMLParser):
    """What a page holds: its elements with their attributes, and the texts of each kind of element."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self._open: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip() and self._open:
            self.texts.append((self._open[-1], " ".join(data.split())))

    def all(self, tag: str) -> list[str]:
        return [text for found, text in self.texts if found == tag]

    def attributes(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for found, attributes in self.elements if found == tag]


def page(folder: Path, **changed: Any) -> Page:
    given = {"title": "Shoes", "settings": {}, "history": history(4, best=3), "examples": []} | changed
    write_page(folder / "report.html", **given)
    return Page(folder / "report.html")


def drawn(folder: Path, epochs: list[Any]) -> NDArray[np.uint8]:
    """Return the pixels of the curves."""
    write_curves(epochs, folder / "curves.png")
    with Image.open(folder / "curves.png") as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB"))


def pixels(panel: NDArray[np.uint8], colour: tuple[int, int, int]) -> NDArray[np.intp]:
    """Return the columns in which a colour stands, once for each pixel."""
    return np.nonzero((panel == colour).all(axis=2))[1]


def halves(picture: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Cut the legend off and return both panels."""
    height, width = picture.shape[:2]
    return picture[: height * 4 // 5, : width // 2], picture[: height * 4 // 5, width // 2 :]


def test_the_curves_have_a_line_for_the_loss_and_one_for_each_measure(tmp_path: Path) -> None:
    picture = drawn(tmp_path, history(8, best=5))
    assert picture.shape[1] >= 1000
    left, right = halves(picture)
    assert len(pixels(left, LOSS)) > 500
    for colour in MEASURES:
        assert len(pixels(right, colour)) > 500


def test_an_untrained_tower_has_measures_and_no_loss(tmp_path: Path) -> None:
    left, right = halves(drawn(tmp_path, [epoch(0, 0.2)]))
    assert len(pixels(left, LOSS)) == 0
    assert len(pixels(right, LOSS)) > 10


@pytest.mark.parametrize("number", [0, 1, 7])
def test_one_epoch_is_enough(tmp_path: Path, number: int) -> None:
    alone = [epoch(number, 0.2)]
    assert drawn(tmp_path, alone).std() > 5
    assert f"epoch {number}" in page(tmp_path, history=alone).all("th")


def test_a_loss_that_is_no_number_is_left_out(tmp_path: Path) -> None:
    broken = [*history(3, best=2), replace(epoch(4, 0.1), loss=float("nan"))]
    assert len(pixels(halves(drawn(tmp_path, broken))[0], LOSS)) > 500
    assert "nan" in page(tmp_path, history=broken).all("td")


def test_the_best_epoch_is_marked_where_it_is(tmp_path: Path) -> None:
    def marked(best: int) -> int:
        columns = pixels(halves(drawn(tmp_path, history(9, best=best)))[1], FAINT)
        return int(np.bincount(columns).argmax())

    first, middle, last = marked(1), marked(4), marked(7)
    assert middle - first == pytest.approx(last - middle, abs=2)
    assert middle - first > 50


def test_measures_are_shown_before_at_best_and_last(tmp_path: Path) -> None:
    found = page(tmp_path, history=[epoch(0, 0.1), epoch(1, 0.5), epoch(2, 0.4)])
    assert found.all("th")[:6] == ["Before", "epoch 0", "Best", "epoch 1", "Last", "epoch 2"]
    cells = found.all("td")
    assert cells[:3] == ["0.060", "0.300", "0.240"]  # Recall@1, text to photo
    assert cells[18:21] == ["0.117", "0.585", "0.468"]  # Recall@5, photo to text
    assert "Best epoch: 1 of 2, MAP 0.086 → 0.427 (mean of both directions, validation set)." in found.all("p")


def test_without_epoch_0_nothing_is_before(tmp_path: Path) -> None:
    found = page(tmp_path, history=[epoch(1, 0.5), epoch(2, 0.4)])
    assert found.all("th")[:4] == ["Best", "epoch 1", "Last", "epoch 2"]
    assert "Best epoch: 1 of 2, MAP 0.427 (mean of both directions, validation set)." in found.all("p")


def test_a_training_that_did_not_help_says_so(tmp_path: Path) -> None:
    assert any("No epoch beat" in text for text in page(tmp_path, history=history(3, best=0)).all("p"))


def test_an_epoch_without_loss_has_a_dash(tmp_path: Path) -> None:
    cells = page(tmp_path, history=[epoch(0, 0.1), epoch(4, 0.2)]).all("td")
    assert cells[30:33] == ["–", "0", "12"]
    assert cells[43:46] == ["2.4715", "0.0003", "12"]


def test_settings_are_written_for_people(tmp_path: Path) -> None:
    settings = {"rate": 3e-4, "captions": ("title", "category"), "mixed": False, "resumed": True, "limit": None}
    assert page(tmp_path, settings=settings).all("td")[-5:] == ["0.0003", "title, category", "no", "yes", "–"]


def test_empty_parts_have_no_heading(tmp_path: Path) -> None:
    assert page(tmp_path).all("h2") == ["Measures"]
    full = page(tmp_path, settings={"seed": 1}, examples=[example("red", "a shoe")])
    assert full.all("h2") == ["Measures", "Example queries", "Settings"]


def test_right_photos_are_marked_by_text_and_border(tmp_path: Path) -> None:
    found = page(tmp_path, examples=[example("red", "a shoe", "a boot"), example("blue", "a hat")])
    assert found.all("h4") == [
        "Before: 0 of 2 right",
        "After: 1 of 2 right",
        "Before: 0 of 1 right",
        "After: 1 of 1 right",
    ]
    assert found.all("strong") == ["✓ right"] * 2
    assert found.attributes("li") == [{}, {}, {"class": "right"}, {}, {}, {"class": "right"}]


def test_photos_are_inside_byte_for_byte_with_an_alternative_text(tmp_path: Path) -> None:
    given = example("red", "a shoe", "")
    photos = page(tmp_path, examples=[given]).attributes("img")[-4:]
    data = [base64.b64decode(str(photo["src"]).removeprefix("data:image/jpeg;base64,")) for photo in photos]
    assert data == [photo.jpeg for photo in (*given.before, *given.after)]
    assert [photo["alt"] for photo in photos] == ["Photo 1: a shoe", "Photo 2: without a caption"] * 2


def test_the_curves_are_inside_for_light_and_dark_wide_and_narrow_screens(tmp_path: Path) -> None:
    images = page(tmp_path).attributes("img")
    opened = [Image.open(BytesIO(base64.b64decode(str(image["src"]).split(",")[1]))) for image in images]
    assert [image.width > image.height for image in opened] == [True, True, False, False]
    assert [image.convert("L").getpixel((0, 0)) > 128 for image in opened] == [True, False, True, False]  # type: ignore[operator]
    assert all(image["alt"] for image in images)


def test_every_text_is_shown_as_it_is(tmp_path: Path) -> None:
    text = "<script>alert(1)</script> \"><img src=x onerror='alert(1)'> {{ 7 * 7 }} & more"
    found = page(tmp_path, title=text, settings={text: text}, examples=[example(text, text)])
    plain = page(tmp_path, title="t", settings={"s": "s"}, examples=[example("q", "c")])
    assert [(tag, set(attributes)) for tag, attributes in found.elements] == [
        (tag, set(attributes)) for tag, attributes in plain.elements
    ]
    assert found.all("title") == found.all("h1") == [text]
    assert found.all("h3") == [f"“{text}”"]
    assert found.attributes("img")[-1]["alt"] == f"Photo 1: {text}"
    assert found.all("p")[-1] == found.all("td")[-1] == found.all("th")[-1] == text


def test_half_a_character_costs_that_character_only(tmp_path: Path) -> None:
    assert "shoe ?" in page(tmp_path, examples=[example("red", "shoe \ud83d")]).all("p")


def test_the_page_names_nothing_outside_itself(tmp_path: Path) -> None:
    found = page(tmp_path, settings={"seed": 1}, examples=[example("red", "a shoe")])
    named = [value for _, attributes in found.elements for name, value in attributes.items() if name in {"src", "href"}]
    assert len(named) == 7
    assert all(str(value).startswith("data:") for value in named)
    assert not {"script", "iframe", "object"} & {tag for tag, _ in found.elements}
    assert "url(" not in " ".join(found.all("style"))
    assert found.attributes("html") == [{"lang": "en"}]
    assert any(attributes.get("name") == "viewport" for attributes in found.attributes("meta"))


@pytest.mark.parametrize("name", ["missing/report", "folder", "file/report"])
def test_a_place_that_cannot_be_written_is_named_and_nothing_is_left(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    for write in (write_curves_to, write_page_to):
        with pytest.raises(EsmmError, match=rf"{re.escape(str(tmp_path / name))} cannot be written: \w") as caught:
            write(tmp_path / name)
        assert caught.value.hint
    assert {path.name for path in tmp_path.iterdir()} == {"folder", "file"}


def write_curves_to(path: Path) -> None:
    write_curves(history(1, best=1), path)


def write_page_to(path: Path) -> None:
    write_page(path, title="t", settings={}, history=history(1, best=1), examples=[])


def test_the_former_report_stays_until_the_next_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_page_to(path)
    former = path.read_bytes()
    (tmp_path / "report.html.part").mkdir()  # in the way of the new one
    with pytest.raises(EsmmError, match="cannot be written"):
        write_page_to(path)
    assert path.read_bytes() == former


def test_a_missing_matplotlib_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for write in (write_curves_to, write_page_to):
        with pytest.raises(EsmmError, match="matplotlib is not installed") as caught:
            write(tmp_path / "report")
        assert caught.value.hint == 'pip install "esmm[align]"'
    assert list(tmp_path.iterdir()) == []


def test_nothing_heavy_is_imported_before_something_is_drawn() -> None:
    code = "import sys, esmm.align.report; print(sorted(sys.modules.keys() & {'matplotlib', 'jinja2', 'numpy', 'PIL'}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
