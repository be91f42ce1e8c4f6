"""The vector cache: shared, killed, spoilt."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from esmm.encoders import EncoderInfo
from esmm.errors import EsmmError
from esmm.ingest.vectors import _KEPT, VectorCache, content_key

INFO = EncoderInfo("m", "1", 4, "m", ("text",))
# Puts batches of 100 vectors, number i holding i four times, and tells the number of the batch it is done with.
WRITER = """
import sys
from pathlib import Path
import numpy as np
from esmm.encoders import EncoderInfo
from esmm.ingest.vectors import VectorCache, content_key
first, batches = int(sys.argv[2]), int(sys.argv[3])
with VectorCache(Path(sys.argv[1])) as cache:
    for batch in range(first, first + batches):
        numbers = range(100 * batch, 100 * batch + 100)
        cache.put(EncoderInfo("m", "1", 4, "m", ("text",)),
                  {content_key(str(n)): np.full(4, n, dtype=np.float32) for n in numbers})
        print(batch, flush=True)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "v.sqlite"


def writer(path: Path, first: int, batches: int) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), str(first), str(batches)], stdout=subprocess.PIPE, text=True
    )


def stored(path: Path, numbers: range) -> dict[int, list[float]]:
    keys = {content_key(str(n)): n for n in numbers}
    with VectorCache(path) as cache:
        return {keys[key]: vector.tolist() for key, vector in cache.get(INFO, list(keys)).items()}


def test_what_was_put_is_found_again_in_a_new_session(path: Path) -> None:
    vectors = {content_key(str(n)): np.full(4, n, dtype=np.float32) for n in range(1234)}
    with VectorCache(path) as cache:
        cache.put(INFO, vectors)
    assert stored(path, range(1300)) == {n: [n] * 4 for n in range(1234)}


@pytest.mark.parametrize(
    "other",
    [
        EncoderInfo("n", "1", 4, "m", ()),
        EncoderInfo("m", "2", 4, "m", ()),
        EncoderInfo("m", "1", 3, "m", ()),
        EncoderInfo("m", "1", 4, "m", (), passage_prefix="passage: "),
    ],
)
def test_another_encoder_finds_nothing(path: Path, other: EncoderInfo) -> None:
    with VectorCache(path) as cache:
        cache.put(INFO, {b"k": np.ones(4, dtype=np.float32)})
        assert cache.get(other, [b"k"]) == {}
        cache.put(other, {b"k": np.zeros(4, dtype=np.float32)})
        np.testing.assert_array_equal(cache.get(INFO, [b"k"])[b"k"], np.ones(4))


def test_what_changes_no_vector_of_a_product_finds_them_again(path: Path) -> None:
    with VectorCache(path) as cache:
        cache.put(INFO, {b"k": np.ones(4, dtype=np.float32)})
        assert cache.get(replace(INFO, query_prefix="query: ", space="s"), [b"k"]).keys() == {b"k"}


def test_the_key_is_that_of_the_content() -> None:
    assert content_key("é") == content_key("é".encode())
    assert content_key("a") != content_key("b")
    assert len(content_key("a")) == 16


def test_a_killed_writer_loses_at_most_what_it_was_writing(path: Path) -> None:
    with writer(path, 0, 1_000_000) as process:
        assert process.stdout
        done = [process.stdout.readline() for _ in range(20)]
        os.kill(process.pid, signal.SIGKILL)
        done += process.stdout.readlines()
    last = int(done[-1] if done[-1].endswith("\n") else done[-2])
    found = stored(path, range(100 * (last + 3)))
    assert len(found) >= 100 * (last + 1)
    assert len(found) % 100 == 0, "half a batch was stored"
    assert all(vector == [n] * 4 for n, vector in found.items())
    with VectorCache(path) as cache:  # and it takes more
        cache.put(INFO, {b"k": np.ones(4, dtype=np.float32)})


def test_processes_share_one_file_from_its_first_moment(path: Path) -> None:
    processes = [writer(path, 50 * number, 50) for number in range(3)]
    for process in processes:
        process.communicate(timeout=60)
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert len(stored(path, range(15_000))) == 15_000


