"""A catalogue loaded again: only what changed is encoded and written, in the version in use."""

import os
from pathlib import Path
from typing import Any

import pytest
import shop
from elasticsearch import Elasticsearch
from shell import Esmm, State


@pytest.fixture
def first(esmm: Esmm, shop_folder: Path) -> Path:
    assert esmm("ingest", "catalog.jsonl").code == 0
    return shop_folder


def counts(report: dict[str, Any]) -> tuple[int, int, int]:
    return report["new"], report["changed"], report["unchanged"]


def versions_of(client: Elasticsearch, alias: str) -> dict[str, int]:
    """The version of each document: it grows with each write."""
    hits = client.search(index=alias, size=100, source=False, version=True)["hits"]["hits"]
    return {hit["_id"]: hit["_version"] for hit in hits}


def write(folder: Path, products: list[dict[str, Any]]) -> None:
    shop.write(folder / "catalog.jsonl", products)


def test_an_unchanged_catalogue_writes_nothing(
    esmm: Esmm, first: Path, state: State, client: Elasticsearch, alias: str
) -> None:
    before = client.indices.stats(index=alias, metric="indexing")["_all"]["total"]["indexing"]["index_total"]
    done = esmm("ingest", "catalog.jsonl", "--sync")
    assert "12 lines read: 0 new, 0 changed, 12 unchanged, 0 rejected\n" in done.out
    assert f"{alias}-v0001 is up to date after" in done.out
    assert (done.code, state()) == (0, {"-v0001*": 12})
    after = client.indices.stats(index=alias, metric="indexing")["_all"]["total"]["indexing"]["index_total"]
    assert after == before
    again = esmm("ingest", "catalog.jsonl", "--json").json()
    assert set(again["encoded"].values()) == set(again["cached"].values()) == {0}
    assert esmm("search", "red shirt", "--json").json()["hits"][0].keys().isdisjoint({"esmm"})


def test_only_what_changed_is_encoded_and_written(
    esmm: Esmm, first: Path, client: Elasticsearch, alias: str, state: State
) -> None:
    products = shop.products(12)
    products[1]["price"] = 99.5
    products[2]["title"] = "green lamp renamed"
    products[3]["image"] = "photos/4.png"
    shop.photo(200).save(first / "photos" / "5.png")
    write(first, [*products, shop.product(12, image=None)])
    report = esmm("ingest", "catalog.jsonl", "--json").json()
    assert counts(report) == (1, 4, 8)
    assert report["encoded"] == {"text": 2, "image": 1}
    assert {i for i, version in versions_of(client, alias).items() if version > 1} == {"p1", "p2", "p3", "p5"}
    assert (report["in_place"], report["index"], state()) == (True, f"{alias}-v0001", {"-v0001*": 13})
    assert client.get(index=alias, id="p1")["_source"]["price"] == 99.5
    assert esmm("search", "renamed", "--keyword-only", "--json").json()["hits"][0]["id"] == "p2"


def test_the_result_is_that_of_a_whole_new_version(esmm: Esmm, first: Path, client: Elasticsearch, alias: str) -> None:
    products = [shop.product(n, price=n, title=f"thing {n // 2}") for n in range(20)]
    shop.write_photos(first, 20)
    write(first, products)
    assert esmm("ingest", "catalog.jsonl").code == 0
    in_place = documents(client, alias)
    assert esmm("ingest", "catalog.jsonl", "--new-version").code == 0
    assert documents(client, alias) == in_place
    assert len(in_place) == 20


def documents(client: Elasticsearch, index: str) -> dict[str, Any]:
    vectors = ["text_vector", "image_vector"]
    hits = client.search(index=index, size=100, fields=vectors)["hits"]["hits"]
    return {hit["_id"]: (hit["_source"], hit["fields"]) for hit in hits}


def test_a_photo_that_was_touched_is_not_encoded_again(esmm: Esmm, first: Path) -> None:
    os.utime(first / "photos" / "7.png", (1, 1))
    report = esmm("ingest", "catalog.jsonl", "--json").json()
    assert counts(report) == (0, 1, 11)
    assert report["encoded"] == {"text": 0, "image": 0}


