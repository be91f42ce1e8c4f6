"""Recipes: what is read, and that every fault is told at once with its line."""

from pathlib import Path

import pytest

from esmm.errors import RecipeError
from esmm.recipe import load, parse
from esmm.shipped import shipped

SOUND = """
[index]
name = "shop"
[fields]
title = { type = "text", boost = 3, embed = 1 }
brand = { type = "text", facet = true, embed = 0.5 }
note = { type = "text", boost = 0, embed = 1 }
colour = { type = "keyword" }
price = { type = "double" }
front = { type = "photo" }
[text]
[image]
model = "digest-8"
"""


def faults_of(text: str) -> list[str]:
    with pytest.raises(RecipeError) as caught:
        parse(text, source="shop.toml")
    return caught.value.faults


def test_what_a_recipe_says() -> None:
    recipe = parse(SOUND, source="shop.toml")
    assert recipe.source == "shop.toml"
    assert recipe.searched() == {"title": 3, "brand": 1}
    assert recipe.heaviest == "title"
    assert parse(SOUND.replace("boost = 3", "boost = 0.5")).heaviest == "brand"
    assert list(recipe.embedded.items()) == [(1, ["title", "note"]), (0.5, ["brand"])]
    assert recipe.facets() == {"colour": "colour", "price": "price", "brand": "brand.raw"}
    assert recipe.named("photo", "double") == ["price", "front"]
    assert {clause: part.vector for clause, part in recipe.vectors().items()} == {
        "text": "text_vector",
        "image": "image_vector",
    }
    assert recipe.line("fields", "brand") == "line 6: "
    assert recipe.line("nothing") == ""


def test_what_a_recipe_asks_of_a_model() -> None:
    text = SOUND.replace("[text]", '[text]\nquery_prefix = "query: "\npassage_prefix = "passage: "\ndims = 64')
    made = parse(text + 'query_prefix = "a photo of "\nspace = "clip"\n').vectors()
    names = ("query_prefix", "passage_prefix", "dims", "space")
    assert [getattr(made["text"], name) for name in names] == ["query: ", "passage: ", 64, None]
    assert [getattr(made["image"], name) for name in names] == ["a photo of ", "", None, "clip"]


def test_a_recipe_without_vectors_is_a_keyword_search() -> None:
    assert parse('[index]\nname = "a"\n[fields]\nt = { type = "text" }').vectors() == {}


def test_environment_and_home_are_filled_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHOTO_ROOT", "/photos")
    text = SOUND + 'weights = "~/w.pth"\nphotos = ["${PHOTO_ROOT}/a.zip", "b"]\n'
    image = parse(text).image
    assert image
    assert image.weights_path == Path.home() / "w.pth"
    assert image.photo_places == [Path("/photos/a.zip"), Path("b")]


def test_weights_named_by_an_unset_variable_are_not_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ESMM_NO_SUCH_WEIGHTS", raising=False)
    image = parse(SOUND + 'weights = "${ESMM_NO_SUCH_WEIGHTS}"\n').image
    assert image
    assert image.weights_path is None


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ('name = "shop"', 'name = "Shop"', "line 3: index.name: 'Shop' is no such name (it must match"),
        ('name = "shop"', "shards = 1", "line 2: index.name is missing"),
        ('name = "shop"', 'name = "shop"\nshard = 1', "line 4: index.shard is no setting"),
        ("boost = 3", "boost = -1", "line 5: fields.title.boost: input should be greater than or equal to 0"),
        ("boost = 3", "boost = nan", "line 5: fields.title.boost: input should be a finite number"),
        ('"keyword"', '"keywords"', "line 8: fields.colour.type: input should be 'text', 'keyword'"),
        ('"double"', '"double", embed = 1', "line 9: fields.price: embed needs type text or keyword, not double"),
        ('"photo"', '"photo", facet = true', "line 10: fields.front: a photo cannot be a facet"),
        ('type = "photo"', 'type = "keyword"', "line 12: image: no field has type photo"),
        ("[image]", '[image]\nvector = "text_vector"', "line 13: image.vector: text_vector is the text vector already"),
        ("[text]", '[text]\nvector = "price"', "line 12: text.vector: price is a catalogue field already"),
        ("[text]", '[text]\nvector = "a.b"', "line 12: text.vector: 'a.b' is no such name (it must match"),
        ("[text]", "[text]\ndims = 0", "line 12: text.dims: input should be greater than or equal to 1"),
        ("[text]", "[text]\ndims = 5000", "line 12: text.dims: input should be less than or equal to 4096"),
        ("[text]", '[text]\nspace = ""', "line 12: text.space: string should have at least 1 character"),
        ("[image]", '[image]\npassage_prefix = "a "', "line 13: image.passage_prefix: a photo takes no prefix"),
        ("[text]", '[text]\nindex_type = "hnswx"', "line 12: text.index_type: input should be 'flat'"),
        ("[text]", "[search]\nk = 200\n[text]", "line 11: search: k (200) must not be above num_candidates (150)"),
        ("[text]", "[search]\nwindow = 300\n[text]", "line 11: search: window (300) must hold k of both vectors"),
        ("[text]", "[fusion]\nsaturation = 0\n[text]", "line 12: fusion.saturation: input should be greater than 0"),
        *(
            ("[text]", f"[clauses.a]\n{setting}\n[text]", fault)
            for setting, fault in [
                ('match = ["titel"]', "line 11: clauses.a: titel is no field of the recipe; it needs text or keyword"),
                ('match = ["price"]', "line 11: clauses.a: price is of type double; it needs text or keyword"),
                ('phrase = "colour"', "line 11: clauses.a: colour is of type keyword; it needs text"),
                ('number = "title"', "line 11: clauses.a: title is of type text; it needs long or double"),
                ('date = "price"', "line 11: clauses.a: price is of type double; it needs date"),
                ('match = "title"', "line 12: clauses.a.match: input should be a valid tuple"),
                ('phrase = "title"\nnumber = "price"', "line 11: clauses.a: names exactly one of match, phrase"),
                ("weight = 1", "line 11: clauses.a: names exactly one of match, phrase, number and date"),
                ('number = "price"\nweight = -1', "line 13: clauses.a.weight: input should be greater than or equal"),
                ('number = "price"\nsaturation = 0', "line 13: clauses.a.saturation: input should be greater than 0"),
                ('phrase = "title"\nslop = -1', "line 13: clauses.a.slop: input should be greater than or equal to 0"),
                ('date = "price"\nhalf_life = "soon"', "line 13: clauses.a.half_life: 'soon' is no such name"),
            ]
        ),
        *(
            ("[text]", f'[clauses.{name}]\nmatch = ["title"]\n[text]', f"line 11: clauses.{name}: {fault}")
            for name, fault in [
                ("text", "esmm has a clause text of its own"),
                ("keyword", "esmm has a clause keyword of its own"),
                ("tier", "esmm has a clause tier of its own"),
                ("A", "'A' is no such name"),
                ("form-x", "'form-x' is no such name"),
            ]
        ),
    ],
)
def test_each_fault_is_told_with_its_line(old: str, new: str, fault: str) -> None:
    found = faults_of(SOUND.replace(old, new))
    assert len(found) == 1
    assert found[0].startswith(fault)


