"""``esmm ingest --engine ray``: the same index as without it, also where a worker is killed in the middle."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shop
from elasticsearch import Elasticsearch
from shell import Esmm, State, start

needs_ray = pytest.mark.skipif(not find_spec("ray"), reason='Ray is not installed: pip install "esmm[ray]"')
VECTORS = ["text_vector", "image_vector"]
TWO = ["--engine", "ray", "--ray-workers", "2", "--json"]


def documents(client: Elasticsearch, index: str) -> dict[str, Any]:
    client.indices.refresh(index=index)
    hits = client.search(index=index, size=5000, fields=VECTORS)["hits"]["hits"]
    return {hit["_id"]: (hit["_source"], hit.get("fields")) for hit in hits}


def children(parent: int) -> Iterator[tuple[int, str]]:
    """Yield the number and the command of every process under one."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            above = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            command = (folder / "cmdline").read_text()
        except OSError:
            continue
        if above == parent:
            yield int(folder.name), command
            yield from children(int(folder.name))


@pytest.fixture
def run(shop_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., "subprocess.Popen[bytes]"]:
    """Start a load with a vector cache of its own."""
    pipe = subprocess.PIPE

    def started(cache: str, *flags: str) -> "subprocess.Popen[bytes]":
        monkeypatch.setenv("ESMM_VECTORS", str(shop_folder / cache))
        return start("ingest", "catalog.jsonl", *flags, folder=shop_folder, stdout=pipe, stderr=pipe)

    return started


def vectors_in(cache: Path) -> int:
    with suppress(sqlite3.OperationalError), closing(sqlite3.connect(f"file:{cache}?mode=ro", uri=True)) as found:
        return int(found.execute("SELECT count(*) FROM vectors").fetchone()[0])
    return 0


@needs_ray
def test_the_index_is_that_of_one_machine(
    esmm: Esmm,
    run: Callable[..., "subprocess.Popen[bytes]"],
    shop_folder: Path,
    client: Elasticsearch,
    alias: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Bit by bit, with the encoder of digests; a photo that cannot be used is told as ever."""
    (shop_folder / "photos" / "5.png").write_bytes(b"no photo")
    out, err = run("ray.sqlite", *TWO).communicate(timeout=180)
    report = json.loads(out)
    assert (report["encoded"], report["cached"]) == ({"text": 12, "image": 11}, {"text": 0, "image": 0}), err
    assert report["photo_faults"] == 1
    by_ray = documents(client, alias)
    monkeypatch.setenv("ESMM_VECTORS", str(shop_folder / "local.sqlite"))
    assert esmm("ingest", "catalog.jsonl", "--new-version").code == 0
    assert documents(client, alias) == by_ray


@needs_ray
def test_a_worker_that_is_killed(
    run: Callable[..., "subprocess.Popen[bytes]"], shop_folder: Path, client: Elasticsearch, alias: str
) -> None:
    """With MiniLM: its vectors depend in their last bits on the texts that are encoded together."""
    words = random.Random(7)
    long = [shop.product(n, title=" ".join(words.choices(shop.COLOURS + shop.THINGS, k=60))) for n in range(1500)]
    shop.write(shop_folder / "catalog.jsonl", long)
    recipe = (shop_folder / "esmm.toml").read_text("utf-8").partition("[image]")[0]
    (shop_folder / "esmm.toml").write_text(recipe.replace("digest-32", "all-MiniLM-L6-v2"), encoding="utf-8")
    process = run("ray.sqlite", *TWO)
    made, until = 0, time.monotonic() + 120
    while not made and process.poll() is None and time.monotonic() < until:
        time.sleep(0.2)
        made = vectors_in(shop_folder / "ray.sqlite")
    workers = [pid for pid, command in children(process.pid) if "MapWorker" in command]
    assert len(workers) == 2
    os.kill(workers[0], signal.SIGKILL)
    assert made < 1500
    out, err = process.communicate(timeout=180)
    assert process.returncode == 0, err
    report = json.loads(out)
    assert (report["encoded"]["text"], report["cached"]["text"]) == (1500, 0), "the workers made them all"
    by_ray = documents(client, alias)
    out, err = run("local.sqlite", "--new-version").communicate(timeout=180)
    here = documents(client, alias)
    assert by_ray.keys() == here.keys()
    far = [np.abs(np.subtract(by_ray[i][1]["text_vector"], here[i][1]["text_vector"])).max() for i in here]
    assert max(far) < 1e-6


@needs_ray
def test_a_cluster_that_does_not_answer(esmm: Esmm, shop_folder: Path, state: State) -> None:
    begun = time.monotonic()
    esmm("ingest", "catalog.jsonl", "--engine", "ray", "--ray-address", "127.0.0.1:9").fatal(
        "no Ray cluster at 127.0.0.1:9", "--ray-address"
    )
    assert time.monotonic() - begun < 30
    assert state() == {}


def test_without_ray_the_extra_is_named(
    esmm: Esmm, shop_folder: Path, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    esmm("ingest", "catalog.jsonl", "--engine", "ray").fatal("Ray Data, which is not installed", "esmm[ray]")
    assert state() == {}


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--ray-workers", "2"], "go with --engine ray"),
        (["--ray-address", "auto"], "go with --engine ray"),
        (["--engine", "ray", "--follow"], "does not go with --follow"),
    ],
)
def test_options_that_do_not_go_together(esmm: Esmm, shop_folder: Path, flags: list[str], told: str) -> None:
    done = esmm("ingest", "catalog.jsonl", *flags)
    assert (done.code, told in done.err) == (2, True)
