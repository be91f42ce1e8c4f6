"""The page of an evaluation as people see it: in a real browser, narrow and wide, light and dark, without network."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import evaluations
import pytest
from looking import Seen, look_for
from selenium.webdriver import Chrome

from esmm.evaluate.report import write_page

LONG = "word" * 60
HOSTILE = "<script>document.title = 'owned'</script>"
FACTS = """
const wider = box => box.scrollWidth - box.clientWidth;
const drawings = [...document.querySelectorAll("figure > svg")];
const outside = svg => [...svg.querySelectorAll("text")].filter(text => {
  const box = text.getBoundingClientRect(), frame = svg.getBoundingClientRect();
  return box.left < frame.left - 2 || box.right > frame.right + 2;
});
const light = colour => { const [r, g, b] = colour.match(/[\\d.]+/g).map(Number); return (r + g + b) / 3; };
const style = getComputedStyle(document.body);
return {
  title: document.title,
  width: innerWidth,
  overflow: wider(document.documentElement),
  drawings: drawings.length,
  untold: drawings.filter(svg => !svg.getAttribute("aria-label")).length,
  small: drawings.filter(svg => svg.getBoundingClientRect().height < 60).length,
  outside: drawings.flatMap(outside).map(text => text.textContent),
  letters: Math.min(...drawings.map(svg => 12 * svg.getBoundingClientRect().width / 360)),
  paper: light(style.backgroundColor),
  ink: light(style.color),
  bars: light(getComputedStyle(document.querySelector(".won")).fill),
  clipped: [...document.querySelectorAll(".wide")].filter(box => box.checkVisibility() && wider(box) > 0).length,
  rows: [...document.querySelectorAll("#compared tbody tr")].map(row => row.innerText),
}
"""


def look(chromium: Chrome, path: Path, **screen: Any) -> Seen:
    return look_for(FACTS, chromium, path, **screen)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    report = evaluations.report(40)
    bad = replace(evaluations.loss(HOSTILE), system=LONG, note=LONG)
    named = replace(report.systems[1], name=f"{HOSTILE} {LONG}", note=HOSTILE)
    compared = tuple(replace(c, system=f"{HOSTILE} {LONG}") for c in report.comparisons[:1])
    changed: dict[str, Any] = {
        "title": f"Shop {HOSTILE}",
        "losses": (*report.losses, bad),
        "provenance": {LONG: LONG, "x": HOSTILE},
    }
    systems = (*report.systems, named)
    write_page(replace(report, systems=systems, comparisons=(*report.comparisons, *compared), **changed), path)
    return path


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 400, 640, 641, 1280])
def test_the_page_is_whole_and_fits(chromium: Chrome, page: Path, width: int, scheme: str) -> None:
    seen = look(chromium, page, width=width, scheme=scheme)
    assert seen.console == []
    assert seen.asked == {page.as_uri()}
    assert seen.facts["drawings"] == 1 + 6 + 2 + 1 + 1
    assert (seen.facts["untold"], seen.facts["small"], seen.facts["outside"]) == (0, 0, [])
    assert (seen.facts["width"], seen.facts["overflow"]) == (width, 0)
    assert seen.facts["letters"] >= 9
    dark, bright = sorted([seen.facts["paper"], seen.facts["ink"]])
    assert bright - dark > 180
    assert (seen.facts["paper"] == bright) == (scheme == "light")
    assert abs(seen.facts["bars"] - seen.facts["paper"]) > 60


def test_texts_of_others_are_no_code(chromium: Chrome, page: Path) -> None:
    assert look(chromium, page).facts["title"] == f"Shop {HOSTILE}"


def test_the_first_table_says_what_the_report_says(chromium: Chrome, page: Path) -> None:
    rows = look(chromium, page).facts["rows"]
    report = evaluations.report(40)
    shown = report.compared("global weights")
    assert shown
    row = next(row for row in rows if row.startswith("global weights"))
    assert f"{report.systems[4].measured.mean('nDCG@10'):.3f}" in row
    assert f"{shown.gain:+.3f}\n{shown.low:+.3f} to {shown.high:+.3f}" in row
    assert row.split()[-3:] == [str(shown.won), str(shown.lost), str(shown.unchanged)]
    assert [row.splitlines()[0].split("\t")[0].endswith("control") for row in rows] == [False] * 6 + [True] * 3 + [
        False
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_paper_is_white_whatever_the_screen(chromium: Chrome, page: Path, scheme: str) -> None:
    assert look(chromium, page, scheme=scheme, media="print").facts["paper"] == 255


@pytest.fixture
def scriptless(chromium: Chrome) -> Iterator[Chrome]:
    chromium.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    yield chromium
    chromium.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_tables_unfold_without_a_script(scriptless: Chrome, page: Path) -> None:
    scriptless.get(page.as_uri())
    tables = scriptless.find_elements("css selector", "details table")
    assert [table.is_displayed() for table in tables] == [False, False]
    for summary in scriptless.find_elements("css selector", "summary"):
        summary.click()
    assert [table.is_displayed() for table in tables] == [True, True]
    assert tables[1].text.count("navy blue running shoes") == 8


def test_long_tables_scroll_in_their_own_box(chromium: Chrome, page: Path) -> None:
    facts = look(chromium, page, width=400).facts
    assert facts["clipped"] > 0
    assert facts["overflow"] == 0


def test_the_checks_above_can_fail(chromium: Chrome, tmp_path: Path) -> None:
    bad = tmp_path / "bad.html"
    elsewhere = "http://127.0.0.1:9/photo.jpg"
    drawing = '<svg viewBox="0 0 360 20"><text x="350">far too long</text><path class="won"/></svg>'
    bad.write_text(f'<figure style="width: 900px">{drawing}</figure><img src="{elsewhere}">', "utf-8")
    seen = look(chromium, bad, width=400)
    assert seen.facts["overflow"] > 400
    assert (seen.facts["untold"], seen.facts["small"], seen.facts["outside"]) == (1, 1, ["far too long"])
    assert elsewhere in seen.asked
