"""A load that is stopped in the middle, by Ctrl-C or by force: the alias stays, the next run goes on."""

import signal
import subprocess
import time
from pathlib import Path

import pytest
import shop
import wire
from elasticsearch import Elasticsearch
from shell import Esmm, State, start

COUNT = 3000


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_load_that_is_stopped(
    how: signal.Signals, esmm: Esmm, shop_folder: Path, state: State, client: Elasticsearch, server_url: str, alias: str
) -> None:
    text = (shop_folder / "esmm.toml").read_text(encoding="utf-8").partition("[image]")[0]
    (shop_folder / "esmm.toml").write_text(text, encoding="utf-8")
    assert esmm("ingest", "catalog.jsonl").code == 0
    shop.write(shop_folder / "catalog.jsonl", shop.products(COUNT))
    slow = wire.NthBulk(lambda _: time.sleep(1.0), *range(1, 100))
    with wire.proxy(server_url, slow) as url:
        pipe = subprocess.PIPE
        process = start("ingest", "catalog.jsonl", "--url", url, folder=shop_folder, stdout=pipe, stderr=pipe)
        until = time.monotonic() + 30
        while slow.seen < 4 and time.monotonic() < until:
            time.sleep(0.05)
        process.send_signal(how)
        out, err = process.communicate(timeout=20)
    assert slow.seen < COUNT // 256
    half = {"-v0001*": 12}
    if how == signal.SIGINT:
        assert process.returncode == 130
        assert err.decode().strip().endswith("interrupted; the alias stays where it was")
        assert "Traceback" not in err.decode()
        assert out == b""
        assert state() == half
        assert list(client.ingest.get_pipeline(id=f"esmm-{alias}-*")) == [f"esmm-{alias}-v0001"]
    else:
        assert process.returncode == -signal.SIGKILL
        time.sleep(1)  # what was on its way arrives
        assert set(state()) == {"-v0001*", "-v0002"}
    assert esmm("search", "red shirt").code == 0

    report = esmm("ingest", "catalog.jsonl", "--json").json()
    assert report["stored"] == COUNT
    assert report["cached"]["text"] >= 3 * 256
    assert report["encoded"]["text"] == COUNT - report["cached"]["text"]
    assert sorted(state().values()) == [12, COUNT]
    assert client.count(index=alias)["count"] == COUNT
