"""The page of a training as people see it: in a real browser, narrow and wide, light and dark, without network."""

from pathlib import Path
from typing import Any

import pytest
from looking import Seen, look_for
from selenium.webdriver import Chrome
from training import example, history

from esmm.align.report import write_page

LONG = "word" * 60
HOSTILE = "<script>document.title = 'owned'</script>"
FACTS = """
const images = [...document.images];
const shown = image => getComputedStyle(image).display !== "none";
const wider = box => box.scrollWidth - box.clientWidth;
return {
  title: document.title,
  width: innerWidth,
  overflow: wider(document.documentElement),
  images: images.length,
  empty: images.filter(image => !image.complete || image.naturalWidth === 0).length,
  curves: images.slice(0, 4).map(shown),
  paper: getComputedStyle(document.body).backgroundColor,
  clipped: [...document.querySelectorAll(".wide")].filter(box => box.checkVisibility() && wider(box) > 0).length,
  right: [...document.querySelectorAll("li.right")].map(item => getComputedStyle(item).borderTopWidth),
  wrong: [...document.querySelectorAll("li:not(.right)")].map(item => getComputedStyle(item).borderTopWidth),
}
"""
CURVES = [(False, "light"), (False, "dark"), (True, "light"), (True, "dark")]  # narrow or not, and the scheme


def look(chromium: Chrome, path: Path, **screen: Any) -> Seen:
    return look_for(FACTS, chromium, path, **screen)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    examples = [example("navy blue shoes", *(f"Product {n}" for n in range(6))), example(HOSTILE, HOSTILE, LONG)]
    settings = {"backbone": "mobilenet_v2", LONG: LONG, "script": HOSTILE}
    write_page(path, title=f"Tower {HOSTILE} {LONG}", settings=settings, history=history(12, best=9), examples=examples)
    return path


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 400, 640, 641, 1280])
def test_the_page_is_whole_and_fits(chromium: Chrome, page: Path, width: int, scheme: str) -> None:
    seen = look(chromium, page, width=width, scheme=scheme)
    assert seen.console == []
    assert seen.asked == {page.as_uri()}
    assert seen.facts["images"] == 4 + 2 * 6 + 2 * 2
    assert seen.facts["empty"] == 0
    assert (seen.facts["width"], seen.facts["overflow"]) == (width, 0)
    assert seen.facts["clipped"] == 0 or width < 400
    assert seen.facts["curves"] == [(width <= 640, scheme) == kind for kind in CURVES]
    assert (seen.facts["paper"] == "rgb(255, 255, 255)") == (scheme == "light")


def test_texts_of_others_are_no_code(chromium: Chrome, page: Path) -> None:
    assert look(chromium, page).facts["title"] == f"Tower {HOSTILE} {LONG}"


def test_right_photos_stand_out_without_colour(chromium: Chrome, page: Path) -> None:
    facts = look(chromium, page).facts
    assert (set(facts["right"]), len(facts["right"])) == ({"3px"}, 2)
    assert set(facts["wrong"]) == {"1px"}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_paper_is_white_whatever_the_screen(chromium: Chrome, page: Path, scheme: str) -> None:
    facts = look(chromium, page, scheme=scheme, media="print").facts
    assert facts["curves"] == [True, False, False, False]
    assert facts["paper"] == "rgb(255, 255, 255)"


def test_all_epochs_unfold_without_a_script(chromium: Chrome, page: Path) -> None:
    look(chromium, page, width=400)
    chromium.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        chromium.get(page.as_uri())
        chromium.find_element("css selector", "summary").click()
        assert chromium.find_element("css selector", "details table").is_displayed()
    finally:
        chromium.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    facts = chromium.execute_script(FACTS)
    assert (facts["overflow"], facts["clipped"]) == (0, 1)  # the long table scrolls in its own box


def test_the_checks_above_can_fail(chromium: Chrome, tmp_path: Path) -> None:
    bad = tmp_path / "bad.html"
    elsewhere = "http://127.0.0.1:9/photo.jpg"
    bad.write_text(
        f'<div style="width: 900px">wide</div><img src="{elsewhere}"><script>console.error("loud")</script>', "utf-8"
    )
    seen = look(chromium, bad, width=400)
    assert seen.facts["overflow"] > 400
    assert seen.facts["empty"] == 1
    assert elsewhere in seen.asked
    assert any("loud" in entry["message"] for entry in seen.console)
