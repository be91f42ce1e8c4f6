"""`esmm ingest` with photos from anywhere: what is broken costs only itself, and a second run asks little."""

import io
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import shop
from elasticsearch import Elasticsearch
from photo_host import Handler, Host, serving
from PIL import Image
from shell import Esmm, State, start

from esmm.photos import fetch


def _png(number: int) -> bytes:
    out = io.BytesIO()
    shop.photo(number).save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    monkeypatch.setattr(fetch, "FIRST_WAIT", 0.01)
    with serving() as host:
        host.photos = {f"/{n}.png": _png(n) for n in range(40)}
        yield host


def _catalogue(folder: Path, photos: dict[str, Any]) -> None:
    shop.write(folder / "catalog.jsonl", [shop.product(0) | {"id": name, "image": photos[name]} for name in photos])


def _faults(folder: Path) -> dict[str, str]:
    return {fault["id"]: fault["reason"] for fault in shop.lines_of(folder / "catalog.photo-faults.jsonl")}


BROKEN: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "0 bytes"),
    "half": (_png(1)[:50], "cut short"),
    "page": (b"<!DOCTYPE html><title>gone</title>", "web page"),
    "svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG drawing"),
    "zeros": (bytes(5000), "not a photo"),
    "liar": (_png(1)[:16] + b"\x00\x01\x86\xa0\x00\x01\x86\xa0" + _png(1)[24:], "million pixels|not a photo"),
    "zip": (b"PK\x03\x04" + bytes(99), "not a photo"),
    "huge": (bytes((20 << 20) + 1), "larger than 20 MiB"),
}


def test_a_folder_full_of_broken_photos(program: Esmm, shop_folder: Path, client: Elasticsearch, alias: str) -> None:
    for name, (data, _) in BROKEN.items():
        (shop_folder / f"{name}.jpg").write_bytes(data)
    (shop_folder / "renamed.jpg").write_bytes(_png(3))
    Image.new("CMYK", (9, 9)).save(shop_folder / "print.gif", "JPEG")
    (shop_folder / "folder.jpg").mkdir()
    whole = {"renamed": "renamed.jpg", "print": "print.gif"}
    _catalogue(shop_folder, {name: f"{name}.jpg" for name in [*BROKEN, "folder", "none"]} | whole)
    done = program("ingest", "catalog.jsonl", "--quiet")
    assert (done.code, done.out, done.err) == (0, "", "")
    faults = _faults(shop_folder)
    assert set(faults) == {*BROKEN, "folder", "none"}
    for name, (_, what) in BROKEN.items():
        assert any(part in faults[name] for part in what.split("|")), faults[name]
    assert client.count(index=alias)["count"] == len(BROKEN) + 4
    assert client.count(index=alias, query={"exists": {"field": "image_vector"}})["count"] == 2


def _breaks_off(handler: Handler) -> None:
    handler.send(200, b"part", Length=9999)
    handler.close_connection = True


def test_urls_that_fail_in_every_way(
    esmm: Esmm, shop_folder: Path, host: Host, client: Elasticsearch, alias: str
) -> None:
    host.answers = {
        "/loop": lambda handler: handler.send(302, b"", Location="/loop"),
        "/file": lambda handler: handler.send(302, b"", Location="file:///etc/passwd"),
        "/cut": _breaks_off,
        "/500": lambda handler: handler.send(500, b""),
        "/slow": lambda handler: (time.sleep(0.5), handler.send(200, _png(5))),
    }
    bad = {"loop": "redirected", "file": "no http", "cut": "broke off", "500": "status 500", "gone": "status 404"}
    good = {"slow": f"{host.url}/slow", "first": f"{host.url}/1.png", "some": [f"{host.url}/2.png", "none.jpg"]}
    _catalogue(shop_folder, {name: f"{host.url}/{name}" for name in bad} | good | {"closed": "http://127.0.0.1:1/x"})
    done = esmm("ingest", "catalog.jsonl", "--allow-private", "--json")
    assert (done.code, done.json()["stored"], done.json()["photo_faults"]) == (0, 9, 7)
    faults = _faults(shop_folder)
    assert {name: what for name, what in bad.items() if what not in faults[name]} == {}
    assert "cannot be reached" in faults["closed"]
    with_vector = client.search(index=alias, query={"exists": {"field": "image_vector"}})["hits"]["hits"]
    assert {hit["_id"] for hit in with_vector} == {"slow", "first", "some"}


def test_private_addresses_are_refused_without_the_flag(esmm: Esmm, shop_folder: Path, host: Host) -> None:
    _catalogue(shop_folder, {"a": f"{host.url}/1.png", "b": "http://169.254.169.254/latest/meta-data"})
    done = esmm("ingest", "catalog.jsonl", "--json")
    assert (done.code, done.json()["stored"], done.json()["photo_faults"]) == (0, 2, 2)
    assert all("leads into a private network" in reason for reason in _faults(shop_folder).values())
    assert host.asked == []


def test_a_second_run_asks_only_whether_photos_are_the_same(esmm: Esmm, shop_folder: Path, host: Host) -> None:
    host.headers = {"ETag": '"a"'}
    _catalogue(shop_folder, {f"p{n}": f"{host.url}/{n}.png" for n in range(40)})
    assert esmm("ingest", "catalog.jsonl", "--allow-private", "--json").json()["encoded"]["image"] == 40
    assert host.statuses == {200: 40}
    report = esmm("ingest", "catalog.jsonl", "--allow-private", "--json").json()
    assert (report["encoded"].get("image", 0), report["unchanged"], report["vectors"]) == (0, 40, {})
    assert host.statuses == {200: 40, 304: 40}
    recipe = (shop_folder / "esmm.toml").read_text(encoding="utf-8")
    (shop_folder / "esmm.toml").write_text(recipe.replace("digest-16", "digest-24"), encoding="utf-8")
    report = esmm("ingest", "catalog.jsonl", "--allow-private", "--json").json()
    assert report["encoded"]["image"] == 40  # another encoder needs the bytes again
    assert host.statuses == {200: 80, 304: 80}


def test_how_many_from_one_host_stands_in_the_recipe(esmm: Esmm, shop_folder: Path, host: Host) -> None:
    host.latency = 0.05
    with (shop_folder / "esmm.toml").open("a", encoding="utf-8") as recipe:
        recipe.write("fetch_per_host = 2\n")
    _catalogue(shop_folder, {f"p{n}": f"{host.url}/{n}.png" for n in range(20)})
    assert esmm("ingest", "catalog.jsonl", "--allow-private").code == 0
    assert host.busiest == 2


def test_ctrl_c_does_not_wait_for_photos(shop_folder: Path, host: Host, state: State) -> None:
    host.latency = 3.0
    _catalogue(shop_folder, {f"p{n}": f"{host.url}/{n}.png" for n in range(40)})
    pipe = subprocess.PIPE
    process = start("ingest", "catalog.jsonl", "--allow-private", folder=shop_folder, stdout=pipe, stderr=pipe)
    until = time.monotonic() + 30
    while not host.asked and time.monotonic() < until:
        time.sleep(0.05)
    begun = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err.decode().count("Traceback"), state()) == (130, 0, {})
    assert time.monotonic() - begun < 8  # all of them would take half a minute
