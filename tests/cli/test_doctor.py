"""`esmm doctor` where all is well (exit code 0), and with each fault named (1)."""

from pathlib import Path

import pytest
from elasticsearch import Elasticsearch
from shell import Esmm

from esmm.encoders.digest import DigestEncoder
from esmm.encoders.tower import Tower, TowerConfig, save_tower


def _rows(out: str, mark: str) -> str:
    """The table's rows of one kind, cells that were folded put together."""
    rows: list[str] = []
    for line in out.splitlines()[1:]:
        if line[:6].strip() or not rows:
            rows.append(line)
        else:
            rows[-1] += line
    return "\n".join(" ".join(row.split()) for row in rows if row.startswith(mark))


def test_all_well(esmm: Esmm, shop_folder: Path, alias: str) -> None:
    esmm("ingest", "catalog.jsonl")
    done = esmm("doctor")
    assert (done.code, done.err) == (0, ""), done.out
    well = _rows(done.out, "ok")
    for part in ("Elasticsearch 9.", "strategy exact", "5 fields", "digest-32 (1, 32 dims)", "12 products", "12 of 12"):
        assert part in well, part
    assert "fault" not in done.out


def test_faults_are_all_named_with_their_remedy(esmm: Esmm, shop_folder: Path, alias: str) -> None:
    text = (shop_folder / "esmm.toml").read_text(encoding="utf-8").replace("digest-32", "./no-such-model")
    (shop_folder / "esmm.toml").write_text(text, encoding="utf-8")
    done = esmm("doctor")
    faults = _rows(done.out, "fault")
    assert done.code == 1
    assert "text encoder no model folder ./no-such-model" in faults
    assert f"{alias} is not loaded" in faults
    assert "esmm ingest" in faults


def test_broken_recipe_and_no_server(esmm: Esmm, shop_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ELASTICSEARCH_URL", "http://127.0.0.1:9")
    (shop_folder / "esmm.toml").write_text("[index]\nname = 'UPPER'\nshards = 0\n[fields]\n", encoding="utf-8")
    done = esmm("doctor")
    faults = _rows(done.out, "fault")
    assert done.code == 1
    assert "no Elasticsearch answers at http://127.0.0.1:9" in faults
    assert "index.name" in faults
    assert "index.shards" in faults
    assert "Traceback" not in done.out + done.err


def test_photo_vectors_that_are_missing(esmm: Esmm, shop_folder: Path, client: Elasticsearch) -> None:
    text = (shop_folder / "esmm.toml").read_text(encoding="utf-8")
    (shop_folder / "esmm.toml").write_text(text.partition("[image]")[0], encoding="utf-8")
    esmm("ingest", "catalog.jsonl")
    (shop_folder / "esmm.toml").write_text(text, encoding="utf-8")
    done = esmm("doctor")
    assert done.code == 1
    assert "image vectors" in _rows(done.out, "fault")


def _tower(folder: Path) -> Path:
    """A photo tower with random weights in the space of digest-32."""
    text = DigestEncoder(32).info
    folder.mkdir()
    save_tower(Tower(TowerConfig("tiny", "mobilenet_v3_small", 48, 24, text.dims, str(text), text.space)), folder)
    return folder


def test_words_that_the_recipe_keeps_from_the_photos(esmm: Esmm, shop_folder: Path) -> None:
    text = (shop_folder / "esmm.toml").read_text(encoding="utf-8")
    assert "words find no photos" not in esmm("doctor").out, "digest-16 reads words itself"
    tower = _tower(shop_folder / "tower")
    text = text.replace("digest-16", str(tower))
    for setting, warned in (("", False), ("dims = 16", True), ('space = "own"', True)):
        recipe = text.replace('"digest-32"', f'"digest-32"\n{setting}')
        (shop_folder / "esmm.toml").write_text(recipe, encoding="utf-8")
        notes = _rows(esmm("doctor").out, "-")
        assert ("words find no photos" in notes) == warned, setting
        assert ({"give", "dims", "space"} <= set(notes.split())) == warned, "the remedy, in folded cells"
