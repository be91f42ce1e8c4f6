"""`esmm ingest` on bad catalogues, recipes, aliases and photos: what is lost, what is said, what stays as it was."""

import zipfile
from pathlib import Path

import pytest
import shop
from elasticsearch import Elasticsearch
from shell import Esmm, State


def _recipe_without(folder: Path, clause: str) -> None:
    text = (folder / "esmm.toml").read_text(encoding="utf-8")
    before, _, after = text.partition(f"[{clause}]")
    rest = after.partition("[image]")[2] if clause == "text" else ""
    (folder / "esmm.toml").write_text(before + (f"[image]{rest}" if rest else ""), encoding="utf-8")


def test_empty_file(esmm: Esmm, shop_folder: Path, state: State) -> None:
    (shop_folder / "catalog.jsonl").write_bytes(b"")
    esmm("ingest", "catalog.jsonl").fatal("catalog.jsonl holds no product", "export")
    assert state() == {}


def test_missing_file(esmm: Esmm, shop_folder: Path, state: State) -> None:
    esmm("ingest", "nowhere.jsonl").fatal("nowhere.jsonl does not exist", "path")
    assert state() == {}


def test_one_line(esmm: Esmm, shop_folder: Path, state: State) -> None:
    shop.write(shop_folder / "catalog.jsonl", shop.products(1))
    done = esmm("ingest", "catalog.jsonl")
    assert (done.code, state()) == (0, {"-v0001*": 1})
    assert esmm("search", "red shirt", "--json").json()["hits"][0]["id"] == "p0"


def test_ten_thousand_bad_lines_among_twenty_thousand(esmm: Esmm, shop_folder: Path, state: State) -> None:
    _recipe_without(shop_folder, "image")
    bad = ['{"id": "x', '{"title": "no id"}', '{"id": "p2", "title": "twice"}', '{"id": "q", "price": "dear"}', "[1]"]
    lines = [line for n in range(10_000) for line in (shop.product(n), bad[n % 5])]
    shop.write(shop_folder / "catalog.jsonl", lines)
    done = esmm("ingest", "catalog.jsonl", "--json")
    report = done.json()
    assert done.code == 3
    assert (report["read"], report["stored"], report["rejected"]) == (20_000, 10_000, 10_000)
    assert state() == {"-v0001*": 10_000}
    faults = shop.lines_of(shop_folder / "catalog.rejected.jsonl")
    assert [fault["line"] for fault in faults] == list(range(2, 20_001, 2))
    assert {fault["file"] for fault in faults} == {"catalog.jsonl"}
    reasons = [fault["reason"] for fault in faults[:5]]
    for reason, part in zip(reasons, ("not JSON", "no id", "line 5 already", "price must be", "a list"), strict=True):
        assert part in reason
    assert faults[3]["text"].startswith('{"id"')


def test_only_bad_lines_move_no_alias(esmm: Esmm, shop_folder: Path, state: State) -> None:
    esmm("ingest", "catalog.jsonl")
    before = state()
    shop.write(shop_folder / "catalog.jsonl", [shop.product(0, price="dear"), shop.product(1, price="dearer")])
    esmm("ingest", "catalog.jsonl").fatal("no product could be stored: catalog.jsonl, line 1: price must be", "mend")
    assert state() == before


def test_same_id_twice_keeps_the_first(esmm: Esmm, shop_folder: Path, client: Elasticsearch, alias: str) -> None:
    shop.write(shop_folder / "catalog.jsonl", [*shop.products(3), shop.product(1, title="again")])
    done = esmm("ingest", "catalog.jsonl")
    assert done.code == 3
    assert "catalog.jsonl, line 4: id p1 was given on line 2 already" in done.out
    assert client.get(index=alias, id="p1")["_source"]["title"] == shop.product(1)["title"]
    assert "all rejected lines: catalog.rejected.jsonl" in done.out


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"id": "n", "title": "t", "price": NaN}', "NaN is no number"),
        ('{"id": "n", "title": "t", "price": "NaN"}', "price must be a number, not 'NaN'"),
        ('{"id": "n", "title": "t", "price": "1e999"}', "price must be a number"),
        ('{"id": "n", "title": "\\ud83d"}', "not JSON"),
        ('{"id": "' + "n" * 600 + '", "title": "t"}', "over 512 bytes"),
        ('{"id": {}, "title": {"a": 1}}', "no id: field id is missing or empty; title must be text"),
    ],
)
def test_line_that_no_index_may_hold(esmm: Esmm, shop_folder: Path, line: str, reason: str) -> None:
    shop.write(shop_folder / "catalog.jsonl", [*shop.products(2), line])
    assert esmm("ingest", "catalog.jsonl", "--dry-run").code == 3
    (fault,) = shop.lines_of(shop_folder / "catalog.rejected.jsonl")
    assert fault["line"] == 3
    assert reason in fault["reason"]


