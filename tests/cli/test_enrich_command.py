"""`esmm enrich` as a person types it: what it prints, its exit codes, and what a killed run leaves."""

import json
import signal
import subprocess
import time
from pathlib import Path

import pytest
import shop
import wire
from elasticsearch import Elasticsearch, helpers
from shell import Esmm, start

COUNT = 2000


@pytest.fixture
def own_index(client: Elasticsearch, shop_folder: Path, alias: str) -> str:
    """An index of the shop's own, under the name that the recipe gives, with the 12 products of the folder."""
    client.indices.create(index=alias, mappings={"properties": {"gender": {"type": "keyword"}}})
    fill(client, alias, 12)
    return alias


def fill(client: Elasticsearch, index: str, count: int) -> None:
    actions = [{"_index": index, "_id": p.pop("id"), "_source": p} for p in shop.products(count)]
    helpers.bulk(client, actions, refresh=True)


def with_vectors(client: Elasticsearch, index: str) -> int:
    client.indices.refresh(index=index)
    return int(client.count(index=index, query={"exists": {"field": "text_vector"}})["count"])


def settled(client: Elasticsearch, index: str) -> int:
    """Wait for what a killed program had sent."""
    before, now = -1, with_vectors(client, index)
    while before != now:
        time.sleep(2)
        before, now = now, with_vectors(client, index)
    return now


def without_facet(folder: Path) -> None:
    """An index of the shop has no exact values under .raw."""
    text = (folder / "esmm.toml").read_text(encoding="utf-8")
    (folder / "esmm.toml").write_text(text.replace(", facet = true", ""), encoding="utf-8")


def test_from_first_look_to_removal(
    esmm: Esmm, own_index: str, shop_folder: Path, client: Elasticsearch, painless: None
) -> None:
    without_facet(shop_folder)
    mapping = client.indices.get_mapping(index=own_index)
    plan = esmm("enrich", own_index, "--dry-run")
    assert plan.code == 0
    shown, _, counts = plan.out.partition(f"12 documents in {own_index}\n")
    put, _, body = shown.partition("\n")
    assert put == f"PUT /{own_index}/_mapping"
    assert set(json.loads(body)["properties"]) == {"text_vector", "image_vector", "esmm"}
    assert counts == "  12 lack vectors\n"
    assert client.indices.get_mapping(index=own_index) == mapping

    done = esmm("enrich", own_index)
    assert done.code == 0
    assert "12 documents read: 12 got vectors, 0 had them already" in done.out
    assert "text vectors: 12 encoded, 0 known from before" in done.out
    assert f"{own_index} ({own_index}) is enriched after" in done.out
    verified = esmm("enrich", own_index, "--verify")
    assert verified.code == 0
    assert "12 have their vectors" in verified.out
    assert "text_vector: 12 encoded again, least cosine with the index 1.0000" in verified.out

    assert esmm("search", "black kettle", "--json").json()["total"] > 0
    assert esmm("search", "photos/3.png", "--json").json()["hits"][0]["id"] == "p3"
    found = esmm("doctor")
    assert found.code == 0, found.out
    assert "enriched" in found.out

    would = esmm("enrich", own_index, "--remove", "--dry-run")
    assert would.out == f"12 documents of {own_index} would lose their vectors\n"
    removed = esmm("enrich", own_index, "--remove")
    assert removed.code == 0
    assert "12 lost their vectors" in removed.out
    assert "the fields stay in the mapping" in removed.out
    esmm("search", "black kettle").fatal("was not loaded by esmm", "esmm enrich")


def test_verify_says_what_to_do(esmm: Esmm, own_index: str, client: Elasticsearch) -> None:
    before = esmm("enrich", own_index, "--verify", "--quiet")
    assert before.code == 1
    assert "12 lack vectors" in before.out
    assert f"esmm enrich {own_index} mends it" in before.out
    assert with_vectors(client, own_index) == 0


def test_json_and_quiet(esmm: Esmm, own_index: str, client: Elasticsearch) -> None:
    client.index(index=own_index, id="odd", document={"gender": "Men"}, refresh=True)
    report = esmm("enrich", own_index, "--json", "--quiet").json()
    assert (report["read"], report["stored"], report["empty"], report["index"]) == (13, 12, 1, own_index)
    quiet = esmm("enrich", own_index, "-q")
    assert (quiet.code, quiet.out, quiet.err) == (0, "", "")


