"""`esmm ingest` where all goes well, and `esmm rollback`."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import shop
from elasticsearch import Elasticsearch
from shell import Esmm, State

from esmm.recipe import load


def test_first_load_is_verified_and_gets_the_alias(
    esmm: Esmm, shop_folder: Path, state: State, client: Elasticsearch, alias: str
) -> None:
    done = esmm("ingest", "catalog.jsonl")
    assert done.code == 0, done
    assert "12 lines read: 12 stored" in done.out
    assert state() == {"-v0001*": 12}
    for field in ("text_vector", "image_vector"):
        assert client.count(index=alias, query={"exists": {"field": field}})["count"] == 12
    mapping = client.indices.get_mapping(index=alias)[f"{alias}-v0001"]["mappings"]
    assert mapping["properties"]["text_vector"]["index_options"]["type"] == "int8_hnsw"
    assert mapping["properties"]["text_vector"]["similarity"] == "cosine"
    note = mapping["_meta"]["esmm"]
    assert note["state"] == "ready"
    assert note["clauses"]["image"]["encoder"] | {"takes": None} == {
        "id": "digest-16",
        "revision": "1",
        "dims": 16,
        "space": "digest-16",
        "takes": None,
        "query_prefix": "",
        "passage_prefix": "",
    }
    stored = client.get(index=alias, id="p3")["_source"]
    assert {name: stored[name] for name in shop.product(3)} == shop.product(3)
    assert not list(shop_folder.glob("*.rejected.jsonl"))


def test_loads_swap_keep_one_and_roll_back(esmm: Esmm, shop_folder: Path, state: State, alias: str) -> None:
    assert esmm("rollback").code == 1
    assert esmm("ingest", "catalog.jsonl").code == 0
    esmm("rollback", "--dry-run").fatal("no earlier version", "load again")
    shop.write(shop_folder / "catalog.jsonl", shop.products(9))
    second = esmm("ingest", "catalog.jsonl", "--new-version")
    assert f"{alias}-v0001 is kept for esmm rollback" in second.out
    assert state() == {"-v0001": 12, "-v0002*": 9}
    shop.write(shop_folder / "catalog.jsonl", shop.products(7))
    third = esmm("ingest", "catalog.jsonl", "--new-version")
    assert f"deleted the older {alias}-v0001" in third.out
    assert state() == {"-v0002": 9, "-v0003*": 7}

    shown = esmm("rollback", "--dry-run")
    assert (shown.code, shown.err) == (0, "")
    assert shown.out == f"{alias} points to {alias}-v0003; before it: {alias}-v0002\n"
    assert state() == {"-v0002": 9, "-v0003*": 7}
    back = esmm("rollback")
    assert (back.code, back.err) == (0, "")
    assert back.out == f"{alias} now points to {alias}-v0002; {alias}-v0003 is kept\n"
    assert state() == {"-v0002*": 9, "-v0003": 7}
    esmm("rollback").fatal("no earlier version", "load again")
    assert esmm("search", "red", "--json").json()["total"] > 0

    assert esmm("ingest", "catalog.jsonl", "--new-version").code == 0  # after a rollback the next load still swaps
    assert state()["-v0004*"] == 7
    assert state()["-v0002"] == 9


def test_rollback_to_another_recipe_says_so(esmm: Esmm, shop_folder: Path, alias: str) -> None:
    recipe = shop_folder / "esmm.toml"
    first = recipe.read_text(encoding="utf-8")
    second = first.replace("digest-32", "digest-48").replace('price = { type = "double" }', "")
    for text in (first, second.partition("[image]")[0]):
        recipe.write_text(text, encoding="utf-8")
        assert esmm("ingest", "catalog.jsonl", "--quiet").code == 0
    told = (
        f"{alias}-v0001 was made by another recipe than {alias}-v0002: image vectors by digest-16 (1, 16 dims) instead "
        "of none; text vectors by digest-32 (1, 32 dims) instead of digest-48 (1, 48 dims); fields price\n"
    )
    assert esmm("rollback", "--dry-run").err == told
    assert esmm("rollback").err == told


def test_second_load_encodes_only_what_is_new(esmm: Esmm, shop_folder: Path) -> None:
    first = esmm("ingest", "catalog.jsonl", "--json").json()
    assert (first["encoded"], first["cached"]) == ({"text": 12, "image": 12}, {"text": 0, "image": 0})
    changed = [shop.product(0, title="something else"), *shop.products(12)[1:]]
    shop.write(shop_folder / "catalog.jsonl", changed)
    second = esmm("ingest", "catalog.jsonl", "--json").json()
    assert (second["encoded"], second["cached"]) == ({"text": 1, "image": 0}, {"text": 0, "image": 1})
    assert (second["new"], second["changed"], second["unchanged"]) == (0, 1, 11)


def test_dry_run_changes_nothing(esmm: Esmm, shop_folder: Path, state: State) -> None:
    shop.write(shop_folder / "catalog.jsonl", [*shop.products(4), '{"id": "bad", '])
    done = esmm("ingest", "catalog.jsonl", "--dry-run")
    assert done.code == 3
    assert "5 lines read: 4 would be stored, 1 rejected" in done.out
    assert state() == {}


def test_dry_run_needs_no_server(esmm: Esmm, shop_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ELASTICSEARCH_URL", "http://127.0.0.1:9")
    assert esmm("ingest", "catalog.jsonl", "--dry-run").code == 0


def test_json_is_json_and_quiet_is_quiet(program: Esmm, shop_folder: Path, alias: str) -> None:
    done = program("ingest", "catalog.jsonl", "--json", "--quiet")
    report = done.json()
    assert (done.code, done.err) == (0, "")
    assert (report["read"], report["stored"], report["rejected"]) == (12, 12, 0)
    assert (report["index"], report["alias"]) == (f"{alias}-v0001", alias)
    quiet = program("ingest", "catalog.jsonl", "--quiet")
    assert (quiet.code, quiet.out, quiet.err) == (0, "", "")


def test_standard_input(program: Esmm, shop_folder: Path, state: State) -> None:
    body = (shop_folder / "catalog.jsonl").read_bytes() + b"{broken\n"
    for stored, stdin in (("12 stored", body), ("12 unchanged", gzip.compress(body))):
        done = program("ingest", "-", stdin=stdin)
        assert (done.code, state()) == (3, {"-v0001*": 12}), done
        assert stored in done.out
        (fault,) = shop.lines_of(shop_folder / "stdin.rejected.jsonl")
        assert (fault["file"], fault["line"]) == ("standard input", 13)


def _csv(path: Path) -> Path:
    rows = [f'{p["id"]},"{p["title"]}",{p["brand"]},{p["gender"]},{p["price"]},{p["image"]}' for p in shop.products(12)]
    path.write_text("\n".join(["id,title,brand,gender,price,image", *rows]) + "\n", encoding="utf-8")
    return path


def _parquet(path: Path) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.Table.from_pylist(shop.products(12)), path)
    return path


def _array(path: Path) -> Path:
    path.write_text(json.dumps(shop.products(12), indent=1), encoding="utf-8")
    return path


def test_every_kind_of_file_makes_the_same_index(
    esmm: Esmm, shop_folder: Path, client: Elasticsearch, alias: str
) -> None:
    kinds: dict[str, Callable[[Path], Path]] = {
        "a.jsonl.gz": lambda path: shop.write(path, shop.products(12)),
        "b.csv": _csv,
        "c.parquet": _parquet,
        "d.json": _array,
    }
    stored = []
    for name, make in kinds.items():
        done = esmm("ingest", make(shop_folder / name), "--new-version")
        assert done.code == 0, (name, done)
        hits = client.search(index=alias, size=50, sort="price")["hits"]["hits"]
        stored.append([hit["_source"] for hit in hits])
    assert [product["title"] for product in stored[0]] == [product["title"] for product in shop.products(12)]
    assert stored[0] == stored[1] == stored[2] == stored[3]


def test_without_a_recipe_one_is_written(esmm: Esmm, shop_folder: Path, alias: str) -> None:
    (shop_folder / "esmm.toml").unlink()
    (shop_folder / "catalog.jsonl").rename(shop_folder / f"{alias}.jsonl")
    done = esmm("ingest", f"{alias}.jsonl", "--dry-run")
    assert done.code == 0
    assert "no recipe here: wrote esmm.toml" in done.err
    recipe = load(shop_folder / "esmm.toml")
    assert (recipe.index.name, recipe.index.id) == (alias, "id")
    kinds = {name: field.type for name, field in recipe.fields.items()}
    assert kinds == {"title": "text", "brand": "text", "gender": "text", "price": "double", "image": "photo"}
    assert recipe.image is not None


def test_init_writes_a_recipe_and_never_over_one(esmm: Esmm, shop_folder: Path) -> None:
    esmm("init", "catalog.jsonl").fatal("exists already", "--force")
    assert esmm("init", "catalog.jsonl", "--out", "new.toml").code == 0
    assert "title" in load(shop_folder / "new.toml").fields
    assert esmm("init", "catalog.jsonl", "--force").code == 0
    printed = esmm("init", "catalog.jsonl", "--print")
    assert printed.out == (shop_folder / "esmm.toml").read_text(encoding="utf-8")
    esmm("init", "nowhere.jsonl", "--print").fatal("nowhere.jsonl does not exist", "path")


def test_encoder_of_other_dims_makes_a_fine_new_version(
    esmm: Esmm, shop_folder: Path, state: State, client: Elasticsearch, alias: str
) -> None:
    esmm("ingest", "catalog.jsonl")
    text = (shop_folder / "esmm.toml").read_text(encoding="utf-8").replace("digest-32", "digest-48")
    (shop_folder / "esmm.toml").write_text(text, encoding="utf-8")
    assert esmm("ingest", "catalog.jsonl").code == 0
    assert state() == {"-v0001": 12, "-v0002*": 12}
    properties = client.indices.get_mapping(index=alias)[f"{alias}-v0002"]["mappings"]["properties"]
    assert properties["text_vector"]["dims"] == 48
    assert esmm("search", "red shirt").code == 0


def test_recipe_with_text_vectors_alone(esmm: Esmm, shop_folder: Path, client: Elasticsearch, alias: str) -> None:
    text = (shop_folder / "esmm.toml").read_text(encoding="utf-8").partition("[image]")[0]
    (shop_folder / "esmm.toml").write_text(text, encoding="utf-8")
    assert esmm("ingest", "catalog.jsonl").code == 0
    assert "image_vector" not in client.indices.get_mapping(index=alias)[f"{alias}-v0001"]["mappings"]["properties"]


def test_quiet_still_says_that_lines_were_rejected(program: Esmm, shop_folder: Path, alias: str) -> None:
    with (shop_folder / "catalog.jsonl").open("a", encoding="utf-8") as catalogue:
        catalogue.write("not json\n")
    done = program("ingest", "catalog.jsonl", "--quiet")
    assert (done.code, done.out) == (3, "")
    assert "1 of " in done.err
    assert "catalog.rejected.jsonl" in done.err