def test_value_that_the_mapping_refuses(esmm: Esmm, shop_folder: Path, state: State) -> None:
    text = (shop_folder / "esmm.toml").read_text(encoding="utf-8")
    (shop_folder / "esmm.toml").write_text(
        text.replace("[text]", 'added = { type = "date" }\n[text]'), encoding="utf-8"
    )
    lines = [shop.product(n, added="2026-01-02") for n in range(4)]
    lines[2]["added"] = "the day before yesterday"
    shop.write(shop_folder / "catalog.jsonl", lines)
    done = esmm("ingest", "catalog.jsonl", "--json")
    assert (done.code, done.json()["stored"], state()) == (3, 3, {"-v0001*": 3})
    (fault,) = shop.lines_of(shop_folder / "catalog.rejected.jsonl")
    assert (fault["line"], fault["text"]) == (3, "p2")
    assert "failed to parse field [added]" in fault["reason"]


def test_text_of_a_megabyte(esmm: Esmm, shop_folder: Path, client: Elasticsearch, alias: str) -> None:
    long = "word " * 200_000
    shop.write(shop_folder / "catalog.jsonl", [shop.product(0, title=long + "needle"), *shop.products(3)[1:]])
    assert esmm("ingest", "catalog.jsonl").code == 0
    assert client.get(index=alias, id="p0")["_source"]["title"] == long + "needle"
    found = esmm("search", "needle", "--keyword-only", "--json").json()["hits"]
    assert [hit["id"] for hit in found] == ["p0"]
    assert len(esmm("search", "needle").out) < 20_000  # the table cuts it


def test_emoji_and_right_to_left_text(esmm: Esmm, shop_folder: Path, client: Elasticsearch, alias: str) -> None:
    titles = ["red shoe 👟🏽‍♀️", "قميص أزرق", "חולצה כחולה", "e\u0301te\u0301 \u200f\u202bmixed\u202c", "青いシャツ"]
    shop.write(shop_folder / "catalog.jsonl", [shop.product(n, title=title) for n, title in enumerate(titles)])
    assert esmm("ingest", "catalog.jsonl").code == 0
    for number, query in enumerate(["👟🏽‍♀️", "أزرق", "כחולה", "e\u0301te\u0301", "青い"]):
        stored = client.get(index=alias, id=f"p{number}")["_source"]["title"]
        assert stored.encode() == titles[number].encode()
        hits = esmm("search", query, "--keyword-only", "--json").json()["hits"]
        assert f"p{number}" in [hit["id"] for hit in hits], query
        assert esmm("search", query).code == 0


def test_recipe_naming_fields_that_are_not_there(esmm: Esmm, shop_folder: Path, state: State) -> None:
    text = (shop_folder / "esmm.toml").read_text(encoding="utf-8")
    text = text.replace("brand =", "brnad =").replace("price =", "cost =")
    (shop_folder / "esmm.toml").write_text(text, encoding="utf-8")
    done = esmm("ingest", "catalog.jsonl")
    done.fatal("2 faults", "fields of the catalogue: brand, gender, id, image, price, title")
    line = text.splitlines().index(next(line for line in text.splitlines() if line.startswith("brnad"))) + 1
    assert f"line {line}: the catalogue has no field brnad; did you mean brand?" in done.err
    assert "no field cost" in done.err
    assert state() == {}


def test_alias_that_is_an_index(esmm: Esmm, shop_folder: Path, client: Elasticsearch, alias: str) -> None:
    client.index(index=alias, id="theirs", document={"title": "mine"}, refresh=True)
    esmm("ingest", "catalog.jsonl").fatal(f"{alias} is an index, not an alias", "index.name")
    assert client.get(index=alias, id="theirs")["_source"] == {"title": "mine"}
    assert list(client.indices.get(index=f"{alias}*")) == [alias]
    esmm("search", "red").fatal(f"{alias} was not loaded by esmm", "esmm ingest")
    esmm("rollback").fatal("is an index, not an alias", "index.name")


def test_alias_of_a_foreign_index(esmm: Esmm, shop_folder: Path, client: Elasticsearch, alias: str) -> None:
    foreign = f"{alias}-theirs"
    client.indices.create(index=foreign, aliases={alias: {}})
    esmm("ingest", "catalog.jsonl").fatal(f"alias {alias} points to {foreign}, which esmm did not make", "index.name")
    assert list(client.indices.get_alias(name=alias)) == [foreign]
    assert list(client.indices.get(index=f"{alias}*")) == [foreign]


