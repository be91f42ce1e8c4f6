"""Clause scores without a server: against formulas written out, and what is missing stays missing."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shop

from esmm.encoders import load_encoders
from esmm.encoders.digest import DigestEncoder
from esmm.errors import LearnError, QueryError, RecipeError
from esmm.learn.analysis import analysed, stem
from esmm.learn.bm25 import Column, Words, best_of, stored_length, sum_of
from esmm.learn.features import Collected
from esmm.learn.judgements import Judgements, Question
from esmm.learn.offline import OfflineCollector
from esmm.recipe import Recipe, parse
from tests.conftest import TINY

CLAUSES = """
[clauses.maker]
match = ["brand"]
[clauses.sex]
match = ["gender"]
[clauses.exact_title]
phrase = "title"
[clauses.cheap]
number = "price"
[clauses.fresh]
date = "added"
half_life = "10d"
"""
COUNT = 40
FORMS = ("combined_fields", "best_fields", "cross_fields", "most_fields")


def recipe_of(*more: str, limits: str = "") -> Recipe:
    text = TINY.format(name="offline", analyzer="english").replace(
        "[text]", f'added = {{ type = "date" }}\n{limits}\n[text]'
    )
    return parse(text + CLAUSES + "".join(more), source="offline.toml")


def day(ago: float) -> str:
    return (datetime.now(UTC) - timedelta(days=ago)).isoformat()


def products() -> list[dict[str, Any]]:
    made = [shop.product(number, added=day(10 * number)) for number in range(COUNT)]
    for name in ("brand", "price", "added", "image"):
        del made[3][name]
    made[4]["price"] = -1
    return made


@pytest.fixture
def catalogue(tmp_path: Path) -> Path:
    shop.write_photos(tmp_path, COUNT)
    return shop.write(tmp_path / "catalog.jsonl", products())


def judged(*asked: tuple[Question, dict[str, float]]) -> Judgements:
    return Judgements(dict(asked), "judgements.tsv")


def collected(catalogue: Path, judgements: Judgements, recipe: Recipe | None = None) -> Collected:
    recipe = recipe or recipe_of()
    return OfflineCollector(recipe, catalogue, encoders=load_encoders(recipe)[0]).collect(judgements)


def column(found: Collected, clause: str, row: int = 0) -> dict[str, float]:
    """The scores of a clause by product, those that are missing left out."""
    scored = found.table.questions[row]
    raws = scored.raws[:, found.table.clauses.index(clause)]
    return {name: raw for name, raw in zip(scored.ids, raws.tolist(), strict=True) if not math.isnan(raw)}


RED = Question("red shirt")
ALL = {f"p{number}": 0.0 for number in range(COUNT)} | {"p0": 1.0}


def test_each_clause_scores_what_it_matches_and_nothing_else(catalogue: Path) -> None:
    found = collected(catalogue, judged((RED, ALL), (Question("shirt Men"), ALL), (Question("Men"), ALL)))
    numbers = range(COUNT)
    assert found.table.questions[0].ids == tuple(sorted(ALL))
    assert set(column(found, "keyword")) == {f"p{n}" for n in numbers if n % 6 == 0 or n % 5 == 0}
    assert set(column(found, "exact_title")) == {"p0", "p30"}
    assert "maker" not in found.table.clauses, "a clause that never matches is no column"
    assert set(column(found, "cheap")) == {f"p{n}" for n in numbers if n not in (3, 4)}
    assert set(column(found, "fresh")) == set(ALL) - {"p3"}
    assert column(found, "cheap")["p8"] == 9
    assert [column(found, "fresh")[f"p{n}"] for n in (0, 1, 2)] == pytest.approx([1, 0.5, 0.25], rel=1e-3)
    assert column(found, "sex", 1) == {}, "an exact value is matched whole"
    assert set(column(found, "sex", 2)) == {f"p{n}" for n in numbers if n % 2}
    assert found.absence == ""


def test_cosines_are_those_of_the_recipes_own_encoders(catalogue: Path) -> None:
    photo = Question(photo="photos/7.png")
    found = collected(catalogue, judged((RED, ALL), (photo, ALL)))
    text, image = DigestEncoder(32), DigestEncoder(16)
    query = text.encode(["red shirt"])[0]
    titles = {p["id"]: float(text.encode([p["title"]])[0] @ query) for p in products()}
    assert column(found, "text") == pytest.approx(titles, abs=1e-5)
    words = {f"p{n}": float(image.encode([shop.photo(n)])[0] @ image.encode(["red shirt"])[0]) for n in range(COUNT)}
    del words["p3"]
    assert column(found, "text_to_image") == pytest.approx(words, abs=1e-5)
    assert column(found, "image") == {}
    assert column(found, "image", 1)["p7"] == pytest.approx(1, abs=1e-6)
    for clause in ("keyword", "text", "text_to_image", "exact_title"):
        assert column(found, clause, 1) == {}, "a photo alone has no words"
    assert set(column(found, "cheap", 1)) == set(column(found, "cheap", 0))


def test_candidates_are_the_neighbours_and_the_best_of_the_words(catalogue: Path) -> None:
    narrow = recipe_of(limits="[search]\nk = 2\nnum_candidates = 5\ndepth = 3\nwindow = 8")
    found = collected(catalogue, judged((RED, {"p39": 1.0})), narrow)
    scored = found.table.questions[0]
    candidates = {name for name, candidate in zip(scored.ids, scored.candidate, strict=True) if candidate}
    wide = collected(catalogue, judged((RED, ALL)), recipe_of())

    def best(clause: str, count: int) -> list[str]:
        scores = column(wide, clause)
        return sorted(scores, key=lambda name: -scores[name])[:count]

    near = set(best("text", 2)) | set(best("text_to_image", 2))
    assert near <= candidates
    assert len(candidates) == 8
    words = column(wide, "keyword")
    worst = min(words[name] for name in candidates - near)
    assert sum(score > worst + 1e-9 for name, score in words.items() if name not in near) < 8 - len(near)
    assert "p39" in scored.ids
    assert "p39" not in candidates
    assert scored.gains[scored.ids.index("p39")] == 1
    assert np.isnan(scored.gains).sum() == len(scored.ids) - 1


def test_absent_products_are_named_and_all_absent_is_refused(catalogue: Path) -> None:
    found = collected(catalogue, judged((RED, {"p0": 1.0, "gone": 0.0})))
    assert found.absent == {"red shirt": ("gone",)}
    assert found.absence == f"1 judged products are not in the catalogue {catalogue}: gone"
    with pytest.raises(
        LearnError, match=r"none of the 1 products of judgements\.tsv is in the catalogue .*catalog\.jsonl"
    ):
        collected(catalogue, judged((RED, {"gone": 1.0})))


def test_facts_know_the_words_of_the_titles(catalogue: Path) -> None:
    found = collected(catalogue, judged((Question("red zebra9"), ALL)))
    facts = found.table.questions[0].facts
    assert (facts["words"], facts["unknown"], facts["codes"], facts["photo"]) == (2, 0.5, 0.5, 0)
    assert found.rarity.shares["red"] == pytest.approx(7 / COUNT)


def test_without_encoders_there_are_words_only(catalogue: Path) -> None:
    found = OfflineCollector(recipe_of(), catalogue, encoders={}).collect(judged((RED, ALL)))
    assert not {"text", "image", "text_to_image"} & set(found.table.clauses)
    with pytest.raises(QueryError, match="no photo vectors"):
        OfflineCollector(recipe_of(), catalogue, encoders={}).collect(judged((Question(photo="photos/1.png"), ALL)))
    with pytest.raises(LearnError, match=r"the question's photo nowhere\.png: "):
        OfflineCollector(recipe_of(), catalogue, encoders={}).collect(judged((Question(photo="nowhere.png"), ALL)))


def test_vectors_are_made_once(catalogue: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = collected(catalogue, judged((RED, ALL)))

    def refuse(*_: Any) -> None:
        raise AssertionError("encoded again")

    recipe = recipe_of()
    encoders = load_encoders(recipe)[0]
    for encoder in encoders.values():
        monkeypatch.setattr(encoder, "encode", refuse)
    again = OfflineCollector(recipe, catalogue, encoders=encoders).collect(judged((RED, ALL)))
    assert column(again, "text") == column(first, "text")


def test_a_catalogue_that_does_not_fit(tmp_path: Path) -> None:
    foreign = shop.write(tmp_path / "foreign.jsonl", [{"id": "1", "name": "red shirt"}])
    with pytest.raises(RecipeError, match="the catalogue has no field title"):
        OfflineCollector(recipe_of(), foreign, encoders={})
    lines = [shop.product(1, added=day(1)) | {"id": None}]
    empty = shop.write(tmp_path / "empty.jsonl", lines)
    with pytest.raises(LearnError, match=r"no product of .*empty\.jsonl fits the recipe"):
        OfflineCollector(recipe_of(), empty, encoders={})


def test_of_equal_ids_the_first_counts(tmp_path: Path) -> None:
    twice = [shop.product(1, added=day(1), price=5), shop.product(1, added=day(1), price=6), shop.product(2)]
    found = OfflineCollector(recipe_of(), shop.write(tmp_path / "twice.jsonl", twice), encoders={})
    assert column(found.collect(judged((RED, {"p1": 1.0}))), "cheap") == {"p1": 5}


# Words.


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("shoes", "shoe"),
        ("batteries", "batteri"),
        ("running", "run"),
        ("wireless", "wireless"),
        ("gas", "ga"),
        ("us", "us"),
        ("technology", "technolog"),
        ("trekking", "trek"),
        ("cafés", "café"),
    ],
)
def test_stems(word: str, expected: str) -> None:
    assert stem(word) == expected


def test_analyzers() -> None:
    assert analysed("The Men's Shoes, for 5 dogs", "english") == ["men", "shoe", "5", "dog"]
    assert analysed("The Men's Shoes", "standard") == ["the", "men's", "shoes"]
    assert analysed("XK-200 4.5mm 1,000 a.b foo_bar 'x' e.g. 3.", "standard") == [
        "xk",
        "200",
        "4.5mm",
        "1,000",
        "a.b",
        "foo_bar",
        "x",
        "e.g",
        "3",
    ]


def test_lengths_as_lucene_stores_them() -> None:
    assert [stored_length(length) for length in (0, 23, 24, 39, 40, 41, 42, 55, 56, 57, 60, 1000)] == [
        *(0, 23, 24, 39, 40, 40, 42, 54, 56, 56, 60, 984),
    ]


TEXTS = [["red", "shoe"], [], ["blue", "shoe", "shoe", "lamp"], ["red", "lamp"]]


def bm25(frequency: float, length: int, matching: int) -> float:
    """Lucene's formula with the factor that Elasticsearch keeps, over three texts of 8 / 3 words."""
    idf = math.log(1 + (3 - matching + 0.5) / (matching + 0.5))
    return idf * 2.2 * frequency / (frequency + 1.2 * (0.25 + 0.75 * length / (8 / 3)))


