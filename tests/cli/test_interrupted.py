"""A load that is stopped in the middle, by Ctrl-C or by force: searches go on, and the same command goes on with it."""

import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import shop
import wire
from elasticsearch import Elasticsearch
from shell import Esmm, State, start

COUNT = 3000
BATCH = 256
VECTORS = ["text_vector", "image_vector"]


@pytest.fixture
def large(shop_folder: Path) -> Path:
    """A catalogue of many products, some texts and photos more than once."""
    products = [shop.product(n, brand=f"brand {n // 7}", image=f"photos/{n % 12}.png") for n in range(COUNT)]
    shop.write(shop_folder / "catalog.jsonl", products)
    return shop_folder


@contextmanager
def slow_server(server_url: str, delay: Callable[[int], float]) -> Iterator[tuple[str, wire.NthBulk]]:
    """The real node behind a wire on which each bulk request takes its time."""
    slow = wire.NthBulk(lambda _: time.sleep(delay(slow.seen)), *range(1, 1000))
    with wire.proxy(server_url, slow) as url:
        yield url, slow


def run_until(url: str, folder: Path, slow: wire.NthBulk, bulks: int, how: signal.Signals, *flags: str) -> Any:
    """Start a load, stop it once it has sent some bulk requests; return its exit code and what it printed."""
    pipe = subprocess.PIPE
    process = start("ingest", "catalog.jsonl", *flags, "--url", url, folder=folder, stdout=pipe, stderr=pipe)
    until = time.monotonic() + 60
    while slow.seen < bulks and process.poll() is None and time.monotonic() < until:
        time.sleep(0.01)
    process.send_signal(how)
    out, err = process.communicate(timeout=30)
    return process.returncode, out.decode(), err.decode()


def documents(client: Elasticsearch, index: str) -> dict[str, Any]:
    """Every document with its vectors, bit by bit (Elasticsearch writes a float so that it reads back the same)."""
    client.indices.refresh(index=index)
    found: dict[str, Any] = {}
    after: dict[str, Any] = {}
    while hits := client.search(index=index, size=1000, fields=VECTORS, sort="price", **after)["hits"]["hits"]:
        found |= {hit["_id"]: (hit["_source"], hit.get("fields")) for hit in hits}
        after = {"search_after": hits[-1]["sort"]}
    return found


def test_ctrl_c_and_then_the_same_command(
    esmm: Esmm, large: Path, state: State, client: Elasticsearch, server_url: str, alias: str
) -> None:
    with slow_server(server_url, lambda _: 1.0) as (url, slow):
        code, out, err = run_until(url, large, slow, 4, signal.SIGINT)
    assert (code, out, "Traceback" in err) == (130, "", False)
    assert err.strip().endswith(f"interrupted; searches of {alias} go on, and the same command finishes the load")
    assert list(state()) == ["-v0001"]
    assert not client.indices.exists(index=f"{alias}-lock")
    done = esmm("ingest", "catalog.jsonl")
    assert "of them by the load that was stopped)" in done.out
    assert state() == {"-v0001*": COUNT}


@pytest.mark.parametrize("bulks", [1, 2, 4, 6])
def test_killed_and_gone_on_with(
    esmm: Esmm, large: Path, state: State, client: Elasticsearch, server_url: str, alias: str, bulks: int
) -> None:
    """The index ends as that of a load that nobody disturbed, vectors bit by bit, with one batch redone at most."""
    moment = random.Random(bulks).random() / 2
    with slow_server(server_url, lambda _: moment) as (url, slow):
        code, _, _ = run_until(url, large, slow, bulks, signal.SIGKILL)
    assert code == -signal.SIGKILL
    time.sleep(0.7)  # what was on its way arrives
    assert list(state()) == ["-v0001"]
    report = esmm("ingest", "catalog.jsonl", "--json").json()
    assert (report["index"], report["stored"], state()) == (f"{alias}-v0001", COUNT, {"-v0001*": COUNT})
    assert report["unchanged"] >= (bulks - 2) * BATCH, "what was stored is not sent again"
    assert report["encoded"]["text"] <= COUNT - (bulks - 1) * BATCH, "what was encoded is not encoded again"
    resumed = documents(client, alias)
    Path(large.parent / large.name / "vectors.sqlite").unlink()
    fresh = esmm("ingest", "catalog.jsonl", "--new-version", "--json").json()
    assert (fresh["index"], fresh["encoded"]["text"]) == (f"{alias}-v0002", COUNT)
    assert documents(client, alias) == resumed
    assert len(resumed) == COUNT


