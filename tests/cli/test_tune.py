"""`esmm tune`: what wins is kept, and every search uses it from then on; what cannot be learned from is told."""

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shop
from elasticsearch import Elasticsearch
from loaded import load_shop
from shell import Esmm

from esmm.cluster import Capabilities
from esmm.encoders import load_encoders
from esmm.learn.floors import TEXTS, nonsense
from esmm.query.calibrate import Calibration
from esmm.query.model import FusionModel, digest_of
from esmm.recipe import Recipe, parse

pytestmark = pytest.mark.usefixtures("painless")

RECIPE = """
[index]
name = "{name}"
analyzer = "{analyzer}"
[fields]
title = {{ type = "text", embed = 1 }}
[text]
model = "all-MiniLM-L6-v2"
"""
# What the shop calls a thing, and what its customers call it.
KINDS = {
    "sofa": "couch", "running shoes": "sneakers", "notebook computer": "laptop", "mug": "cup", "spectacles": "glasses",
    "refrigerator": "fridge", "bicycle": "bike", "television": "tv", "trousers": "pants", "pullover": "sweater",
    "carpet": "rug", "flashlight": "torch", "perfume": "fragrance", "rucksack": "backpack",
}  # fmt: skip
COLOURS = ("red", "green", "blue")


def products() -> list[dict[str, str]]:
    return [{"id": f"{kind}, {colour}", "title": f"{colour} {kind}"} for colour in COLOURS for kind in KINDS]


def judged(path: Path, questions: Mapping[str, Mapping[str, float]]) -> Path:
    lines = [f"{text}\t{product}\t{gain}" for text, gains in questions.items() for product, gain in gains.items()]
    path.write_text("\n".join(["query\tproduct_id\tgain", *lines]) + "\n", encoding="utf-8")
    return path


def synonyms() -> dict[str, dict[str, float]]:
    """Each asks for a colour of a thing by another word than the shop's: words alone find the colour only."""
    asked = {}
    for number, (kind, other) in enumerate(KINDS.items()):
        colour = COLOURS[number % 3]
        others = {f"{kind}, {c}": 0.5 for c in COLOURS} | {f"{name}, {colour}": 0.0 for name in list(KINDS)[:3]}
        asked[f"{colour} {other}"] = others | {f"{kind}, {colour}": 1.0}
    return asked


