"""`esmm console`: what was asked on the command line, as text for Kibana."""

from pathlib import Path

from dev_console import read_console
from shell import Esmm


def test_the_hybrid_request_is_that_of_the_search(esmm: Esmm, shop_folder: Path) -> None:
    assert esmm("ingest", "catalog.jsonl", "--quiet").code == 0
    asked = ("red shirt", "photos/5.png", "--filter", "gender=Men", "--size", "3")
    calls = read_console(esmm("console", *asked).out)
    explaining = "_search?include_named_queries_score=true"
    assert [call.path.rpartition("/")[2] for call in calls[:3]] == ["_search", "_search", explaining]
    assert calls[-1].path.endswith("/_mapping")
    keyword, hybrid, explained = (call.bodies[0] for call in calls[:3])
    assert hybrid == explained
    assert (hybrid["size"], "rescore" in hybrid, "rescore" in keyword) == (3, True, False)
    assert {clause["knn"]["field"] for clause in hybrid["query"]["bool"]["should"] if "knn" in clause} == {
        "text_vector",
        "image_vector",
    }
    assert keyword["query"]["bool"]["filter"] == [{"terms": {"gender": ["Men"]}}]
    done = esmm("console", *asked[:1], "--image", "photos/5.png", *asked[2:], "--out", "here.console")
    assert (done.out, "wrote here.console" in done.err) == ("", True)
    assert read_console((shop_folder / "here.console").read_text("utf-8")) == calls


def test_what_cannot_be_shown(esmm: Esmm, shop_folder: Path) -> None:
    esmm("console", "shirt", "--url", "http://127.0.0.1:9").fatal("127.0.0.1:9", "")
    esmm("console", "shirt").fatal("no such index", "esmm ingest")