def test_who_reads_does_not_wait_for_who_writes(path: Path) -> None:
    with VectorCache(path) as writing, VectorCache(path) as reading:
        writing.put(INFO, {b"k": np.ones(4, dtype=np.float32)})
        writing._db.execute("BEGIN EXCLUSIVE")
        reading._db.execute("PRAGMA busy_timeout = 0")
        assert reading.get(INFO, [b"k"]).keys() == {b"k"}
        writing._db.execute("ROLLBACK")


def test_threads_share_one_cache(path: Path) -> None:
    with VectorCache(path) as cache:

        def work(first: int) -> None:
            for n in range(first, first + 100):
                cache.put(INFO, {content_key(str(n)): np.full(4, n, dtype=np.float32)})
                cache.get(INFO, [content_key(str(n))])

        threads = [threading.Thread(target=work, args=(100 * number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(stored(path, range(400))) == 400


def test_a_file_that_is_no_cache_is_moved_aside(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("a text, not a database\n" * 100)
    told: list[str] = []
    with VectorCache(path, tell=told.append) as cache:
        cache.put(INFO, {b"k": np.ones(4, dtype=np.float32)})
    assert stored(path, range(1)) == {}
    assert path.with_name("v.sqlite.damaged").read_text().startswith("a text")
    assert told == [
        f"vector cache {path} was damaged (file is not a database): moved to v.sqlite.damaged, a new one is begun"
    ]


def test_a_place_that_cannot_hold_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EsmmError, match="cannot be used"):
        VectorCache(tmp_path / "file" / "v.sqlite")
    with pytest.raises(EsmmError, match="cannot be used"):
        VectorCache(tmp_path)


def test_a_full_disk_is_one_sentence_and_what_was_there_stays(path: Path) -> None:
    with VectorCache(path) as cache:
        cache.put(INFO, {b"k": np.ones(4, dtype=np.float32)})
        pages = cache._db.execute("PRAGMA page_count").fetchone()[0]
        cache._db.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(EsmmError, match="database or disk is full"):
            cache.put(INFO, {content_key(str(n)): np.ones(4, dtype=np.float32) for n in range(1000)})
        cache._db.execute("PRAGMA max_page_count = 100000")
        cache.put(INFO, {b"l": np.ones(4, dtype=np.float32)})
        assert cache.get(INFO, [b"k", b"l"]).keys() == {b"k", b"l"}


@pytest.mark.parametrize("when", ["before it is opened", "while it is open"])
@pytest.mark.parametrize("kept", [0.9, 0.5, 0.05])
def test_a_file_cut_short_is_noticed_and_begun_anew(path: Path, when: str, kept: float) -> None:
    """As a power loss leaves it: the end of the file is missing, or its pages are not what was written."""
    numbers = range(2000)
    with VectorCache(path) as cache:
        cache.put(INFO, {content_key(str(n)): np.full(4, n, dtype=np.float32) for n in numbers})
    told: list[str] = []
    keys = [content_key(str(n)) for n in numbers]
    size = path.stat().st_size
    if when == "before it is opened":
        os.truncate(path, int(size * kept))
    with VectorCache(path, tell=told.append) as cache:
        if when == "while it is open":
            os.truncate(path, int(size * kept))
        found = cache.get(INFO, keys)
        assert all(vector.tolist() == [keys.index(key)] * 4 for key, vector in found.items())
        cache.put(INFO, {key: np.full(4, n, dtype=np.float32) for n, key in enumerate(keys)})
        assert len(cache.get(INFO, keys)) == len(keys)
    assert len(told) == 1
    assert stored(path, numbers) == {n: [n] * 4 for n in numbers}


def test_spoilt_pages_are_noticed(path: Path) -> None:
    with VectorCache(path) as cache:
        cache.put(INFO, {content_key(str(n)): np.ones(400, dtype=np.float32) for n in range(100)})
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    path.write_bytes(data)
    told: list[str] = []
    with VectorCache(path, tell=told.append) as cache:
        assert cache.get(INFO, [content_key(str(n)) for n in range(100)]) == {}
    assert "malformed" in told[0]


def test_a_vector_of_the_wrong_length_is_none(path: Path) -> None:
    with VectorCache(path) as cache:
        cache.put(INFO, {b"k": np.ones(3, dtype=np.float32)})
        assert cache.get(INFO, [b"k"]) == {}


def test_two_that_find_it_damaged_begin_anew_once(path: Path) -> None:
    with VectorCache(path) as cache:
        cache.put(INFO, {content_key(str(n)): np.full(4, n, dtype=np.float32) for n in range(2000)})
    told: list[str] = []
    with VectorCache(path, tell=told.append) as one, VectorCache(path, tell=told.append) as other:
        os.truncate(path, path.stat().st_size // 2)
        keys = [content_key(str(n)) for n in range(2000)]
        assert len(one.get(INFO, keys)) < 2000
        one.put(INFO, {b"k": np.ones(4, dtype=np.float32)})
        other.put(INFO, {content_key(f"l{n}"): np.ones(4, dtype=np.float32) for n in range(2000)})
        other.get(INFO, keys)
        assert len(told) == 1
        assert other.get(INFO, [b"k"]).keys() == one.get(INFO, [b"k"]).keys()


CAP = 2_000_000
ONE_BATCH = 250_000  # by so much a file may be over the cap


def fill(path: Path, first: int, count: int, cap: int | None = CAP) -> int:
    """Put vectors of 4 kB in batches; return the size of the file."""
    wide = replace(INFO, dims=1000)
    with VectorCache(path, cap=cap) as cache:
        for start in range(first, first + count, 50):
            numbers = range(start, start + 50)
            cache.put(wide, {content_key(str(n)): np.full(1000, n, dtype=np.float32) for n in numbers})
    return path.stat().st_size


def known(path: Path, numbers: range) -> set[int]:
    keys = {content_key(str(n)): n for n in numbers}
    with VectorCache(path) as cache:
        return {keys[key] for key in cache.get(replace(INFO, dims=1000), list(keys))}


def test_a_cap_is_kept_and_the_newest_stay(path: Path) -> None:
    assert fill(path, 0, 2000) <= CAP + ONE_BATCH
    found = known(path, range(2000))
    assert found >= set(range(min(found) // 50 * 50 + 50, 2000)), "of one batch some may go"
    assert len(found) >= 0.8 * _KEPT * CAP / 4096


def test_what_is_used_stays_longer(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    day = 86_400_000_000_000
    now = 1_000 * day
    monkeypatch.setattr("esmm.ingest.vectors.time.time_ns", lambda: now)
    fill(path, 0, 200)
    now += 2 * day
    fill(path, 200, 200)
    now += 2 * day
    with VectorCache(path, cap=CAP) as cache:
        cache.get(replace(INFO, dims=1000), [content_key(str(n)) for n in range(50)])
    now += 2 * day
    fill(path, 400, 200)
    found = known(path, range(600))
    assert found >= {*range(50), *range(400, 600)}
    assert not found & set(range(50, 150))


def test_a_cap_set_later_shrinks_what_is_there(path: Path) -> None:
    assert fill(path, 0, 2000, cap=None) > 4 * CAP
    with VectorCache(path, cap=CAP):
        pass
    assert path.stat().st_size <= CAP


def test_a_file_of_before_caps_shrinks_too(path: Path) -> None:
    path.parent.mkdir()
    with sqlite3.connect(path) as db:
        db.executescript(
            "PRAGMA journal_mode = WAL; CREATE TABLE vectors (encoder TEXT, content BLOB, vector BLOB, "
            "PRIMARY KEY (encoder, content)) WITHOUT ROWID"
        )
    db.close()
    assert fill(path, 0, 2000) <= CAP + ONE_BATCH
    assert fill(path, 5000, 50) <= CAP + ONE_BATCH
    assert known(path, range(5000, 5050)) == set(range(5000, 5050))


def test_the_file_is_one_that_sqlite_calls_sound(path: Path) -> None:
    with VectorCache(path) as cache:
        cache.put(INFO, {b"k": np.ones(4, dtype=np.float32)})
    with sqlite3.connect(path) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    db.close()
