"""`esmm search`: words, photos, both, filters, pages, explanations; and every question that cannot be answered."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import shop
from elasticsearch import Elasticsearch
from shell import Esmm, Outcome

from esmm.query.clauses import MAX_WORDS


@pytest.fixture
def search(esmm: Esmm, loaded: Path, monkeypatch: pytest.MonkeyPatch) -> Esmm:
    monkeypatch.chdir(loaded)
    return lambda *args: esmm("search", *args)


@pytest.fixture
def with_recipe(search: Esmm, loaded: Path, module_recipe_text: str, tmp_path: Path) -> Callable[..., Outcome]:
    """Search by a recipe with some of its text replaced."""

    def run(old: str, new: str, *args: str) -> Outcome:
        assert old in module_recipe_text
        (tmp_path / "other.toml").write_text(module_recipe_text.replace(old, new), encoding="utf-8")
        return search("--recipe", str(tmp_path / "other.toml"), *args)

    return run


def _ids(outcome: Outcome) -> list[str]:
    assert outcome.code == 0, outcome
    return [hit["id"] for hit in outcome.json()["hits"]]


def test_words(search: Esmm) -> None:
    title = shop.product(7)["title"]
    assert _ids(search(title, "--json"))[0] == "p7"
    table = search(*title.split())  # words need no quotes
    assert table.code == 0
    assert table.out.splitlines()[0].split() == ["#", "score", "id", "title", "brand", "gender", "found", "by"]
    assert table.out.splitlines()[1].split()[2] == "p7"
    assert "10 of " in table.out.splitlines()[-1]


@pytest.mark.parametrize(
    "given", [("photos/5.png",), ("--image", "photos/5.png"), ("PHOTOS_ABOVE/5.png",), ("photos/9.png",)]
)
def test_photo(search: Esmm, given: tuple[str, ...], loaded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if given[0].startswith("PHOTOS_ABOVE"):  # a person may name a file anywhere
        (loaded / "elsewhere").mkdir(exist_ok=True)
        monkeypatch.chdir(loaded / "elsewhere")
        given = ("../photos/5.png", "--recipe", "../esmm.toml")
    wanted = "p9" if "9.png" in given[0] else "p5"
    best = search(*given, "--json").json()["hits"][0]
    assert best["id"] == wanted
    (part,) = [part for part in best["clauses"] if part["clause"] == "image"]
    assert part["raw"] == pytest.approx(1, abs=1e-4)  # the very same photo, also where it is shrunk first


def test_data_uri(search: Esmm, loaded: Path) -> None:
    import base64

    packed = base64.b64encode((loaded / "photos" / "4.png").read_bytes()).decode()
    assert _ids(search(f"data:image/png;base64,{packed}", "--json"))[0] == "p4"


def test_words_and_photo(search: Esmm) -> None:
    hit = search("shirt", "photos/5.png", "--json").json()["hits"][0]
    assert [part["clause"] for part in hit["clauses"]] == ["keyword", "image", "text", "text_to_image"] or hit[
        "id"
    ] == "p5"
    assert _ids(search("shirt", "--image", "photos/5.png", "--json"))[0] == "p5"
    assert search("shirt", "photos/5.png", "--image", "photos/6.png").code == 1


def test_filter(search: Esmm) -> None:
    hits = search("red shirt", "--filter", "gender=Men", "--size", "50", "--json").json()["hits"]
    assert {hit["product"]["gender"] for hit in hits} == {"Men"}
    assert len(hits) == shop.MANY // 2  # vectors bring every product, the filter keeps half
    flags = ("--filter", "brand=Quenby", "--filter", "brand=Ostra", "--filter", "gender=Women")
    hits = search("red shirt", *flags, "--size", "50", "--json").json()["hits"]
    assert {(hit["product"]["brand"], hit["product"]["gender"]) for hit in hits} == {
        ("Quenby", "Women"),
        ("Ostra", "Women"),
    }
    photo = search("photos/5.png", "--filter", "gender=Women", "--size", "50", "--json").json()["hits"]
    assert {hit["product"]["gender"] for hit in photo} == {"Women"}


def test_pages_are_disjoint(search: Esmm) -> None:
    whole = _ids(search("red shirt", "--size", str(shop.MANY), "--json"))
    pages = [_ids(search("red shirt", "--from", str(at), "--size", "20", "--json")) for at in (0, 20, 40)]
    assert [identity for page in pages for identity in page] == whole
    assert len(set(whole)) == shop.MANY
    assert search("red shirt", "--from", "20", "--size", "5").out.splitlines()[1].split()[0] == "21"
    assert _ids(search("red", "--size", "0", "--json")) == []


def test_keyword_only_is_the_plain_query(search: Esmm, client: Elasticsearch, module_alias: str) -> None:
    found = search("blue lamp", "--keyword-only", "--json").json()["hits"]
    fields = ["title^3", "brand^2"]
    plain = client.search(index=module_alias, query={"combined_fields": {"query": "blue lamp", "fields": fields}})
    assert [(h["id"], h["score"]) for h in found] == [(h["_id"], h["_score"]) for h in plain["hits"]["hits"]]
    assert all("blue" in h["product"]["title"] or "lamp" in h["product"]["title"] for h in found)


def test_vectors_never_come_back(search: Esmm) -> None:
    done = search("red shirt", "photos/5.png", "--json")
    for hit in done.json()["hits"]:
        assert set(hit["product"]) == set(shop.product(0))


def test_explanation_adds_up(search: Esmm) -> None:
    for hit in search("red shirt", "photos/5.png", "--size", "50", "--json").json()["hits"]:
        assert sum(part["contribution"] for part in hit["clauses"]) == pytest.approx(hit["score"], abs=1e-4)
        for part in hit["clauses"]:
            assert part["contribution"] == pytest.approx(part["weight"] * part["normalised"])
    shown = search("red shirt", "--explain", "--size", "3").out
    sums = [line.split() for line in shown.splitlines() if " sum " in line and line.startswith("p")]
    assert len(sums) == 3
    assert all(cells[-1] == cells[-2] for cells in sums)


def test_print_needs_no_server_and_can_be_sent(
    search: Esmm, monkeypatch: pytest.MonkeyPatch, client: Elasticsearch, module_alias: str
) -> None:
    monkeypatch.setenv("ELASTICSEARCH_URL", "http://127.0.0.1:9")
    body = search("red shirt", "--filter", "gender=Men", "--print").json()
    assert body["rescore"]["window_size"] == 500
    hits = client.search(index=module_alias, body=body, include_named_queries_score=True)["hits"]["hits"]
    assert len(hits) == 10
    assert {hit["_source"]["gender"] for hit in hits} == {"Men"}
    assert "knn" not in json.dumps(search("red shirt", "--keyword-only", "--print").json())


def test_print_without_a_model_shows_where_the_vector_goes(with_recipe: Callable[..., Outcome]) -> None:
    done = with_recipe("digest-32", "./no-such-model", "red shirt", "--print")
    assert "<vector of ./no-such-model>" in json.dumps(done.json())
    assert "placeholder: no model folder" in done.err


def test_print_without_a_model_shows_where_words_look_for_photos(
    with_recipe: Callable[..., Outcome], tmp_path: Path
) -> None:
    (tmp_path / "tower.json").write_text('{"space": "no-such-model", "dims": 32}', encoding="utf-8")
    old, new = (
        'digest-32"\n[image]\nmodel = "digest-16',
        f'./no-such-model"\nspace = "no-such-model"\n[image]\nmodel = "{tmp_path}',
    )
    for photo, count in (((), 2), (("photos/5.png",), 4)):
        body = with_recipe(old, new, "red shirt", *photo, "--print").json()
        fused = body["rescore"]["query"]["rescore_query"]["bool"]["should"]
        scripts = [clause["bool"]["must"][0]["script_score"] for clause in fused]
        vectors = {script["_name"]: script["script"]["params"]["q"] for script in scripts[1:]}
        assert len(vectors) == count
        assert vectors["esmm:text"] == vectors["esmm:text_to_image"] == "<vector of ./no-such-model>"
        for clause in ("esmm:image", "esmm:image_to_text"):
            assert vectors.get(clause, "") == (f"<vector of {tmp_path}>" if photo else "")


@pytest.mark.parametrize("words", ["x" * 5000, "shirt " * 833, "青いシャツ" * 1000, "a b c d e " * 500, "💙" * 5000])
def test_query_of_five_thousand_characters(search: Esmm, words: str) -> None:
    done = search(words, "--json")
    assert done.code == 0, done.err[:300]
    assert len(done.json()["hits"]) == 10
    body = search(words, "--print").json()
    keyword = body["query"]["bool"]["should"][0]["bool"]["must"][0]["combined_fields"]["query"]
    assert len(keyword.split()) <= MAX_WORDS


@pytest.mark.parametrize("text", ["*", "AND (", '"', "title:[", "a\\", "${x} {{y}}", "\u202eabc", "-"])
def test_characters_with_a_meaning_elsewhere(search: Esmm, text: str) -> None:
    assert search("--", text).code == 0


@pytest.mark.parametrize("given", [(), ("",), ("   ",), ("", "--keyword-only"), ("--filter", "gender=Men")])
def test_empty_query(search: Esmm, given: tuple[str, ...]) -> None:
    done = search(*given)
    assert done.code == 1
    assert "hint: " in done.err
    assert "empty" in done.err or "no keywords" in done.err


@pytest.mark.parametrize(
    ("given", "sentence", "hint"),
    [
        (("red", "--filter", "gender"), "filter 'gender' is not FIELD=VALUE", "--filter gender=Men"),
        (("red", "--filter", "=Men"), "filter '=Men' is not FIELD=VALUE", "--filter gender=Men"),
        (("red", "--filter", "colour=red"), "cannot filter by colour", "gender, price, brand"),
        (("red", "--filter", "title=red"), "cannot filter by title", "gender"),
        (("red", "--filter", "price=cheap"), 'For input string: "cheap"', "number"),
        (("red", "--from", "495", "--size", "10"), "from + size is 505, beyond the window of 500", "search.window"),
        (("red", "--from", "9999", "--keyword-only"), "10", ""),
        (("photos/5.png", "--keyword-only"), "a photo alone has no keywords", "keyword-only"),
        (("a.png", "b.png"), "2 photos are given, a search takes one", "leave one"),
        (("nowhere.png",), "nowhere.png' does not exist", "path"),
        (("esmm.toml.jpg",), "does not exist", "path"),
        (("--image", "catalog.jsonl"), "This is not a photo", "JPEG"),
        (("--image", "http://127.0.0.1:9/x.jpg"), "127.0.0.1", ""),
        (("red", "--recipe", "nowhere.toml"), "nowhere.toml has 1 fault", "esmm init"),
    ],
)
def test_question_that_cannot_be_answered(search: Esmm, given: tuple[str, ...], sentence: str, hint: str) -> None:
    search(*given).fatal(sentence, hint)


def test_wrong_usage_is_exit_code_2(search: Esmm) -> None:
    for given in (("red", "--size", "-1"), ("red", "--nonsense"), ("red", "--from", "x")):
        done = search(*given)
        assert (done.code, "Traceback" in done.err, "Error" in done.err) == (2, False, True)


def test_another_encoder_than_the_index_was_made_with(with_recipe: Callable[..., Outcome]) -> None:
    done = with_recipe("digest-32", "digest-48", "red shirt")
    done.fatal(
        "the text vectors of the index were made by digest-32 (1, 32 dims), the recipe names digest-48",
        "recipe of the index",
    )
    assert with_recipe("digest-32", "digest-48", "red shirt", "--keyword-only").code == 0


def test_index_that_is_not_loaded(with_recipe: Callable[..., Outcome], module_alias: str) -> None:
    with_recipe(module_alias, "test-not-loaded", "red").fatal("test-not-loaded", "esmm ingest")


def test_pipe_that_closes_early(search: Esmm, loaded: Path, server_url: str) -> None:
    import os
    import subprocess

    from shell import start

    reading, writing = os.pipe()
    os.close(reading)
    process = start("search", "red", "--json", "--size", "60", folder=loaded, stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)
    _, err = process.communicate(timeout=30)
    assert "Traceback" not in err.decode()
    assert "unexpected" not in err.decode()