def test_what_the_server_refuses_now_does_not_stay_in_its_old_form(
    esmm: Esmm, large: Path, state: State, server_url: str
) -> None:
    recipe = (large / "esmm.toml").read_text(encoding="utf-8")
    (large / "esmm.toml").write_text(recipe.replace("[text]", 'added = { type = "date" }\n[text]'), encoding="utf-8")
    products = [shop.product(n, image=f"photos/{n % 12}.png", added="2026-01-02") for n in range(COUNT)]
    shop.write(large / "catalog.jsonl", products)
    with slow_server(server_url, lambda _: 0.2) as (url, slow):
        run_until(url, large, slow, 3, signal.SIGKILL)
    time.sleep(0.7)
    products[3]["added"] = "the day before yesterday"
    shop.write(large / "catalog.jsonl", products)
    done = esmm("ingest", "catalog.jsonl", "--json")
    assert (done.code, done.json()["rejected"], state()) == (3, 1, {"-v0001*": COUNT - 1})


def test_killed_in_place(
    esmm: Esmm, large: Path, state: State, client: Elasticsearch, server_url: str, alias: str
) -> None:
    assert esmm("ingest", "catalog.jsonl").code == 0
    changed = [shop.product(n, title=f"changed {n}", image=f"photos/{n % 12}.png") for n in range(COUNT - 500)]
    shop.write(large / "catalog.jsonl", changed)
    with slow_server(server_url, lambda _: 0.2) as (url, slow):
        run_until(url, large, slow, 5, signal.SIGKILL, "--sync", "--max-deletes", "50%")
    assert state() == {"-v0001*": COUNT}
    assert esmm("search", "red shirt").code == 0
    time.sleep(0.5)
    report = esmm("ingest", "catalog.jsonl", "--sync", "--max-deletes", "50%", "--json").json()
    assert report["unchanged"] >= 3 * BATCH
    assert report["changed"] == COUNT - 500 - report["unchanged"]
    assert (report["deleted"], state()) == (500, {"-v0001*": COUNT - 500})
    in_place = documents(client, alias)
    assert esmm("ingest", "catalog.jsonl", "--new-version").code == 0
    assert documents(client, alias) == in_place


def test_gone_on_with_a_shorter_catalogue_and_then_another_recipe(
    esmm: Esmm, large: Path, state: State, server_url: str
) -> None:
    with slow_server(server_url, lambda _: 0.1) as (url, slow):
        run_until(url, large, slow, 4, signal.SIGKILL)
    time.sleep(0.5)
    assert state()["-v0001"] > 12
    shop.write(large / "catalog.jsonl", shop.products(12))
    assert esmm("ingest", "catalog.jsonl").code == 0
    assert state() == {"-v0001*": 12}, "products of the stopped load that the catalogue has no more are gone"
    text = (large / "esmm.toml").read_text(encoding="utf-8")
    for model, wanted in (("digest-40", {"-v0001*", "-v0002"}), ("digest-48", {"-v0001", "-v0002*"})):
        (large / "esmm.toml").write_text(text.replace("digest-32", model), encoding="utf-8")
        with slow_server(server_url, lambda _: 0.1) as (url, slow):
            if model == "digest-40":
                run_until(url, large, slow, 1, signal.SIGKILL)
            else:
                assert esmm("ingest", "catalog.jsonl").code == 0
        assert set(state()) == wanted


@pytest.mark.parametrize("moved", [False, True])
def test_killed_as_the_alias_moves_and_after(
    esmm: Esmm, large: Path, state: State, server_url: str, moved: bool
) -> None:
    shop.write(large / "catalog.jsonl", shop.products(12))
    assert esmm("ingest", "catalog.jsonl").code == 0
    seen: list[str] = []

    def strike(request: wire.Request) -> wire.Answer | None:
        if seen == ["/_aliases"] or (request.path == "/_aliases" and not moved):
            process.kill()
            return wire.DROP
        if request.path == "/_aliases":
            seen.append(request.path)
        return None

    with wire.proxy(server_url, strike) as url:
        process = start("ingest", "catalog.jsonl", "--new-version", "--quiet", "--url", url, folder=large)
        process.wait(60)
    assert state() == ({"-v0001": 12, "-v0002*": 12} if moved else {"-v0001*": 12, "-v0002": 12})
    assert esmm("search", "red shirt").code == 0
    report = esmm("ingest", "catalog.jsonl", "--new-version", "--json").json()
    assert report["unchanged"] == (0 if moved else 12)
    assert state() == ({"-v0002": 12, "-v0003*": 12} if moved else {"-v0001": 12, "-v0002*": 12})
    back = esmm("rollback")
    assert back.code == 0, back


def test_two_loads_of_one_alias(esmm: Esmm, large: Path, state: State, server_url: str, alias: str) -> None:
    pipe = subprocess.PIPE
    with slow_server(server_url, lambda _: 0.3) as (url, slow):
        first = start("ingest", "catalog.jsonl", "--url", url, folder=large, stdout=pipe, stderr=pipe)
        while slow.seen < 2:
            time.sleep(0.05)
        second = esmm("ingest", "catalog.jsonl")
        second.fatal(f"{alias} is being changed by esmm ingest on", "wait until it ends")
        assert f"(process {first.pid}) since 20" in second.err
        esmm("rollback").fatal("is being changed by esmm ingest", "wait")
        assert first.wait(60) == 0
        first.communicate()
    assert state() == {"-v0001*": COUNT}
    assert esmm("ingest", "catalog.jsonl").code == 0
