"""The report: as JSON, as a page, and for a terminal; the same figures in all three."""

import json
import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path

import evaluations
import numpy as np
import pytest
from rich.console import Console

from esmm.errors import LearnError
from esmm.evaluate.measures import Measured
from esmm.evaluate.report import Report, System, number, p_value, versus, write_page
from esmm.evaluate.terminal import tables
from esmm.significance import holm

VOID = {"meta", "link", "br", "img"}


class Page(HTMLParser):
    """The words of a page, and whether its elements are closed as they were opened."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.words, self.open, self.links = "", list[str](), list[str]()
        self.feed(path.read_text("utf-8"))
        self.words = " ".join(self.words.split())
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [str(value) for name, value in attrs if name in ("src", "href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words += data + " "


@pytest.fixture(scope="module")
def report() -> Report:
    return evaluations.report(30)


def printed(report: Report, width: int = 160) -> str:
    console = Console(width=width, file=StringIO(), record=True)
    for table in tables(report):
        console.print(table)
    return console.export_text()


def tiny(*values: float) -> Measured:
    return Measured(tuple("abcdef"[: len(values)]), {"nDCG@10": np.array(values)})


def bare(*systems: System) -> Report:
    return Report("Shop", systems[0].name, systems, *versus(systems, systems[0].name))


def test_controls_are_not_compared_and_do_not_correct(report: Report) -> None:
    names = [system.name for system in report.systems if not system.control][1:]
    assert [c.system for c in report.comparisons] == [c.system for c in report.condensed] == names
    assert [c.corrected for c in report.comparisons] == holm([c.p for c in report.comparisons])
    differences = report.systems[1].condensed.values["nDCG@10"] - report.systems[0].condensed.values["nDCG@10"]
    assert report.condensed[0].gain == pytest.approx(differences.mean())


def test_json_holds_all_and_can_be_read_again(report: Report) -> None:
    raw = report.as_json()
    assert json.loads(json.dumps(raw, allow_nan=False)) == raw
    system = raw["systems"][4]
    assert system["means"]["nothing"]["nDCG@10"] == pytest.approx(report.systems[4].measured.mean("nDCG@10"), abs=1e-6)
    assert system["values"]["left out"]["MRR"] == pytest.approx(
        report.systems[4].condensed.values["MRR"].tolist(), abs=1e-6
    )
    assert system["latency_ms"] == {"p50": 4.1, "p95": 10.2}
    assert [s["control"] for s in raw["systems"]] == [False] * 6 + [True] * 3
    assert {c["unjudged"] for c in raw["comparisons"]} == {"nothing", "left out"}
    assert raw["comparisons"][3]["won"] == report.comparisons[3].won
    assert raw["losses"][0]["products"][2]["gain"] is None
    assert raw["provenance"]["seed"] == 7


def test_what_is_not_defined_is_null_and_a_dash(tmp_path: Path) -> None:
    values = tiny(0.5, math.nan, 0.25)
    report = bare(System("keyword", values, values), System("fused", tiny(0.5, math.nan, 0.5), values))
    raw = report.as_json()
    assert raw["systems"][0]["values"]["nothing"]["nDCG@10"] == [0.5, None, 0.25]
    assert raw["systems"][0]["means"]["nothing"]["nDCG@10"] == 0.375
    assert report.unanswerable == 1
    write_page(report, tmp_path / "report.html")
    words = Page(tmp_path / "report.html").words
    assert "3 questions, of which 1 have nothing to find and do not count" in words
    assert "b – –" in words


def test_a_report_of_the_least(tmp_path: Path) -> None:
    """One question, two systems, nothing but means: no interval, no drawing without data."""
    report = bare(System("keyword", tiny(0.5), tiny(0.5)), System("fused", tiny(0.6), tiny(0.6)))
    write_page(report, tmp_path / "report.html")
    words = Page(tmp_path / "report.html").words
    assert "+0.100 – to –" in words
    for heading in ("Worst losses", "What was measured", "Recall against k", "Latency", "Controls are", "Judged@10"):
        assert heading not in words
    assert "+0.100 [–, –]" in printed(report)
    assert report.as_json()["comparisons"][0]["low"] is None


def test_a_baseline_alone(tmp_path: Path) -> None:
    report = bare(System("keyword", tiny(0.5, 0.4), tiny(0.5, 0.4)))
    write_page(report, tmp_path / "report.html")
    assert "0.450" in Page(tmp_path / "report.html").words
    assert "0.450" in printed(report)


def test_the_page_says_what_the_values_are(report: Report, tmp_path: Path) -> None:
    write_page(report, tmp_path / "report.html")
    page = Page(tmp_path / "report.html")
    assert page.links == ["data:,"]
    assert report.verdict in page.words
    for system in report.systems:
        both = [f"{measured.mean('nDCG@10'):.3f}" for measured in (system.measured, system.condensed)]
        judged = f"{system.measured.mean('Judged@10'):.0%}"
        assert re.search(rf"{re.escape(system.name)} (control |kept: proven )?{' '.join([*both, judged])} ", page.words)
    for c, other in zip(report.comparisons, report.condensed, strict=True):
        gains = [f"{one.gain:+.3f} {one.low:+.3f} to {one.high:+.3f}" for one in (c, other)]
        assert f"{' '.join(gains)} {p_value(c.p)} {p_value(c.corrected)}" in page.words
        assert f"{c.won} {c.lost} {c.unchanged}" in page.words
    assert "“kitchen towels” global weights: nDCG@10 0.912 → 0.431 (-0.481)" in page.words
    assert "Slippers B12 not judged none → 3 – 0.510 0.110" in page.words
    assert "judgements judgements.tsv (3f9a12c0)" in page.words


def test_the_page_does_not_change_by_itself(report: Report, tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_page(evaluations.report(30), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_texts_of_others_are_no_markup(report: Report, tmp_path: Path) -> None:
    hostile = "</svg><script>alert(1)</script> [red]"
    systems = tuple(replace(system, name=f"{system.name} {hostile}", note=hostile) for system in report.systems)
    changed = bare(*systems)
    write_page(replace(changed, losses=(replace(evaluations.loss(hostile), note=hostile),)), tmp_path / "report.html")
    assert "<script>" not in (tmp_path / "report.html").read_text("utf-8")
    assert "alert(1)</script> [red]" in printed(replace(changed, losses=(evaluations.loss(hostile),)), width=400)


def test_the_terminal_says_what_the_page_says(report: Report) -> None:
    shown = printed(report)
    for c, other in zip(report.comparisons, report.condensed, strict=True):
        gains = [f"{one.gain:+.3f} [{one.low:+.3f}, {one.high:+.3f}]" for one in (c, other)]
        assert re.search(" +".join(map(re.escape, gains)), shown)
        assert f"{c.won}/{c.lost}/{c.unchanged}" in shown
    for system in report.systems:
        assert f"{system.measured.mean('MAP'):.3f}" in shown
        assert f"{system.condensed.mean('nDCG@10'):.3f}" in shown
    assert shown.count("(control)") == 6
    assert "-0.481" in shown


def test_a_page_is_written_whole_or_not_at_all(report: Report, tmp_path: Path) -> None:
    with pytest.raises(LearnError, match=r"nowhere/report\.html cannot be written: No such file") as caught:
        write_page(report, tmp_path / "nowhere" / "report.html")
    assert caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_numbers_for_people() -> None:
    assert [number(0.12345), number(None), number(math.nan), number(-0.5, "+.1f")] == ["0.123", "–", "–", "-0.5"]
    assert [p_value(0.0001), p_value(0.001), p_value(0.25)] == ["< 0.001", "0.001", "0.250"]
