"""A load in parts: together they make the index that one load makes, in whatever order and however often they run."""

import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import shop
import wire
from elasticsearch import Elasticsearch
from shell import Esmm, State, start

from esmm.cluster import Capabilities
from esmm.errors import Locked
from esmm.ingest import load_part
from esmm.ingest import run as runs
from esmm.ingest.lock import alone
from esmm.ingest.parts import Part
from esmm.ingest.run import Run, Share, begin_run, run_index

COUNT = 60


@pytest.fixture
def many(shop_folder: Path) -> Path:
    """A folder with a catalogue of 60 products, 12 of which have their photo."""
    shop.write(shop_folder / "catalog.jsonl", shop.products(COUNT))
    return shop_folder


def part(number: int, of: int = 3, *, run: str = "monday") -> list[str]:
    return ["ingest", "catalog.jsonl", "--part", f"{number}/{of}", "--run", run]


def documents(client: Elasticsearch, index: str) -> dict[str, Any]:
    """Every document with its vectors."""
    client.indices.refresh(index=index)
    hits = client.search(index=index, size=5000, fields=["text_vector", "image_vector"])["hits"]["hits"]
    return {hit["_id"]: (hit["_source"], hit.get("fields")) for hit in hits}


def test_parts_make_the_index_of_one_load(
    esmm: Esmm, many: Path, state: State, client: Elasticsearch, alias: str
) -> None:
    first, second = esmm(*part(1)), esmm(*part(3))
    assert (first.code, second.code) == (0, 0)
    assert f"part 1/3 of run monday is stored in {alias}-v0001" in first.out
    assert "the alias moves with the last part; missing: 2-3" in first.out
    assert "missing: 2" in second.out
    assert "*" not in str(state())
    last = esmm(*part(2), "--json").json()
    assert last["open_parts"] == []
    assert state() == {"-v0001*": COUNT}
    in_parts = documents(client, alias)
    assert esmm("ingest", "catalog.jsonl", "--new-version").code == 0
    assert state() == {"-v0001": COUNT, "-v0002*": COUNT}
    assert documents(client, alias) == in_parts
    assert esmm("rollback").code == 0
    assert list(client.indices.get(index=f"{alias}*")) == [f"{alias}-v0001", f"{alias}-v0002"], "the rest is hidden"


def test_what_was_searched_stays_until_the_last_part(esmm: Esmm, many: Path, state: State, alias: str) -> None:
    assert esmm("ingest", "catalog.jsonl").code == 0
    shop.write(many / "catalog.jsonl", shop.products(40))
    for number in (2, 1):
        assert esmm(*part(number)).code == 0
        assert state()["-v0001*"] == COUNT
    assert f"{alias}-v0001 is kept for esmm rollback" in esmm(*part(3)).out
    assert state() == {"-v0001": COUNT, "-v0002*": 40}


def test_parts_that_begin_and_end_at_once(
    many: Path, state: State, client: Elasticsearch, esmm: Esmm, alias: str
) -> None:
    """One of them makes the version, one moves the alias; all of them are well."""
    pipe = subprocess.PIPE
    processes = [start(*part(number, 4), folder=many, stdout=pipe, stderr=pipe) for number in (1, 2, 3, 4)]
    ended = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0, 0], ended
    assert state() == {"-v0001*": COUNT}
    assert esmm("parts").out.endswith(f"run monday: {alias}-v0001 is whole\n")
    assert not client.indices.exists(index=f"{alias}-lock")


def test_a_part_that_was_killed_and_is_run_again(
    esmm: Esmm, many: Path, state: State, client: Elasticsearch, server_url: str, alias: str
) -> None:
    shop.write(many / "catalog.jsonl", shop.products(2000))
    assert esmm(*part(1, 2)).code == 0
    slow = wire.NthBulk(lambda _: time.sleep(1.0), *range(2, 100))
    with wire.proxy(server_url, slow) as url:
        process = start(*part(2, 2), "--url", url, folder=many, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        until = time.monotonic() + 60
        while slow.seen < 3 and time.monotonic() < until:
            time.sleep(0.05)
        dropped = esmm("parts", "--drop")
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=20)
    dropped.fatal("run monday is under way; parts at work: 2", "stop them first")
    shown = esmm("parts")
    assert "2/2   stalled" in shown.out
    assert shown.code == 1
    assert shown.out.endswith("run monday: 1 of 2 parts are stored, missing: 2\n")
    again = esmm(*part(2, 2), "--json").json()
    assert again["unchanged"] >= 256, "what the killed process had stored is not written again"
    assert state() == {"-v0001*": 2000}
    in_parts = documents(client, alias)
    assert esmm("ingest", "catalog.jsonl", "--new-version").code == 0
    assert documents(client, alias) == in_parts


