"""`esmm evaluate`: against a real index, with what goes wrong told in one sentence."""

import json
import random
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import shop
from elasticsearch import Elasticsearch
from shell import Esmm, Outcome

from esmm.cli.evaluate import FELL
from esmm.cluster import Capabilities
from esmm.evaluate.interleave import team_draft
from esmm.evaluate.run import UNTUNED, Shop, evaluate
from esmm.evaluate.systems import Ground, fused
from esmm.learn.features import Collector
from esmm.learn.judgements import read_judgements
from esmm.query.calibrate import shape_of
from esmm.query.encode import Ask
from esmm.query.model import FILE, ClauseModel, FusionModel, digest_of
from esmm.query.search import Searcher
from esmm.recipe import load

pytestmark = pytest.mark.usefixtures("painless")


@pytest.fixture(autouse=True)
def no_ranx(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its compiler takes minutes; it is tested where the systems are."""
    monkeypatch.setitem(sys.modules, "ranx", None)


@pytest.fixture
def folder(loaded: Path, place: Path) -> Path:
    """A folder of its own with the recipe of the loaded shop, its photos, and judgements of 15 questions."""
    (place / "esmm.toml").write_text((loaded / "esmm.toml").read_text("utf-8"), encoding="utf-8")
    (place / "photos").symlink_to(loaded / "photos")
    judged(place / "judgements.tsv")
    return place


def judged(path: Path) -> Path:
    """Products of colour and thing are best, of the thing alone good, some others bad."""
    lines = ["query\tproduct_id\tgain"]
    for colour in shop.COLOURS[:3]:
        for thing in shop.THINGS:
            for product in shop.products(shop.MANY):
                words = product["title"].split()
                gain = (words[1] == thing) * (0.5 + 0.5 * (words[0] == colour))
                if gain or product["id"] in ("p1", "p2", "p3"):
                    lines.append(f"{colour} {thing}\t{product['id']}\t{gain}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def tuned(folder: Path, **changed: Any) -> FusionModel:
    """A fusion that someone tuned: nothing but digests of texts, which mean nothing."""
    clauses = {"keyword": ClauseModel(weight=0.0, saturation=3), "text": ClauseModel(weight=1.0, low=-1)}
    clauses |= {name: ClauseModel(weight=0.0) for name in ("image", "text_to_image")}
    given: dict[str, Any] = {"kind": "global weights", "label": "promising", "clauses": clauses}
    model = FusionModel(**{**given, "made_for": digest_of(load(folder / "esmm.toml")), **changed})
    model.save(folder / FILE)
    return model


def measured(folder: Path, name: str = "new.json") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / name).read_text("utf-8"))
    return found


def flat(done: Outcome) -> str:
    return " ".join((done.out + done.err).split())


def test_all_systems_in_table_json_and_page(esmm: Esmm, folder: Path) -> None:
    done = esmm("evaluate", "judgements.tsv", "--json", "new.json", "--html", "new.html")
    assert done.code == 0, done
    raw = measured(folder)
    names = [system["name"] for system in raw["systems"]]
    assert names[0] == raw["baseline"] == "keyword"
    assert {"keyword (best_fields)", UNTUNED, "text alone", "RRF, k = 60", "equal weights"} < set(names)
    controls = [system["name"] for system in raw["systems"] if system["control"]]
    assert controls == ["random order", "oracle per question", "oracle per question, shuffled scores"]
    assert all(re.search(rf"^{re.escape(name)} ", done.out, re.MULTILINE) for name in names)
    by = {system["name"]: system for system in raw["systems"]}
    assert set(by["keyword"]["latency_ms"]) == set(by[UNTUNED]["latency_ms"]) == {"p50", "p95"}
    assert by["RRF, k = 60"]["latency_ms"] is None
    assert by["keyword"]["means"]["nothing"]["nDCG@10"] > by["random order"]["means"]["nothing"]["nDCG@10"]
    assert [landscape["weights"] for landscape in raw["landscapes"]] == [["text"], ["text_to_image"]]
    assert raw["landscapes"][0]["chosen"] == [0.1]
    assert raw["verdict"] in done.out.replace("\n", " ")
    assert "left out: ranx optimize_fusion: ranx is not installed" in done.err
    assert raw["provenance"]["digest"] == read_judgements("judgements.tsv").digest
    assert "<svg" in (folder / "new.html").read_text("utf-8")
    assert raw["cautions"] == []


def test_the_fusion_beside_the_recipe_and_why_it_loses(esmm: Esmm, folder: Path) -> None:
    told = {"gain": 0.0251, "interval_90": [-0.002, 0.055], "baseline": "keyword"}
    tuned(folder, provenance={"digest": read_judgements("judgements.tsv").digest, **told})
    done = esmm("evaluate", "judgements.tsv", "--json", "new.json")
    raw = measured(folder)
    assert raw["verdict"].startswith(
        "fusion.json, tuned on these very judgements, loses to the keyword search: nDCG@10 0"
    )
    assert "not seen it gained +0.025 nDCG@10 [-0.002, +0.055] over keyword" in flat(done)
    system = next(system for system in raw["systems"] if system["name"] == FILE)
    assert system["note"] == "promising: global weights, tuned on these judgements"
    loss = next(loss for loss in raw["losses"] if loss["system"] == FILE)
    assert loss["before"] > loss["after"]
    assert re.fullmatch(r"text gave 0\.\d{3} more to what rose than to what fell(, .*)?", loss["note"])
    fell, rose = loss["products"][0], loss["products"][-1]
    assert fell["gain"] > 0
    assert fell["before"] < (fell["after"] or 1000)
    assert rose["after"] < (rose["before"] or 1000)
    assert rose["title"] == shop.product(int(rose["id"][1:]))["title"]
    assert loss["note"] in flat(done)


def test_fusions_by_name(esmm: Esmm, folder: Path) -> None:
    tuned(folder)
    (folder / FILE).rename(folder / "other.json")
    (folder / "a").mkdir()
    tuned(folder, label="proven").save(folder / "a" / FILE)
    esmm("evaluate", "judgements.tsv", "--json", "new.json", "--fusion", f"a/{FILE}", "--fusion", FILE)
    assert [system["name"] for system in measured(folder)["systems"]][1:4] == [f"a/{FILE}", FILE, UNTUNED]
    esmm("evaluate", "judgements.tsv", "--json", "new.json", "--fusion", "other.json", "--fusion", FILE)
    notes = {system["name"]: system["note"] for system in measured(folder)["systems"]}
    assert (notes["other.json"], notes[FILE], notes[UNTUNED]) == (
        "promising: global weights",
        "proven: global weights",
        "",
    )


def test_an_evaluated_order_is_the_order_of_searches(folder: Path, client: Elasticsearch, can: Capabilities) -> None:
    recipe, judgements = load("esmm.toml"), read_judgements("judgements.tsv")
    searcher = Searcher(client, recipe, can, model=tuned(folder, clauses={"text": ClauseModel(weight=0.7, low=-0.4)}))
    ground = Ground(Collector(client, recipe, searcher).collect(judgements).table, searcher.fusion, recipe.search.k)
    run = ground.run(fused(ground, searcher.fusion))
    for name, scores in run.items():
        hits = searcher.search(Ask(name, size=50)).hits
        assert len(hits) > 10
        assert {hit.id: hit.score for hit in hits}.items() <= {
            product: pytest.approx(score, abs=1e-4) for product, score in scores.items()
        }.items()


def test_strategies_are_systems_that_are_really_asked(esmm: Esmm, folder: Path) -> None:
    tuned(folder, clauses={"text": ClauseModel(weight=0.7)})
    done = esmm("evaluate", "judgements.tsv", "--json", "new.json", "--strategy", "exact", "--strategy", "boost")
    assert done.code == 0, done
    by = {system["name"]: system for system in measured(folder)["systems"]}
    exact, boost = by[f"{FILE} by exact"], by[f"{FILE} by boost"]
    for name, mean in by[FILE]["means"]["nothing"].items():
        assert name == "AUC" or exact["means"]["nothing"][name] == pytest.approx(mean, abs=1e-6), name
    assert boost["means"]["nothing"]["nDCG@10"] > 0
    assert boost["latency_ms"]["p50"] > 0
    esmm("evaluate", "judgements.tsv", "--strategy", "rrf").fatal("strategy rrf cannot be used here", "auto")


def test_photos_are_questions_too(esmm: Esmm, folder: Path) -> None:
    lines = [f"photos/{n}.png\tp{n}\t1\nphotos/{n}.png\tp{n + 1}\t0\n" for n in range(1, 12)]
    (folder / "seen.tsv").write_text("photo\tproduct_id\tgain\n" + "".join(lines), encoding="utf-8")
    done = esmm("evaluate", "seen.tsv", "--photos", ".", "--json", "new.json")
    assert done.code == 0, done
    by = {system["name"]: system for system in measured(folder)["systems"]}
    assert by["keyword"]["means"]["nothing"]["nDCG@10"] == 0
    assert by["image alone"]["means"]["nothing"]["nDCG@10"] > 0.9
    assert by["keyword"]["latency_ms"] is None
    esmm("evaluate", "seen.tsv").fatal("question photo:photos/1.png is a photo", "--photos")
    (folder / "bad").mkdir()
    (folder / "bad" / "1.png").write_text("no photo", encoding="utf-8")
    (folder / "one.tsv").write_text("photo\tproduct_id\tgain\n1.png\tp1\t1\n", encoding="utf-8")
    esmm("evaluate", "one.tsv", "--photos", "bad").fatal("the question's photo 1.png: This is not a photo", "JPEG")
    esmm("evaluate", "seen.tsv", "--photos", "nowhere").fatal("nowhere", "")


def test_a_query_of_ones_own(esmm: Esmm, folder: Path) -> None:
    (folder / "body.json").write_text('{"query": {"match": {"brand": "Ostra"}}}', encoding="utf-8")
    done = esmm("evaluate", "judgements.tsv", "--query", "body.json", "--json", "new.json")
    assert done.code == 0, done
    raw = measured(folder)
    assert raw["provenance"]["keyword"] == "the shop's own query"
    assert raw["systems"][0]["means"]["nothing"]["nDCG@10"] == 0  # no brand is called a red shirt
    assert "no product of any question matches keyword, which untuned fusion counts on" in flat(done)
    tuned(folder, provenance={"query_shape": shape_of({"match": {"brand": "x"}})})
    told = f"beware: {FILE} was tuned with another keyword query than this one"
    assert told in flat(esmm("evaluate", "judgements.tsv"))
    assert told not in flat(esmm("evaluate", "judgements.tsv", "--query", "body.json"))
    for body, told in (
        ('{"query": {"term": {"brand": "x"}}}', "asks for no text"),
        ('{"size": 1}', "asks for no text"),
    ):
        (folder / "body.json").write_text(body, encoding="utf-8")
        esmm("evaluate", "judgements.tsv", "--query", "body.json").fatal(told, "as your shop sends it")
    (folder / "body.json").write_text('{"query": ', encoding="utf-8")
    esmm("evaluate", "judgements.tsv", "--query", "body.json").fatal("not JSON", "")
    esmm("evaluate", "judgements.tsv", "--query", "nobody.json").fatal("nobody.json cannot be read", "JSON file")


def test_a_fall_has_an_exit_code_of_its_own(esmm: Esmm, folder: Path) -> None:
    tuned(
        folder,
        clauses={
            "keyword": ClauseModel(weight=1.0, saturation=3),
            "text": ClauseModel(weight=0),
            "text_to_image": ClauseModel(weight=0),
        },
    )
    assert esmm("evaluate", "judgements.tsv", "--json", "old.json").code == 0
    same = esmm("evaluate", "judgements.tsv", "--against", "old.json")
    assert (same.code, same.out.splitlines()[-1]) == (0, "nothing fell")
    tuned(folder)
    worse = esmm("evaluate", "judgements.tsv", "--against", "old.json", "--json", "old.json")
    assert worse.code == FELL
    assert re.search(
        r"^fusion\.json: nDCG@10 fell from 0\.\d+ to 0\.\d+ \(-0\.\d+ \[.*over 15 questions\)$", worse.out, re.M
    )
    assert "untuned fusion: " not in worse.out
    (folder / FILE).unlink()
    gone = esmm("evaluate", "judgements.tsv", "--against", "old.json")
    assert gone.code == FELL
    assert "fusion.json: nDCG@10 was 0." in gone.out


def test_reports_that_cannot_be_compared(esmm: Esmm, folder: Path) -> None:
    esmm("evaluate", "judgements.tsv", "--json", "old.json")
    with (folder / "judgements.tsv").open("a", encoding="utf-8") as file:
        file.write("grey scarf\tp1\t1\n")
    esmm("evaluate", "judgements.tsv", "--against", "old.json").fatal("by other judgements (digest", "same judgements")
    esmm("evaluate", "judgements.tsv", "--against", "judgements.tsv").fatal("judgements.tsv is no report", "--json")
    esmm("evaluate", "judgements.tsv", "--against", "nowhere.json").fatal(
        "nowhere.json cannot be read: No such", "--json"
    )
    (folder / "odd.json").write_text("[1]", encoding="utf-8")
    esmm("evaluate", "judgements.tsv", "--against", "odd.json").fatal("odd.json is no report", "--json")


def test_judgements_that_tell_little_or_nothing(esmm: Esmm, folder: Path) -> None:
    def told(lines: str) -> Outcome:
        (folder / "few.tsv").write_text("query\tproduct_id\tgain\n" + lines, encoding="utf-8")
        return esmm("evaluate", "few.tsv", "--html", "few.html")

    one = told("red shirt\tp0\t1\nred shirt\tp1\t0\n")
    assert one.code == 0
    assert "beware: one question tells little" in one.err
    assert "[–, –]" in one.out
    assert "<p>⚠ one question tells little.</p>" in (folder / "few.html").read_text("utf-8")
    alike = told("red shirt\tp0\t1\nblue lamp\tp2\t1\nred shirt\tgone\t1\n")
    assert "all judged products have the same gain" in alike.err
    assert "not in the index: 1 judged products are not in the index test-" in alike.err
    unanswerable = told("red shirt\tp0\t1\nblue lamp\tp2\t0\n")
    assert unanswerable.code == 0
    told("red shirt\tp0\t0\nblue lamp\tp2\t0\n").fatal("no question has a product with a gain above 0", "judge more")
    told("red shirt\tq0\t1\n").fatal("none of the 1 products of few.tsv is in the index test-", "ids of the index")
    told("red shirt\tp0\tmany\n").fatal("'many' is no number", "")
    esmm("evaluate", "nowhere.tsv").fatal("nowhere.tsv", "")


def test_fusions_that_cannot_be_used(esmm: Esmm, folder: Path) -> None:
    def told(sentence: str, hint: str, **changed: Any) -> None:
        raw = json.loads(tuned(folder).model_dump_json(exclude_none=True)) | changed
        (folder / FILE).write_text(json.dumps(raw), encoding="utf-8")
        esmm("evaluate", "judgements.tsv").fatal(sentence, hint)

    told("fusion.json was tuned for another recipe than esmm.toml", "tune again", made_for="0" * 16)
    told("written by a later esmm (format 9)", "up to date", format=9)
    told(
        "clauses.text.weight: Input should be greater than or equal to 0", "esmm tune", clauses={"text": {"weight": -1}}
    )
    told("high is not above low in text", "esmm tune", clauses={"text": {"weight": 1, "low": 2}})
    esmm("evaluate", "judgements.tsv", "--fusion", "none.json").fatal("none.json cannot be read: No such file", "tune")


def test_a_clause_that_never_matches(esmm: Esmm, folder: Path) -> None:
    with (folder / "esmm.toml").open("a", encoding="utf-8") as file:
        file.write('[clauses]\nslogan = { phrase = "brand", weight = 0.5 }\n')
    done = esmm("evaluate", "judgements.tsv")
    assert done.code == 0
    assert "no product of any question matches slogan, which untuned fusion counts on" in flat(done)


def test_measures_formats_and_topics(esmm: Esmm, folder: Path) -> None:
    esmm("evaluate", "judgements.tsv", "--measure", "MRR@3", "--json", "new.json")
    raw = measured(folder)
    assert raw["measure"] == raw["comparisons"][0]["measure"] == "MRR@3"
    assert raw["landscapes"][0]["values"][0] <= 1
    esmm("evaluate", "judgements.tsv", "--measure", "NDCG").fatal("no such measure: NDCG", "nDCG@10")
    (folder / "qrels.txt").write_text("7 0 p0 1\n7 0 p1 0\n", encoding="utf-8")
    (folder / "topics.txt").write_text("7\tred shirt\n", encoding="utf-8")
    esmm("evaluate", "qrels.txt", "--format", "trec", "--topics", "topics.txt", "--json", "new.json")
    assert measured(folder)["systems"][0]["questions"] == ["red shirt"]
    esmm("evaluate", "qrels.txt", "--format", "odd").fatal("there is no format 'odd'", "trec")


def test_interleaving(esmm: Esmm, folder: Path) -> None:
    rng, lines = random.Random(3), []
    for number in range(40):
        mixed = team_draft(["a", "b", "c"], ["c", "d", "a"], length=3, rng=rng, names=("old", "new"))
        clicked = [p for p, team in zip(mixed.ids, mixed.teams, strict=True) if team == "new"][: number % 4]
        lines.append(json.dumps(mixed.as_json("shoe", clicked)))
    (folder / "log.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    done = esmm("evaluate", "--interleaving", "log.jsonl")
    assert done.out == (
        "new won 30 pages, old 0; 0 drawn, 10 without a click that counts\n"
        "share of new: 100.0% [88.6%, 100.0%], p = 0.000: significant\n"
    )
    (folder / "log.jsonl").write_text('{"query": "x"}\n', encoding="utf-8")
    esmm("evaluate", "--interleaving", "log.jsonl").fatal("line 1: shown is missing", "each line looks like")
    assert esmm("evaluate").code == 2
    assert esmm("evaluate", "judgements.tsv", "--interleaving", "log.jsonl").code == 2


def test_a_shop_without_progress_can_be_evaluated_from_python(
    folder: Path, client: Elasticsearch, can: Capabilities
) -> None:
    recipe = load("esmm.toml")
    report = evaluate(
        Shop(client, can, recipe, Searcher(client, recipe, can)), read_judgements("judgements.tsv"), [], measure="MAP"
    )
    assert report.measure == "MAP"
    assert report.systems[0].name == "keyword"