def test_scores_by_hand() -> None:
    column = Column(TEXTS, str.split)
    expected = [bm25(1, 2, 2) + bm25(1, 2, 2), math.nan, bm25(2, 4, 2), bm25(1, 2, 2)]
    assert column.scores(["red", "shoe"]) == pytest.approx(expected, nan_ok=True)
    every = [expected[0], math.nan, math.nan, math.nan]
    assert column.scores(["red", "shoe"], every=True) == pytest.approx(every, nan_ok=True)
    for nothing in ([], ["zebra"]):
        assert np.isnan(column.scores(nothing)).all()
    assert np.isnan(Column([[], []], str.split).scores(["red"])).all()


@pytest.mark.parametrize(
    ("words", "slop", "frequencies"),
    [
        (["blue", "shoe"], 0, {2: 1.0}),
        (["shoe", "lamp"], 0, {2: 1.0}),
        (["blue", "lamp"], 1, {}),
        (["blue", "lamp"], 2, {2: 1 / 3}),
        (["lamp", "blue"], 0, {}),
        (["red", "zebra"], 5, {}),
    ],
)
def test_phrases_by_hand(words: Sequence[str], slop: int, frequencies: dict[int, float]) -> None:
    counts = {"blue": 1, "shoe": 2, "lamp": 2, "red": 2, "zebra": 0}
    expected = [math.nan] * 4
    for place, frequency in frequencies.items():
        each = [bm25(frequency, len(TEXTS[place]), counts[word]) for word in words]
        expected[place] = sum(each)
    assert Column(TEXTS, str.split).phrase(words, slop) == pytest.approx(expected, nan_ok=True)
    assert np.isnan(Column([[]], str.split).phrase(words, slop)).all()