def test_a_part_run_again_after_its_catalogue_changed(esmm: Esmm, many: Path, state: State) -> None:
    """What an earlier try stored and the catalogue has no more goes away; other parts keep theirs."""
    assert [esmm(*part(number)).code for number in (1, 2)] == [0, 0]
    gone = next(number for number in range(COUNT) if Part(2, 3, "").takes(f"p{number}"))
    shop.write(many / "catalog.jsonl", [product for product in shop.products(COUNT) if product["id"] != f"p{gone}"])
    again = esmm(*part(2), "--json").json()
    assert (again["deleted"], again["new"], again["open_parts"]) == (1, 0, [3])
    assert esmm(*part(3)).code == 0
    assert state() == {"-v0001*": COUNT - 1}


def test_what_does_not_belong_to_the_run_is_refused(esmm: Esmm, many: Path, state: State, alias: str) -> None:
    assert esmm(*part(1)).code == 0
    esmm(*part(1, 4)).fatal("run monday has 3 parts, so there is no part 1/4", "same number")
    esmm(*part(2, run="tuesday")).fatal("being filled in parts by run monday, so run tuesday", "esmm parts --drop")
    esmm("ingest", "catalog.jsonl").fatal("by run monday; 1 of 3 parts are stored, missing: 2-3", "esmm parts --drop")
    recipe = (many / "esmm.toml").read_text(encoding="utf-8")
    (many / "esmm.toml").write_text(recipe.replace("digest-16", "digest-24"), encoding="utf-8")
    esmm(*part(2)).fatal("part 2/3 of run monday would make another index", "same recipe, models")
    assert state() == {"-v0001": sum(Part(1, 3, "").takes(f"p{number}") for number in range(COUNT))}
    assert f"run monday fills {alias}-v0001" in " ".join(esmm("doctor").out.split())


def test_a_part_waits_for_the_lock_and_then_says_who_has_it(
    esmm: Esmm, many: Path, state: State, client: Elasticsearch, alias: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load_part, "PATIENCE", 1.0)
    with alone(client, alias, doing="esmm rollback"):
        esmm(*part(1)).fatal(f"{alias} is being changed by esmm rollback", "wait until it ends")
    assert state() == {}


def test_a_catalogue_that_is_streamed(program: Esmm, many: Path, state: State) -> None:
    body = (many / "catalog.jsonl").read_bytes()
    for number in (1, 2):
        done = program("ingest", "-", "--part", f"{number}/2", "--run", "monday", stdin=body)
        assert done.code == 0, done
    assert state() == {"-v0001*": COUNT}


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--part", "1/3"], "go together"),
        (["--run", "monday"], "go together"),
        (["--part", "0/3", "--run", "r"], "counted from 1"),
        (["--part", "4/3", "--run", "r"], "counted from 1"),
        (["--part", "one", "--run", "r"], "counted from 1"),
        (["--part", "1/3", "--run", "r", "--sync"], "needs no --sync"),
    ],
)
def test_parts_that_are_none(esmm: Esmm, many: Path, flags: list[str], told: str) -> None:
    done = esmm("ingest", "catalog.jsonl", *flags)
    assert (done.code, told in done.err) == (2, True), done


