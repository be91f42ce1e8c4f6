"""Captions: short, without what no photo shows; which of them may be true of one photo; what BM25 confuses."""

from typing import Any

import pytest
from rank_bm25 import BM25Okapi

from esmm.align.captions import (
    Captioner,
    Vocabulary,
    bm25_neighbours,
    caption_fields,
    colour_of,
    parts_of,
    words_of,
)
from esmm.ingest.records import Record
from esmm.recipe import parse

# 1,000 products: a word must stand in two titles to be seen in a caption.
CROWD = [[f"blue shirt unique{number}", "Shirts"] for number in range(1000)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Men's Blue-Grey T-Shirt, 2 pack", ["men", "blue", "grey", "t", "shirt", "2", "pack"]),
        ("women’s café_bag", ["women", "café", "bag"]),
        ("bus James' its", ["bus", "james", "its"]),
        ("!?", []),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert words_of(text) == words


def test_captions_come_from_the_embedded_fields_the_heaviest_first() -> None:
    text = """
[index]
name = "tiny"
[fields]
title = { type = "text", embed = 1 }
brand = { type = "text" }
colour = { type = "keyword", embed = 3 }
pattern = { type = "text", embed = 1 }
[text]
model = "digest-8"
"""
    recipe = parse(text, source="tiny.toml")
    assert caption_fields(recipe) == ["colour", "title", "pattern"]


def parts(fields: dict[str, Any], *names: str) -> list[str]:
    return parts_of(Record("p1", fields, (), (), source="c", number=1), names)


def test_paths_and_descriptions_are_shortened() -> None:
    long = " ".join(f"w{number}" for number in range(30))
    fields = {"title": "Tee", "path": "Clothing > T-Shirts > Long ", "text": "Soft cotton. Wash at 30.", "long": long}
    assert parts(fields, "title", "path", "text", "long") == [
        "Tee",
        "Long",
        "Soft cotton.",
        " ".join(f"w{number}" for number in range(16)),
    ]


def test_a_list_speaks_by_its_first_value_and_what_is_missing_is_silent() -> None:
    fields = {"colours": ["red", "blue"], "empty": "", "none": [], "size": 42}
    assert parts(fields, "colours", "empty", "none", "size", "absent") == ["red", "42"]


def test_rare_words_go_and_common_ones_stay() -> None:
    captioner = Captioner([*CROWD, ["Acme blue shirt XK-200"], ["Acme shirt"]])
    # 3 in 1,002 are common, 2 not
    assert captioner.captions(["Acme Blue Shirt XK-200 unique7"]) == ("Blue Shirt", "blue Shirt")
    assert Captioner([*CROWD[:998], ["Acme"], ["Acme"]]).captions(["Acme Blue-unique9"]) == ("Acme",)


def test_a_title_of_rare_words_alone_is_kept_whole() -> None:
    assert Captioner(CROWD).captions(["Zyx Quux"]) == ("Zyx Quux",)
    assert Captioner(CROWD).captions(["Zyx Quux", "Lamps"]) == ("Lamps",)


def test_captions_are_the_title_the_parts_and_what_people_type() -> None:
    titles = [["Blue Slim Men Shirt", "Tops", "Men"]] * 3
    assert Captioner(titles).captions(titles[0]) == (
        "Blue Slim Men Shirt",
        "Men Tops",
        "blue Shirt",
        "blue Slim Shirt",
        "Tops blue Shirt",
        "Men blue Shirt",
    )


def test_what_people_type_says_nothing_twice() -> None:
    titles = [["Red Wine Shoes", "Shoes"]] * 3
    assert Captioner(titles).captions(titles[0]) == ("Red Wine Shoes", "Shoes", "red Shoes", "red Wine Shoes")
    assert Captioner([["Blue"]] * 3).captions(["Blue", "Lamps"]) == ("Blue", "Lamps")


@pytest.mark.parametrize(
    ("caption", "colour"),
    [
        ("Navy Blue Shirt", "navy blue"),
        ("Off-White Tee", "off white"),
        ("20% off", ""),
        ("Blackberry phone", ""),
        ("", ""),
    ],
)
def test_colours_of_captions(caption: str, colour: str) -> None:
    assert colour_of(caption) == colour


def test_a_rare_colour_is_seen_in_a_caption() -> None:
    assert Captioner([*CROWD, ["Acme magenta shirt"]]).captions(["Acme magenta shirt"])[0] == "magenta shirt"


def test_equal_variants_are_one() -> None:
    assert Captioner([["Blue"]] * 3).captions(["Blue"]) == ("Blue",)


def test_compatible_captions_say_the_same_and_more() -> None:
    texts = ["men shoes", "men blue shoes", "women shoes", "Shoes, Men's", "blue lamp"]
    found = Vocabulary(texts).compatible(range(5), [0, 1, 4])
    assert found.tolist() == [
        [True, True, False],
        [True, True, False],
        [False, False, False],
        [True, True, False],
        [False, False, True],
    ]


TITLES = [
    "red shoe",
    "red shoe large",
    "red lamp",
    "blue lamp tall",
    "green scarf wool",
    "kettle",
    "yellow ball",
    "cup",
]


def test_neighbours_are_those_that_bm25_scores_highest() -> None:
    found = bm25_neighbours(TITLES, count=2, sample=len(TITLES), seed=3)
    assert found.keys() == set(range(len(TITLES)))
    index = BM25Okapi([title.split() for title in TITLES])
    for number, others in found.items():
        scores = index.get_scores(TITLES[number].split())
        positive = sum(score > 0 for other, score in enumerate(scores) if other != number)
        assert number not in others
        assert len(others) == min(2, positive)
        least = min((scores[other] for other in others), default=0)
        assert all(scores[other] <= least for other in range(len(TITLES)) if other not in (number, *others) and others)
    assert found[0] == [1, 2]
    assert found[5] == []


def test_neighbours_of_a_sample_repeat_with_the_seed() -> None:
    found = [bm25_neighbours(TITLES, count=1, sample=3, seed=seed) for seed in (1, 1, 2)]
    assert found[0] == found[1]
    assert len(found[0]) == 3
    assert found[0].keys() != found[2].keys()


def test_captions_without_a_word_have_no_neighbours() -> None:
    assert bm25_neighbours(["!!", "red shoe", "??", "blue lamp"], count=2, sample=4, seed=0)[0] == []