def test_forms_of_the_keyword_query() -> None:
    title, brand = Column(TEXTS, str.split), Column([["red"], ["lamp"], [], ["red", "red"]], str.split)
    columns, boosts = {"title": title, "brand": brand}, {"title": 3.0, "brand": 0.5}
    words = Words(columns, boosts, "or")
    by_field = [3 * title.scores(["red", "lamp"]), 0.5 * brand.scores(["red", "lamp"])]
    assert words.scores("red lamp", "most_fields") == pytest.approx(sum_of(by_field), nan_ok=True)
    assert words.scores("red lamp", "best_fields") == pytest.approx(best_of(by_field), nan_ok=True)
    each = [best_of([3 * title.scores([word]), 0.5 * brand.scores([word])]) for word in ("red", "lamp")]
    assert words.scores("red lamp", "cross_fields") == pytest.approx(sum_of(each), nan_ok=True)
    # "red" is in two titles and two brands, "lamp" in two titles and a brand; three texts have a title.
    idf, average = math.log(1 + 1.5 / 2.5), (3 * 8 + 0.5 * 4) / 3

    def combined(frequency: float, length: int) -> float:
        return idf * 2.2 * frequency / (frequency + 1.2 * (0.25 + 0.75 * length / average))

    expected = [combined(3.5, 7), combined(0.5, 1), combined(3, 12), combined(4, 7) + combined(3, 7)]
    assert words.scores("red lamp", "combined_fields") == pytest.approx(expected, nan_ok=True)
    both = Words(columns, boosts, "and")
    matched = {form: np.flatnonzero(~np.isnan(both.scores("red lamp", form))).tolist() for form in FORMS}
    assert matched == {"combined_fields": [3], "cross_fields": [3], "most_fields": [3], "best_fields": [3]}
    apart = {form: np.flatnonzero(~np.isnan(both.scores("shoe red", form))).tolist() for form in FORMS}
    assert apart["most_fields"] == [0]
    assert np.isnan(words.scores("", "cross_fields")).all()


def test_feedback_moves_the_vectors_towards_the_first_hits(catalogue: Path) -> None:
    wanted = judged((Question("red shirt"), {f"p{number}": 1.0 for number in range(COUNT)}))
    plain = collected(catalogue, wanted)
    recipe = recipe_of("\n[search]\nfeedback = 1\n")
    fed = collected(catalogue, wanted, recipe)
    words, cosines = column(plain, "keyword"), [column(plain, name) for name in ("text", "text_to_image")]
    constant = sorted(words.values())[-10]
    scores = {
        name: words.get(name, 0.0) / (words.get(name, 0.0) + constant)
        + sum(max(0.0, each.get(name, 0.0)) for each in cosines)
        for name in cosines[0]
    }
    best = max(scores, key=lambda name: scores[name])
    before, after = column(plain, "text"), column(fed, "text")
    # Halfway between a unit vector and another at cosine c lies the cosine sqrt((1 + c) / 2) to either.
    assert after[best] == pytest.approx(math.sqrt((1 + before[best]) / 2), abs=1e-4)
    assert max(after, key=lambda name: after[name]) == best
    assert column(fed, "keyword") == words
