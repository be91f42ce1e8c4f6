"""Templates: what is rendered, and the sentence for each way one can be wrong."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from esmm.encoders import EncoderInfo
from esmm.errors import EsmmError
from esmm.recipe import Recipe, parse
from esmm.templates import render_json, render_text

ODD = 'a "quoted" <b> & é \\ name'


@pytest.fixture
def template(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ESMM_DIR", str(tmp_path))
    return tmp_path / "t.j2"


def recipe_with(types: list[str]) -> Recipe:
    fields = "\n".join(f'f_{kind} = {{ type = "{kind}", embed = {int(kind == "text")} }}' for kind in types)
    return parse(f'[index]\nname = "a"\nanalyzer = {json.dumps(ODD)}\n[fields]\n{fields}\n[text]\nmodel = "digest-8"')


def rendered(recipe: Recipe, clauses: list[str]) -> Any:
    info = EncoderInfo("digest-8", "1", 8, "digest-8", ("text",))
    return render_json(
        "mappings/index.json.j2", recipe=recipe, encoders=dict.fromkeys(clauses, info), meta={"esmm": ODD}
    )


@pytest.mark.parametrize("clauses", [[], ["text"]])
@pytest.mark.parametrize("types", [["text"], ["text", "keyword", "long", "double", "boolean", "date", "photo"]])
def test_the_mapping_is_json_for_every_recipe(types: list[str], clauses: list[str]) -> None:
    recipe = recipe_with(types)
    found = rendered(recipe, clauses)
    properties = found["mappings"]["properties"]
    assert found["mappings"]["_meta"] == {"esmm": ODD}
    assert properties["f_text"] == {"type": "text", "analyzer": ODD}
    assert properties.keys() == {*recipe.fields, "esmm", *(["text_vector"] if clauses else [])}
    if clauses:
        assert properties["text_vector"]["dims"] == 8
        assert properties["text_vector"]["index_options"] == {"type": "int8_hnsw"}


def test_values_keep_their_characters_in_toml(template: Path) -> None:
    template.write_text("name = << name | tojson >>")
    assert tomllib.loads(render_text("t.j2", name=ODD)) == {"name": ODD}


def test_braces_of_mustache_and_json_stay(template: Path) -> None:
    template.write_text('<# gone #>{"query": "{{query}}", "n": {{#toJson}}v{{/toJson}}, "x": << x >>}')
    assert render_text("t.j2", x=1) == '{"query": "{{query}}", "n": {{#toJson}}v{{/toJson}}, "x": 1}'


def test_a_value_opens_no_tag_of_mustache(template: Path) -> None:
    odd = {"{{a": ["{{{#b}}", "{", "{}"]}
    template.write_text("<< x | tojson >>")
    shown = render_text("t.j2", x=odd)
    assert "{{" not in shown
    assert json.loads(shown) == odd


def test_a_template_imports_another_by_its_shipped_name(template: Path) -> None:
    (template.parent / "own.j2").write_text("<% macro twice(x) %><< x >><< x >><% endmacro %>")
    template.write_text('<% import "own.j2" as own %><< own.twice("a") >>')
    assert render_text("t.j2") == "aa"
    (template.parent / "own.j2").write_text("\n\n<% macro %>")
    with pytest.raises(EsmmError, match=r"own\.j2, line 3: "):
        render_text("t.j2")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{\n<< nothing >>}", r"t\.j2: 'nothing' is undefined"),
        ("{\n\n<% if %>}", r"t\.j2, line 3: "),
        ('{"a": 1\n"b": 2}', r"template t\.j2 does not render to JSON: Expecting ',' delimiter\n.*\n +2 \"b\": 2}"),
    ],
)
def test_a_template_at_fault_is_named(template: Path, text: str, sentence: str) -> None:
    template.write_text(text)
    with pytest.raises(EsmmError, match=sentence) as caught:
        render_json("t.j2")
    assert caught.value.hint == "mend the template"