def test_a_run_that_is_given_up(esmm: Esmm, many: Path, state: State, client: Elasticsearch, alias: str) -> None:
    assert esmm("parts").out == f"no run of parts fills {alias}\n"
    assert esmm(*part(1)).code == 0
    assert esmm("parts", "--drop").out == f"run monday is given up; {alias}-v0001 is deleted\n"
    assert state() == {}
    assert not client.indices.exists(index=run_index(alias))
    assert esmm("parts", "--drop").code == 0, "a nightly job may begin with it"
    assert esmm("ingest", "catalog.jsonl").code == 0
    assert state() == {"-v0001*": COUNT}


def test_a_run_that_is_whole(esmm: Esmm, many: Path, state: State) -> None:
    assert [esmm(*part(number, 2)).code for number in (1, 2)] == [0, 0]
    assert "was whole before: nothing to do" in esmm(*part(1, 2)).out
    shop.write(many / "catalog.jsonl", shop.products(50))
    esmm(*part(1, 2)).fatal("run monday was whole at 20", "a run name of its own")
    assert esmm("parts", "--drop").out.startswith("no run of parts"), "what is searched is never dropped"
    assert state() == {"-v0001*": COUNT}
    assert [esmm(*part(number, 2, run="tuesday")).code for number in (1, 2)] == [0, 0]
    assert state() == {"-v0001": COUNT, "-v0002*": 50}


def test_the_last_part_killed_after_the_alias_moved(
    esmm: Esmm, many: Path, state: State, client: Elasticsearch, alias: str
) -> None:
    assert esmm("ingest", "catalog.jsonl").code == 0
    assert [esmm(*part(number, 2)).code for number in (1, 2)] == [0, 0]
    found = client.get(index=run_index(alias), id="run")["_source"] | {"state": "loading"}
    client.index(index=run_index(alias), id="run", document=found)
    assert esmm("parts", "--drop").out == f"no run of parts fills {alias}\n", "what is searched is never dropped"
    assert state() == {"-v0001": COUNT, "-v0002*": COUNT}
    client.index(index=run_index(alias), id="run", document=found)
    assert esmm("parts").out.endswith("all 2 parts are stored but the alias has not moved: run any of them again\n")
    assert esmm(*part(2, 2)).code == 0
    assert state() == {"-v0001": COUNT, "-v0002*": COUNT}
    assert esmm("parts").code == 0


def test_bad_lines_and_parts_without_products(esmm: Esmm, many: Path, state: State) -> None:
    """A line without an id is told by every part, a product that cannot be stored by its own part."""
    bad = next(number for number in range(100) if Part(2, 5, "").takes(f"p{number}"))
    shop.write(many / "catalog.jsonl", [shop.product(bad), "{broken", shop.product(bad, id=f"p{bad}", price="x")])
    codes = {number: esmm(*part(number, 5)).code for number in range(1, 6)}
    assert set(codes.values()) == {3}
    assert state() == {"-v0001*": 1}
    rejected = {n: len(shop.lines_of(many / f"catalog.part-{n}-of-5.rejected.jsonl")) for n in codes}
    assert rejected == {1: 1, 2: 2, 3: 1, 4: 1, 5: 1}


def test_a_run_without_a_product_moves_nothing(esmm: Esmm, many: Path, state: State) -> None:
    shop.write(many / "catalog.jsonl", ["{broken"])
    assert esmm(*part(1, 2)).code == 3
    esmm(*part(2, 2)).fatal("no part has stored a product", "mend the catalogue")
    assert "*" not in str(state())


def test_the_dry_run_of_a_part_counts_its_products(esmm: Esmm, many: Path, state: State) -> None:
    counts = [esmm(*part(number), "--dry-run", "--json").json()["stored"] for number in (1, 2, 3)]
    assert sum(counts) == COUNT
    assert all(counts)
    assert state() == {}


def test_of_two_processes_with_one_part_the_later_goes_on(
    client: Elasticsearch, can: Capabilities, alias: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "BEAT", 0.0)
    run, mine = begin_run(client, Run(alias, "monday", 2, f"{alias}-v0001", "shape")), Part(1, 2, "monday")
    earlier = Share(client, run, mine, catalogue="")
    earlier.check()
    later = Share(client, run, mine, catalogue="")
    assert (earlier.again, later.again) == (False, True)
    with pytest.raises(Locked, match="part 1/2 of run monday is in the hands of another process"):
        earlier.check()
    later.check()