def test_a_photo_that_was_missing_is_taken_in_once_it_is_there(esmm: Esmm, shop_folder: Path) -> None:
    hidden = (shop_folder / "photos" / "3.png").rename(shop_folder / "3.png")
    assert esmm("ingest", "catalog.jsonl", "--json").json()["photo_faults"] == 1
    again = esmm("ingest", "catalog.jsonl", "--json").json()
    assert (counts(again), again["photo_faults"]) == ((0, 0, 12), 1)
    hidden.rename(shop_folder / "photos" / "3.png")
    found = esmm("ingest", "catalog.jsonl", "--json").json()
    assert (counts(found), found["photo_faults"], found["encoded"]["image"]) == ((0, 1, 11), 0, 1)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("digest-32", "digest-48"),
        ("boost = 2, facet = true", "boost = 2"),
        ('price = { type = "double" }', ""),
        ("[text]", 'id = "sku"\n[text]'),
    ],
)
def test_another_shape_makes_a_new_version(esmm: Esmm, first: Path, state: State, old: str, new: str) -> None:
    text = (first / "esmm.toml").read_text(encoding="utf-8")
    if "sku" in new:
        old, new = "[index]", '[index]\nid = "sku"'
        write(first, [product | {"sku": product["id"]} for product in shop.products(12)])
    (first / "esmm.toml").write_text(text.replace(old, new), encoding="utf-8")
    assert esmm("ingest", "catalog.jsonl").code == 0
    assert state() == {"-v0001": 12, "-v0002*": 12}


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [("boost = 3, embed = 1", "boost = 4, embed = 1", 0), ("boost = 2,", "boost = 2, embed = 0.5,", 12)],
)
def test_recipe_of_the_same_shape_stays_in_place(
    esmm: Esmm, first: Path, state: State, old: str, new: str, changed: int
) -> None:
    text = (first / "esmm.toml").read_text(encoding="utf-8").replace(old, new)
    (first / "esmm.toml").write_text(text, encoding="utf-8")
    report = esmm("ingest", "catalog.jsonl", "--json").json()
    assert (report["changed"], state()) == (changed, {"-v0001*": 12})


def test_a_foreign_document_without_a_fingerprint_is_written_anew(
    esmm: Esmm, first: Path, client: Elasticsearch, alias: str
) -> None:
    vector = [1.0, *[0.0] * 31]
    client.index(index=alias, id="p1", document={"title": "theirs", "text_vector": vector}, refresh=True)
    assert counts(esmm("ingest", "catalog.jsonl", "--json").json()) == (0, 1, 11)
    assert client.get(index=alias, id="p1")["_source"]["title"] == shop.product(1)["title"]


def test_what_the_catalogue_lacks_is_kept_or_deleted_by_sync(
    esmm: Esmm, first: Path, state: State, client: Elasticsearch, alias: str
) -> None:
    write(first, [*shop.products(10), shop.product(10, price=1)])
    kept = esmm("ingest", "catalog.jsonl")
    assert "1 products kept that the catalogue does not have (--sync deletes them)" in kept.out
    assert state() == {"-v0001*": 12}
    write(first, [*shop.products(10), shop.product(10, price=2)])
    gone = esmm("ingest", "catalog.jsonl", "--sync")
    assert "1 products deleted that the catalogue does not have" in gone.out
    assert (gone.code, state()) == (0, {"-v0001*": 11})
    assert not client.exists(index=alias, id="p11")


def test_sync_refuses_too_many_deletes(esmm: Esmm, first: Path, state: State) -> None:
    write(first, [shop.product(n, price=1) for n in range(7)])
    done = esmm("ingest", "catalog.jsonl", "--sync")
    done.fatal("5 of 12 products of", "--max-deletes 42%")
    assert "more than 10%: nothing was deleted, all else was stored" in done.err
    assert state() == {"-v0001*": 12}
    assert esmm("ingest", "catalog.jsonl", "--sync", "--max-deletes", "0.41").code == 1
    after = esmm("ingest", "catalog.jsonl", "--sync", "--max-deletes", "42%", "--json")
    assert (after.json()["deleted"], after.json()["missing"], state()) == (5, 0, {"-v0001*": 7})


def test_sync_refuses_where_lines_could_not_be_read(esmm: Esmm, first: Path, state: State) -> None:
    write(first, [*shop.products(11), "{broken"])  # type: ignore[list-item]
    done = esmm("ingest", "catalog.jsonl", "--sync")
    done.fatal("1 of its lines could not be used: nothing was deleted", "mend the lines in catalog.rejected.jsonl")
    assert state() == {"-v0001*": 12}


def test_sync_with_an_empty_catalogue_deletes_nothing(esmm: Esmm, first: Path, state: State) -> None:
    (first / "catalog.jsonl").write_bytes(b"\n")
    esmm("ingest", "catalog.jsonl", "--sync", "--max-deletes", "100%").fatal("holds no product", "export")
    assert state() == {"-v0001*": 12}


@pytest.mark.parametrize("text", ["many", "-1%", "101%", "nan"])
def test_a_share_that_is_none(esmm: Esmm, shop_folder: Path, text: str) -> None:
    done = esmm("ingest", "catalog.jsonl", "--sync", "--max-deletes", text)
    assert (done.code, "write 10% or 0.1" in done.err) == (2, True)


def test_a_product_that_the_server_refuses_keeps_its_older_form(
    esmm: Esmm, shop_folder: Path, client: Elasticsearch, alias: str
) -> None:
    text = (shop_folder / "esmm.toml").read_text(encoding="utf-8")
    text = text.replace("[text]", 'added = { type = "date" }\n[text]')
    (shop_folder / "esmm.toml").write_text(text, encoding="utf-8")
    write(shop_folder, [shop.product(n, added="2026-01-02") for n in range(3)])
    assert esmm("ingest", "catalog.jsonl").code == 0
    write(shop_folder, [shop.product(n, added="2026-01-02" if n else "once") for n in range(3)])
    report = esmm("ingest", "catalog.jsonl", "--json").json()
    assert (counts(report), report["rejected"], report["missing"]) == ((0, 0, 2), 1, 0)
    assert client.get(index=alias, id="p0")["_source"]["added"] == "2026-01-02"