@pytest.fixture(scope="module")
def synonym_recipe(
    client: Elasticsearch,
    can: Capabilities,
    module_alias: str,
    analyzer: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Recipe:
    """A shop that calls things by other words than its customers, loaded once with a real encoder."""
    folder = tmp_path_factory.mktemp("synonyms")
    (folder / "esmm.toml").write_text(RECIPE.format(name=module_alias, analyzer=analyzer), encoding="utf-8")
    recipe = parse((folder / "esmm.toml").read_text("utf-8"), source=str(folder / "esmm.toml"))
    load_shop(client, can, recipe, shop.write(folder / "catalog.jsonl", products()), folder, device="cpu")
    return recipe


@pytest.fixture
def folder(place: Path, synonym_recipe: Recipe) -> Path:
    """A folder of this test alone, with the recipe of the loaded shop and judgements."""
    (place / "esmm.toml").write_text(Path(synonym_recipe.source).read_text("utf-8"), encoding="utf-8")
    judged(place / "judged.tsv", synonyms())
    return place


@pytest.fixture
def tune(esmm: Esmm, folder: Path) -> Esmm:
    return lambda *args: esmm("tune", *args, "--device", "cpu")


SOFAS = {f"sofa, {colour}" for colour in COLOURS}


def search(esmm: Esmm, words: str) -> tuple[list[str], float]:
    """All products in their order, and the weight of the vectors."""
    hits = esmm("search", words, "--size", "50", "--device", "cpu", "--json").json()["hits"]
    weight = next(part["weight"] for part in hits[0]["clauses"] if part["clause"] == "text")
    return [hit["id"] for hit in hits], weight


def depth(found: list[str]) -> int:
    """How far down all sofas are seen."""
    return max(map(found.index, SOFAS))


def test_what_wins_is_stored_and_used_until_it_is_deleted(tune: Esmm, esmm: Esmm, folder: Path) -> None:
    untuned = search(esmm, "blue couch")
    shown = tune("judged.tsv", "--no-floors", "--print")
    assert (shown.code, list(folder.glob("fusion*"))) == (0, [])
    done = tune("judged.tsv", "--no-floors")
    assert done.code == 0
    assert done.out == shown.out + "stored in fusion.json\n"
    assert "calibrated: " in done.out
    assert "keyword" in done.out
    model = FusionModel.load(folder / "fusion.json")
    assert (model.label, model.provenance["questions"]) == ("calibrated", len(KINDS))
    assert model.provenance["judgements"] == "judged.tsv"
    found, weight = search(esmm, "blue couch")
    assert (untuned[1], weight) == (0.1, pytest.approx(model.clauses["text"].weight))
    assert depth(found) < depth(untuned[0])
    assert f"{model.clauses['text'].weight:.4f}" in esmm("search", "blue couch", "--device", "cpu", "--explain").out
    assert str(model.clauses["text"].weight) in esmm("search", "blue couch", "--device", "cpu", "--print").out
    assert esmm("fusion", "show").code == 0
    (folder / "fusion.json").unlink()
    assert search(esmm, "blue couch") == untuned


def test_the_same_judgements_give_the_same_file(tune: Esmm, folder: Path) -> None:
    for name in ("one.json", "two.json"):
        assert tune("judged.tsv", "--no-floors", "-o", name).code == 0
    assert (folder / "one.json").read_bytes() == (folder / "two.json").read_bytes()
    assert not (folder / "fusion.json").exists()


def test_floors_keep_nonsense_from_being_answered(tune: Esmm, esmm: Esmm, folder: Path, synonym_recipe: Recipe) -> None:
    done = tune("judged.tsv", "--seed", "3")
    assert done.code == 0
    floor = FusionModel.load(folder / "fusion.json").clauses["text"].floor
    assert floor is not None
    assert f"floor of text: cosine {floor:.3f}; " in done.out
    share = float(done.out.partition("by all clauses together: ")[2].partition("%")[0])
    assert share <= 12
    encoder = load_encoders(synonym_recipe, device="cpu")[0]["text"]
    titles = encoder.encode([product["title"] for product in products()])
    nearest = (encoder.encode(nonsense(TEXTS // 2, 4)) @ titles.T).max(axis=1)
    assert share == pytest.approx(100 * np.mean(nearest >= floor), abs=3), "the server's neighbours are the nearest"
    refused = nonsense(TEXTS // 2, 4)[int(nearest.argmin())]
    assert esmm("search", refused, "--device", "cpu", "--json").json()["hits"] == []
    assert search(esmm, "blue couch")[0][0] == "sofa, blue"


def test_a_keyword_that_nothing_beats_stays(tune: Esmm, folder: Path) -> None:
    """Here customers ask by the shop's own words, and want nothing else."""
    kinds = list(KINDS)[:10]
    asked = {f"green {k}": {f"{k}, green": 1.0} | {f"{k}, {c}": 0.0 for c in ("red", "blue")} for k in kinds}
    done = tune(judged(folder / "plain.tsv", asked), "--no-floors")
    assert done.code == 0
    assert "nothing is changed: " in done.out
    assert not (folder / "fusion.json").exists()


def test_a_fusion_that_is_there_stays_where_nothing_is_better(tune: Esmm, folder: Path) -> None:
    assert tune("judged.tsv", "--no-floors").code == 0
    before = (folder / "fusion.json").read_bytes()
    asked = {f"green {k}": {f"{k}, green": 1.0} for k in list(KINDS)[:10]}
    assert "nothing is changed" in tune(judged(folder / "plain.tsv", asked), "--no-floors").out
    assert (folder / "fusion.json").read_bytes() == before


def test_absent_products_and_useless_questions_are_told(tune: Esmm, folder: Path, synonym_recipe: Recipe) -> None:
    asked: dict[str, Mapping[str, float]] = {**synonyms(), "pink boat": {"sofa, red": 0.0}, "zebra": {"gone": 1.0}}
    done = tune(judged(folder / "more.tsv", asked), "--no-floors", "--print")
    assert done.code == 0
    assert f"1 judged products are not in the index {synonym_recipe.index.name}: gone" in done.err
    assert "2 questions have no product with a gain above 0 and were left out" in done.err


def test_what_cannot_be_learned_from(tune: Esmm, folder: Path) -> None:
    some = synonyms()
    one = dict(list(some.items())[:1])
    tune(judged(folder / "one.tsv", one)).fatal("too few to learn from", "judge 10 at least")
    other = {text: {f"other{at}": 1.0} for at, text in enumerate(some)}
    tune(judged(folder / "other.tsv", other)).fatal("none of the 14 products", "ids of the index")
    none = {text: dict.fromkeys(gains, 0.0) for text, gains in some.items()}
    tune(judged(folder / "none.tsv", none)).fatal("14 more have no product with a gain above 0", "judge 10")
    (folder / "bad.tsv").write_text("query\tproduct_id\tgain\nred\tp1\tmuch\n\tp2\t1\n", encoding="utf-8")
    tune("bad.tsv").fatal("has 2 faults", "mend or remove these lines")
    tune("nowhere.tsv").fatal("nowhere.tsv", "")
    photos = folder / "photos.tsv"
    photos.write_text("photo\tproduct_id\tgain\na.png\tsofa, red\t1\n", encoding="utf-8")
    tune(photos).fatal("question photo:a.png is a photo", "--photos")
    (folder / "bad").mkdir()
    (folder / "bad" / "a.png").write_text("no photo", encoding="utf-8")
    tune(photos, "--photos", "bad").fatal("the question's photo a.png: This is not a photo", "JPEG")
    for place, fault in (("nowhere/fusion.json", "No such file"), (".", "Is a directory"), ("bad/a.png/b", "Not a")):
        done = tune("judged.tsv", "--no-floors", "-o", place)
        done.fatal(f"{place} cannot be written: {fault}", "a folder that exists")
        assert done.out == "", "told before anything is learned"
    assert tune("judged.tsv", "--loss", "mse").code == 2
    assert not list(folder.glob("fusion*"))


def test_equal_gains_change_nothing_and_break_nothing(tune: Esmm, folder: Path) -> None:
    every = {text: {product["id"]: 1.0 for product in products()} for text in synonyms()}
    for loss in ("lambda", "listnet", "pairwise"):
        done = tune(judged(folder / "equal.tsv", every), "--no-floors", "--loss", loss)
        assert done.code == 0, done
        assert "Traceback" not in done.out + done.err


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"made_for": "0" * 16}, "fusion.json was tuned for another recipe"),
        ({"format": 99}, "was written by a later esmm"),
        ({"clauses": {"text": {"weight": -1}}}, "clauses.text.weight"),
    ],
)
def test_a_fusion_that_does_not_fit_is_told_and_written_anew(
    tune: Esmm, esmm: Esmm, folder: Path, synonym_recipe: Recipe, content: dict[str, Any], told: str
) -> None:
    good = FusionModel(kind="gate", label="proven", made_for=digest_of(synonym_recipe), clauses={})
    (folder / "fusion.json").write_text(json.dumps({**good.model_dump(), **content}), encoding="utf-8")
    esmm("search", "blue couch", "--device", "cpu").fatal(told, "")
    done = tune("judged.tsv", "--no-floors")
    assert (done.code, told in done.err) == (0, True)
    assert "it is not compared with" in done.err
    assert FusionModel.load(folder / "fusion.json").label == "calibrated"


def written(folder: Path, **body: Any) -> str:
    (folder / "query.json").write_text(json.dumps(body), encoding="utf-8")
    return str(folder / "query.json")


def test_a_query_of_ones_own_is_the_keyword_clause(tune: Esmm, folder: Path) -> None:
    """Its score is a hundred times as high, and so is the constant."""
    assert tune("judged.tsv", "--no-floors").code == 0
    plain = FusionModel.load(folder / "fusion.json").clauses["keyword"].saturation
    body = written(folder, query={"match": {"title": {"query": "sandals", "boost": 100}}}, size=3)
    done = tune("judged.tsv", "--no-floors", "--query", body)
    assert done.code == 0
    assert "best_fields" not in done.out, "the forms of esmm's own query are not those of the shop's"
    assert FusionModel.load(folder / "fusion.json").clauses["keyword"].saturation is None, "it is not esmm's query's"
    (own,) = Calibration.load(folder / Calibration.FILE).constants.values()
    assert plain is not None
    assert own / plain == pytest.approx(100, rel=0.3)


def test_another_query_than_the_one_tuned_with_is_warned_of(tune: Esmm, esmm: Esmm, folder: Path) -> None:
    told = "fusion.json was tuned with another keyword query than this one"
    assert tune("judged.tsv", "--no-floors").code == 0
    assert "query_shape" not in FusionModel.load(folder / "fusion.json").provenance
    body = written(folder, query={"match": {"title": {"query": "sandals", "boost": 100}}})
    quiet = esmm("upgrade", body, "--device", "cpu").err + esmm("search", "blue couch", "--device", "cpu").err
    assert tune("judged.tsv", "--no-floors", "--query", body).code == 0
    quiet += esmm("upgrade", body, "--device", "cpu").err + esmm("upgrade", body, "--placeholders").err
    quiet += esmm("search", "blue couch", "--keyword-only", "--device", "cpu").err
    assert told not in quiet
    assert esmm("search", "blue couch", "--device", "cpu").err.count(told) == 1
    other = written(folder, query={"match": {"title": {"query": "sandals", "boost": 2}}})
    for more in ((), ("--placeholders",)):
        assert esmm("upgrade", other, "--device", "cpu", *more).err.count(told) == 1


def test_a_query_from_standard_input_is_read_once(tune: Esmm, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO('{"query": {"match": {"title": "sandals"}}}'))
    assert tune("judged.tsv", "--no-floors", "--query", "-").code == 0
    assert (
        FusionModel.load(folder / "fusion.json").provenance["query_shape"]
        in Calibration.load(folder / Calibration.FILE).constants
    )


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"size": 3}, "asks for no text"),
        ({"query": {"term": {"title": "red"}}}, "asks for no text"),
        ({"query": {"match": {"title": "red"}}, "sort": ["_doc"]}, "sorted by _doc"),
        ({"query": {"match": {"title": "red"}}, "quantity": 3}, "quantity"),
        ({"query": {"match": {"title": {"query": "red", "operatr": "and"}}}}, "operatr"),
    ],
)
def test_a_query_that_cannot_be_tuned(tune: Esmm, folder: Path, body: dict[str, Any], told: str) -> None:
    tune("judged.tsv", "--no-floors", "--query", written(folder, **body)).fatal(told, "")
    tune("judged.tsv", "--query", "nowhere.json").fatal("nowhere.json", "search body")
    assert not (folder / "fusion.json").exists()


def test_no_server_and_no_recipe(tune: Esmm, folder: Path) -> None:
    tune("judged.tsv", "--url", "http://127.0.0.1:9").fatal("127.0.0.1:9", "")
    tune("judged.tsv", "--recipe", "nowhere.toml").fatal("nowhere.toml", "esmm init")
