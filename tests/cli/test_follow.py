"""`esmm ingest --follow`: lines that are added to a file, or come by a pipe, are soon in the index."""

import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import shop
from elasticsearch import Elasticsearch
from shell import Esmm, start


@pytest.fixture
def price(client: Elasticsearch, alias: str) -> Callable[[str], Any]:
    """The price of a product as searches see it; None where there is none."""

    def look(identity: str) -> Any:
        hits = client.search(index=alias, query={"ids": {"values": [identity]}})["hits"]["hits"]
        return hits[0]["_source"]["price"] if hits else None

    return look


def wait(condition: Callable[[], bool], seconds: float = 30) -> float:
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() - begun < seconds, "it never came"
        time.sleep(0.05)
    return time.monotonic() - begun


@contextmanager
def following(folder: Path, *args: str, **options: Any) -> Iterator["subprocess.Popen[bytes]"]:
    pipe = subprocess.PIPE
    process = start("ingest", *args, "--follow", folder=folder, stdout=pipe, stderr=pipe, **options)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def add(path: Path, *products: dict[str, Any]) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(product) + "\n" for product in products)


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_a_file_that_grows(esmm: Esmm, shop_folder: Path, price: Callable[[str], Any], end: signal.Signals) -> None:
    assert esmm("ingest", "catalog.jsonl").code == 0
    path = shop_folder / "catalog.jsonl"
    with following(shop_folder, "catalog.jsonl", "--delay", "200ms", "--json") as process:
        add(path, shop.product(3, price=77))
        wait(lambda: price("p3") == 77)
        add(path, shop.product(3, price=78), shop.product(50, price=1, image=None), shop.product(3, price=77))
        with path.open("a", encoding="utf-8") as file:
            file.write('{"broken\n{"id": "p51", "title": "half')
            file.flush()
            wait(lambda: price("p50") == 1)
            assert price("p51") is None
            file.write('way", "price": 2}\n')
        wait(lambda: price("p51") == 2)
        assert price("p3") == 77, "of three lines for one product the last counts"
        esmm("ingest", "catalog.jsonl").fatal("is being changed by esmm ingest --follow", "wait")
        process.send_signal(end)
        out, err = process.communicate(timeout=20)
    report = json.loads(out)
    assert (process.returncode, report["rejected"]) == (3, 1), err
    assert (report["read"], report["unchanged"]) == (18, 12)
    assert report["read"] == report["new"] + report["changed"] + report["unchanged"] + report["rejected"]
    assert (report["new"], report["changed"]) == (2, 3)
    assert b"waiting for lines; Ctrl-C ends it" in err
    assert b"Traceback" not in err


def test_a_file_that_is_rotated_and_one_that_is_cut(esmm: Esmm, shop_folder: Path, price: Callable[[str], Any]) -> None:
    assert esmm("ingest", "catalog.jsonl").code == 0
    path = shop_folder / "catalog.jsonl"
    with following(shop_folder, "catalog.jsonl", "--delay", "100ms") as process:
        add(path, shop.product(1, price=71))
        wait(lambda: price("p1") == 71)
        path.write_bytes(path.read_bytes().rstrip(b"\n"))  # the last line never gets its end
        path.rename(shop_folder / "old.jsonl")
        add(path, shop.product(2, price=72))
        wait(lambda: price("p2") == 72)
        shop.write(path, [{"id": "p4", "title": "green scarf", "price": 74}])  # shorter than what was there
        wait(lambda: price("p4") == 74)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) in (0, 3)


def test_standard_input(esmm: Esmm, shop_folder: Path, price: Callable[[str], Any]) -> None:
    assert esmm("ingest", "catalog.jsonl").code == 0
    with following(shop_folder, "-", "--delay", "1s", stdin=subprocess.PIPE) as process:
        assert process.stdin
        wait(lambda: price("p5") == 7.5)
        process.stdin.write(json.dumps(shop.product(5, price=55)).encode() + b"\n")
        process.stdin.flush()
        assert wait(lambda: price("p5") == 55) > 0.5, "a line waits for others"
        process.stdin.write(json.dumps(shop.product(6, price=66)).encode() + b"\n")
        out, _ = process.communicate(timeout=20)
    assert (process.returncode, price("p6")) == (0, 66), "the end of the pipe is the end"
    assert b"2 lines read: 0 new, 2 changed, 0 unchanged, 0 rejected" in out


def test_it_needs_an_index_in_use(esmm: Esmm, shop_folder: Path, client: Elasticsearch, alias: str) -> None:
    done = esmm("ingest", "catalog.jsonl", "--follow")
    done.fatal(f"{alias} is not loaded with this recipe and these encoders", "once without --follow")
    assert list(client.indices.get(index=f"{alias}*", expand_wildcards="all")) == []


def test_what_cannot_be_followed(esmm: Esmm, shop_folder: Path) -> None:
    assert esmm("ingest", "catalog.jsonl").code == 0
    zipped = shop.write(shop_folder / "catalog.jsonl.gz", shop.products(2))
    esmm("ingest", zipped, "--follow").fatal("cannot be followed", "one product a line")
    (shop_folder / "array.json").write_text("[{}]")
    esmm("ingest", "array.json", "--follow").fatal("cannot be followed", "one product a line")
    esmm("ingest", "nowhere.jsonl", "--follow").fatal("nowhere.jsonl does not exist", "path")


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--sync"], "neither --new-version nor --sync"),
        (["--new-version"], "neither --new-version nor --sync"),
        (["--delay", "soon"], "write 2s or 500ms"),
    ],
)
def test_flags_that_do_not_go_with_it(esmm: Esmm, shop_folder: Path, flags: list[str], told: str) -> None:
    done = esmm("ingest", "catalog.jsonl", "--follow", *flags)
    assert (done.code, told in done.err) == (2, True), done