def test_documents_left_are_told_even_quietly(esmm: Esmm, own_index: str, client: Elasticsearch) -> None:
    client.index(index=own_index, id="odd", document={"image": 7}, refresh=True)
    done = esmm("enrich", own_index, "-q")
    assert done.code == 3
    assert "odd: image must be a path" in done.out
    assert f"1 rejected: {own_index}.rejected.jsonl" in done.out


def test_faults_are_one_sentence(esmm: Esmm, own_index: str, shop_folder: Path, place: Path) -> None:
    esmm("enrich", "elsewhere").fatal(f"line 3: index.name is {own_index}, not elsewhere", "searches look there")
    assert esmm("enrich", own_index, "--verify", "--remove").code == 2
    esmm("enrich", own_index, "--photos", "nowhere").fatal("nowhere does not exist", "Name a folder")
    text = (shop_folder / "esmm.toml").read_text(encoding="utf-8")
    (shop_folder / "esmm.toml").write_text(text.partition("[text]")[0], encoding="utf-8")
    esmm("enrich", own_index).fatal("it names no encoder", "[text]")
    (shop_folder / "esmm.toml").write_text(text.replace("digest-16", "./no-model"), encoding="utf-8")
    esmm("enrich", own_index).fatal("no-model", "")
    (shop_folder / "esmm.toml").unlink()
    esmm("enrich", own_index).fatal("an index tells too little", "esmm init EXPORT")


def test_an_index_that_esmm_loaded(esmm: Esmm, shop_folder: Path, alias: str) -> None:
    assert esmm("ingest", "catalog.jsonl", "-q").code == 0
    esmm("enrich", alias).fatal(f"{alias}-v0001 was made by esmm ingest", "load it again")


def test_a_load_never_replaces_an_enriched_index(esmm: Esmm, own_index: str, client: Elasticsearch) -> None:
    assert esmm("enrich", own_index, "-q").code == 0
    esmm("ingest", "catalog.jsonl").fatal("esmm never replaces an index", "another name")
    assert with_vectors(client, own_index) == 12


def test_a_bounded_rate(esmm: Esmm, own_index: str, client: Elasticsearch) -> None:
    begun = time.monotonic()
    assert esmm("enrich", own_index, "--docs-per-second", 4).code == 0
    assert time.monotonic() - begun > 12 / 4 - 1
    assert with_vectors(client, own_index) == 12


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize("removes", [False, True], ids=["enrich", "remove"])
def test_a_run_that_is_stopped_goes_on(
    how: signal.Signals,
    removes: bool,
    esmm: Esmm,
    shop_folder: Path,
    client: Elasticsearch,
    server_url: str,
    alias: str,
    painless: None,
) -> None:
    text = (shop_folder / "esmm.toml").read_text(encoding="utf-8").partition("[image]")[0]
    (shop_folder / "esmm.toml").write_text(text, encoding="utf-8")
    fill(client, alias, COUNT)
    given = ["enrich", alias]
    if removes:
        assert esmm(*given, "-q").code == 0
        given.append("--remove")
    slow = wire.NthBulk(lambda _: time.sleep(1.0), *range(1, 100))
    with wire.proxy(server_url, slow) as url:
        pipe = subprocess.PIPE
        process = start(*given, "--url", url, folder=shop_folder, stdout=pipe, stderr=pipe)
        until = time.monotonic() + 30
        while slow.seen < 4 and time.monotonic() < until:
            time.sleep(0.05)
        time.sleep(0.5)  # the next batch is encoded, and waits for a sender
        process.send_signal(how)
        _, err = process.communicate(timeout=20)
    assert process.returncode == (130 if how == signal.SIGINT else -signal.SIGKILL)
    if how == signal.SIGINT:
        assert "the next run goes on with the rest" in err.decode()
        assert "Traceback" not in err.decode()
    half = settled(client, alias)
    assert 0 < half < COUNT

    report = esmm(*given, "--json").json()
    if removes:
        assert (report["read"], report["stored"], with_vectors(client, alias)) == (half, half, 0)
        assert not client.indices.get_mapping(index=alias)[alias]["mappings"]["_meta"]
    else:
        assert (report["unchanged"], report["stored"]) == (half, COUNT - half)
        if how == signal.SIGKILL:  # an interrupted one sends what it had encoded
            assert report["cached"]["text"] > 0
        assert with_vectors(client, alias) == COUNT
        assert esmm("enrich", alias, "--verify", "-q").code == 0