def test_zip_that_lacks_half_the_photos(esmm: Esmm, shop_folder: Path, client: Elasticsearch, alias: str) -> None:
    with zipfile.ZipFile(shop_folder / "half.zip", "w") as packed:
        for number in range(0, 12, 2):
            packed.write(shop_folder / "photos" / f"{number}.png", f"photos/{number}.png")
    for photo in (shop_folder / "photos").iterdir():
        photo.unlink()
    shown = esmm("ingest", "catalog.jsonl", "--photos", "half.zip")
    assert "text_vector: written for 12 products\n  image_vector: written for 6 products" in shown.out
    assert "6 photos could not be used: catalog.photo-faults.jsonl" in shown.out
    done = esmm("ingest", "catalog.jsonl", "--photos", "half.zip", "--json")
    report = done.json()
    assert (done.code, report["stored"], report["photo_faults"]) == (0, 12, 6)
    assert (report["unchanged"], report["vectors"]) == (12, {}), "told again, but not written again"
    assert client.count(index=alias, query={"exists": {"field": "image_vector"}})["count"] == 6
    faults = shop.lines_of(shop_folder / "catalog.photo-faults.jsonl")
    assert {fault["id"] for fault in faults} == {f"p{number}" for number in range(1, 12, 2)}
    assert "half.zip" in faults[0]["reason"]


def test_photos_that_cannot_be_used_cost_only_the_photo_vector(
    esmm: Esmm, shop_folder: Path, client: Elasticsearch, alias: str
) -> None:
    bomb = shop.photo(1).resize((8000, 8000))
    bomb.save(shop_folder / "photos" / "1.png")
    whole = (shop_folder / "photos" / "2.png").read_bytes()
    (shop_folder / "photos" / "2.png").write_bytes(whole[: len(whole) // 2])
    (shop_folder / "photos" / "3.png").write_text("<html>not found</html>")
    (shop_folder / "photos" / "4.png").write_bytes(b"")
    lines = shop.products(12)
    lines[5]["image"] = "http://127.0.0.1:9/5.png"
    lines[6]["image"] = ["photos/6.png", "photos/nowhere.png"]
    shop.write(shop_folder / "catalog.jsonl", lines)
    done = esmm("ingest", "catalog.jsonl", "--json")
    report = done.json()
    assert (done.code, report["stored"], report["rejected"], report["photo_faults"]) == (0, 12, 0, 6)
    reasons = {fault["id"]: fault["reason"] for fault in shop.lines_of(shop_folder / "catalog.photo-faults.jsonl")}
    for identity, part in {"p1": "pixels", "p2": "cut short", "p3": "web page", "p4": "empty", "p6": "nowhere"}.items():
        assert part in reasons[identity]
    without = client.search(index=alias, query={"bool": {"must_not": {"exists": {"field": "image_vector"}}}})
    assert {hit["_id"] for hit in without["hits"]["hits"]} == {f"p{n}" for n in range(1, 6)}


def test_product_without_any_vector_is_stored(esmm: Esmm, shop_folder: Path, state: State) -> None:
    _recipe_without(shop_folder, "text")
    (shop_folder / "photos" / "3.png").unlink()
    done = esmm("ingest", "catalog.jsonl", "--json")
    assert (done.code, done.json()["stored"], state()) == (0, 12, {"-v0001*": 12}), done


def test_photo_source_that_is_missing(esmm: Esmm, shop_folder: Path, state: State) -> None:
    esmm("ingest", "catalog.jsonl", "--photos", "nowhere.zip").fatal("nowhere.zip does not exist", "folder or a zip")
    assert state() == {}


def test_no_photo_encoder_goes_on_with_text(esmm: Esmm, shop_folder: Path, client: Elasticsearch, alias: str) -> None:
    text = (shop_folder / "esmm.toml").read_text(encoding="utf-8")
    text = text.replace("digest-16", "mobilenet_v2").replace("digest-32", "all-MiniLM-L6-v2")  # it takes no photos
    (shop_folder / "esmm.toml").write_text(text + 'weights = "nowhere.pth"\n', encoding="utf-8")
    done = esmm("ingest", "catalog.jsonl")
    assert done.code == 0
    assert "no photo vectors in this load: weights file nowhere.pth does not exist" in done.err
    assert client.count(index=alias)["count"] == 12
    esmm("search", "--image", "photos/1.png").fatal("has no photo vectors", "photo encoder")


def test_text_encoder_that_does_not_load_is_fatal(esmm: Esmm, shop_folder: Path, state: State) -> None:
    text = (shop_folder / "esmm.toml").read_text(encoding="utf-8").replace("digest-32", "./no-such-folder")
    (shop_folder / "esmm.toml").write_text(text, encoding="utf-8")
    esmm("ingest", "catalog.jsonl").fatal("no model folder ./no-such-folder", "name a folder")
    assert state() == {}