def test_all_faults_are_told_at_once_in_the_order_of_the_file() -> None:
    broken = SOUND.replace('"shop"', '"?"').replace("boost = 3", "bost = 3").replace('type = "photo"', 'type = "long"')
    with pytest.raises(RecipeError) as caught:
        parse(broken, source="shop.toml")
    assert [fault.split(":")[0] for fault in caught.value.faults] == ["line 3", "line 5", "line 12"]
    assert caught.value.message.startswith("shop.toml has 3 faults:\n  line 3: ")
    assert "esmm init --print" in caught.value.hint


def test_faults_of_clauses_are_told_with_all_others() -> None:
    more = '[clauses.a]\nmatch = ["titel", "nams"]\n[clauses.b]\ndate = "title"\n[search]\nk = 0\n'
    assert [fault[:16] for fault in faults_of(SOUND + more)] == [
        "line 14: clauses",
        "line 14: clauses",
        "line 16: clauses",
        "line 19: search.",
    ]


def test_what_a_declared_clause_says() -> None:
    text = SOUND + '[clauses.a]\nmatch = ["title", "colour"]\n[clauses.b]\nphrase = "title"\nslop = 2\nweight = 0.5\n'
    clauses = parse(text).clauses
    assert clauses["a"].reads == {"title": ("text", "keyword"), "colour": ("text", "keyword")}
    assert (clauses["a"].weight, clauses["a"].saturation) == (0, 10)
    assert (clauses["b"].phrase, clauses["b"].slop, clauses["b"].weight) == ("title", 2, 0.5)


def test_the_order_of_the_file_need_not_be_ours() -> None:
    text = '[text]\nmodel = 5\n[fields]\nt = { type = "no" }\n[index]\nname = "?"\n'
    assert [fault.split(":")[0] for fault in faults_of(text)] == ["line 1", "line 2", "line 3", "line 4", "line 6"]


@pytest.mark.parametrize("part", ["index", "fields", "text", "image", "search", "fusion", "clauses"])
@pytest.mark.parametrize("value", ["1", '"x"', "[]", "[1]"])
def test_a_part_of_the_wrong_kind_is_a_fault_like_any_other(part: str, value: str) -> None:
    assert any(part in fault for fault in faults_of(f"{part} = {value}"))


def test_nothing_to_search_and_nothing_to_embed() -> None:
    text = '[index]\nname = "a"\n[fields]\nprice = { type = "double" }\n[text]\n'
    assert faults_of(text) == [
        "line 3: fields: none has type text, so there is nothing to search",
        "line 5: text: no field has embed, so there is no text to make vectors of",
    ]


def test_text_fields_of_which_none_is_searched() -> None:
    assert faults_of('[index]\nname = "a"\n[fields]\nt = { type = "text", boost = 0 }') == [
        "line 3: fields: every text field has boost 0, so there is nothing to search"
    ]


def test_no_toml() -> None:
    assert faults_of("[index\n") == ["not TOML: Expected ']' at the end of a table declaration (at line 1, column 7)"]


@pytest.mark.parametrize(
    ("content", "fault"),
    [(None, "cannot be read: No such file or directory"), (b"\xff\xfe", "cannot be read: not UTF-8 text")],
)
def test_a_file_that_cannot_be_read(tmp_path: Path, content: bytes | None, fault: str) -> None:
    file = tmp_path / "shop.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(RecipeError) as caught:
        load(file)
    assert caught.value.faults == [fault]
    assert str(file) in caught.value.message


@pytest.mark.parametrize("name", ["ingest/sample/esmm.toml"])
def test_the_shipped_recipes_are_sound(name: str) -> None:
    assert load(shipped(name)).vectors().keys() == {"text", "image"}


@pytest.mark.parametrize(
    "file", sorted((Path(__file__).parents[2] / "benchmarks/recipes").glob("*.toml")), ids=lambda file: file.name
)
def test_the_recipes_of_the_benchmarks_are_sound(file: Path) -> None:
    assert load(file).searched()
