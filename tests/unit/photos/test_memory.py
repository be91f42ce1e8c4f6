"""Photos by URL are known again: by validators, by time, from run to run, and whatever happens to the file."""

import logging
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from email.message import Message
from http.client import HTTPMessage
from pathlib import Path

import pytest
from photo_host import Host, serving

from esmm.content import content_key
from esmm.errors import PhotoError
from esmm.photos import Photo, Photos, UrlMemory, fetch, memory, photo
from esmm.photos.memory import Remembered, remembered

DATE = "Sat, 01 Jan 2022 00:00:00 GMT"
KEY = content_key(b"photo")


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    monkeypatch.setattr(fetch, "FIRST_WAIT", 0.01)
    with serving() as host:
        host.photos["/1"] = b"photo"
        yield host


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "photo-urls.sqlite"


@contextmanager
def run_of(path: Path) -> Iterator[Photos]:
    """The photos of one run."""
    with closing(UrlMemory(path)) as found, Photos([], allow_private=True, memory=found) as photos:
        yield photos


def always(_: bytes) -> bool:
    return True


def never(_: bytes) -> bool:
    return False


@pytest.mark.parametrize("validator", [{"ETag": '"a"'}, {"ETag": 'W/"a"'}, {"Last-Modified": DATE}])
def test_an_unchanged_photo_is_not_sent_again(host: Host, path: Path, validator: dict[str, str]) -> None:
    host.headers = validator
    seen = []
    for _ in range(3):
        with run_of(path) as photos:
            seen.append(photos.find(f"{host.url}/1", always))
    assert seen == [Photo(KEY, b"photo"), Photo(KEY, None), Photo(KEY, None)]
    assert host.statuses == {200: 1, 304: 2}


def test_a_changed_photo_is_sent_and_known_from_then_on(host: Host, path: Path) -> None:
    seen = []
    for data, etag in ((b"photo", '"a"'), (b"other", '"b"'), (b"other", '"b"')):
        host.photos["/1"], host.headers = data, {"ETag": etag}
        with run_of(path) as photos:
            seen.append(photos.find(f"{host.url}/1", always))
    assert seen == [Photo(KEY, b"photo"), Photo(content_key(b"other"), b"other"), Photo(content_key(b"other"), None)]


def test_bytes_that_are_needed_are_fetched_without_conditions(host: Host, path: Path) -> None:
    host.headers = {"ETag": '"a"', "Cache-Control": "max-age=600"}
    for _ in range(2):
        with run_of(path) as photos:
            assert photos.find(f"{host.url}/1", never).data == b"photo"
            assert photos.read(f"{host.url}/1") == b"photo"
    assert host.statuses == {200: 4}


def test_no_request_before_max_age_ends(host: Host, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host.headers = {"ETag": '"a"', "Cache-Control": "public, max-age=600"}
    for _ in range(2):
        with run_of(path) as photos:
            assert photos.find(f"{host.url}/1", always).key == KEY
    assert len(host.asked) == 1
    now = time.time()
    monkeypatch.setattr(memory.time, "time", lambda: now + 601)
    for _ in range(2):  # the 304 renews the time
        with run_of(path) as photos:
            assert photos.find(f"{host.url}/1", always) == Photo(KEY, None)
    assert host.statuses == {200: 1, 304: 1}


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Cache-Control": "max-age=60"}, 60),
        ({"Cache-Control": 'Public , MAX-AGE="60"'}, 60),
        ({"Cache-Control": "max-age=60", "Age": "45"}, 15),
        ({"Cache-Control": "max-age=60", "Age": "100"}, 0),
        ({"Cache-Control": "max-age=60, no-cache"}, 0),
        ({"Cache-Control": "max-age=-1"}, 0),
        ({"Cache-Control": "max-age=soon"}, 0),
        ({"Cache-Control": "max-age=" + "9" * 5000}, 7 * 86_400),
        ({}, 0),
    ],
)
def test_how_long_a_photo_stays_fresh(headers: dict[str, str], seconds: float) -> None:
    answer = HTTPMessage()
    for name, value in headers.items():
        answer[name] = value
    found = remembered(KEY, answer)
    assert found is not None
    assert found.fresh_until - found.checked == pytest.approx(seconds)


def test_what_asks_not_to_be_stored_is_not(host: Host, path: Path) -> None:
    host.headers = {"ETag": '"a"', "Cache-Control": "no-store, max-age=600"}
    for _ in range(2):
        with run_of(path) as photos:
            assert photos.find(f"{host.url}/1", always).data == b"photo"


def test_validators_that_fit_no_header_are_left_out() -> None:
    answer: Message = HTTPMessage()
    answer["ETag"], answer["Last-Modified"] = "x" * 2000, "a\x00b"
    found = remembered(KEY, answer)  # type: ignore[arg-type]
    assert found is not None
    assert found.conditions == {}


def test_validators_belong_to_the_url_that_gave_them(host: Host, path: Path) -> None:
    host.headers = {"ETag": '"a"'}
    host.photos |= {"/2": b"two"}
    for place, data in (("/1", b"photo"), ("/2", b"two"), ("/1", None)):
        host.answers["/moved"] = lambda handler, place=place: handler.send(302, b"", Location=place)
        with run_of(path) as photos:
            assert photos.find(f"{host.url}/moved", always).data == data


def test_a_304_that_nobody_asked_for_is_a_fault(host: Host, path: Path) -> None:
    host.answers["/1"] = lambda handler: handler.send(304, b"")
    with run_of(path) as photos, pytest.raises(PhotoError, match="status 304"):
        photos.find(f"{host.url}/1", always)


def test_secrets_of_urls_are_not_written_down(host: Host, path: Path) -> None:
    host.photos["/1?signature=hunter2"] = b"photo"
    host.headers = {"ETag": '"a"'}
    with run_of(path) as photos:
        photos.read(f"{host.url}/1?signature=hunter2")
        written = b"".join(file.read_bytes() for file in path.parent.iterdir())
    assert b'"a"' in written
    assert b"hunter2" not in written


# --- identities of URLs ---


def test_identity_of_a_url_is_that_of_its_content(host: Host, path: Path) -> None:
    url, found = f"{host.url}/1", []
    for data, etag in ((b"photo", '"a"'), (b"photo", '"a"'), (b"photo", '"new"'), (b"other", '"c"')):
        host.photos["/1"], host.headers = data, {"ETag": etag}
        with run_of(path) as photos:
            found.append(photos.identity(url))
    assert found == [KEY, KEY, KEY, content_key(b"other")]
    assert host.statuses == {200: 3, 304: 1}


def test_asking_for_an_identity_first_costs_no_second_request(host: Host, path: Path) -> None:
    host.photos |= {f"/{n}": b"photo %d" % n for n in range(2, 9)}
    references = [host.url + place for place in host.photos]
    for validator, asked in (({}, 8), ({"ETag": '"a"'}, 16), ({"ETag": '"a"'}, 24)):
        host.headers = validator
        with run_of(path) as photos:
            identities = photos.identities([*references, "none.jpg"])
            found = photos.find_all(references, always)
        assert identities.pop("none.jpg") is None
        assert identities == {ref: one.key for ref, one in found.items() if isinstance(one, Photo)}
        assert len(host.asked) == asked
    assert host.statuses == {200: 16, 304: 8}


def test_photos_on_the_shelf_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(photo, "_SHELF_BYTES", 10)
    shelf = photo.Shelf()
    for name in "abc":
        shelf.put(name, Photo(KEY, b"12345"))
    shelf.put("c", Photo(KEY, b"1234"))
    assert shelf.take("a") is None
    assert shelf.take("c") == Photo(KEY, b"1234")
    assert shelf.take("c") is None
    assert shelf.take("b") == Photo(KEY, b"12345")


def test_a_url_without_photo_has_no_identity(host: Host, path: Path) -> None:
    with run_of(path) as photos:
        assert photos.identity(f"{host.url}/none") is None


# --- the file ---


def some(number: int) -> Remembered:
    return Remembered(content_key(str(number)), f'"{number}"', None, 1.0, 2.0)


def test_what_was_put_is_found_again(path: Path) -> None:
    with closing(UrlMemory(path)) as found:
        found.put(b"a", some(1))
    with closing(UrlMemory(path)) as found:
        assert found.get(b"a") == some(1)
        assert found.get(b"b") is None


def test_the_oldest_used_go_first(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(1000, 100_000))
    monkeypatch.setattr(memory.time, "time", lambda: float(next(clock)))
    with closing(UrlMemory(path, limit=10)) as found:
        for n in range(30):
            found.put(b"%d" % n, some(n))
            found.get(b"0")
    with closing(UrlMemory(path, limit=10)) as found:
        kept = [n for n in range(30) if found.get(b"%d" % n)]
    assert kept == [0, *range(21, 30)]


def test_a_run_that_does_not_end_stays_within_bounds_too(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_TRIMMED_EVERY", 50)
    with closing(UrlMemory(path, limit=10)) as found:
        for n in range(500):
            found.put(b"%d" % n, some(n))
        assert found._run("SELECT count(*) FROM photos")[0][0] <= 11


def test_a_clock_that_went_back_makes_nothing_fresh(path: Path) -> None:
    later = time.time() + 10_000
    with closing(UrlMemory(path)) as found:
        assert not found.is_fresh(Remembered(KEY, None, None, later, later + 10))


WRITER = """
import sys
from pathlib import Path
from esmm.photos import UrlMemory
from esmm.photos.memory import Remembered
memory, first = UrlMemory(Path(sys.argv[1])), int(sys.argv[2])
for n in range(first, first + int(sys.argv[3])):
    memory.put(b"%d" % n, Remembered(b"k" * 16, None, None, 1.0, 2.0))
    if n % 100 == 99:
        print(n, flush=True)
"""


def _writer(path: Path, first: int, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(path), str(first), str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_processes_share_one_file(path: Path) -> None:
    writers = [_writer(path, first, 300) for first in (0, 300, 600)]
    assert [(writer.communicate(timeout=60), writer.returncode)[1] for writer in writers] == [0, 0, 0]
    with closing(UrlMemory(path)) as found:
        assert all(found.get(b"%d" % n) for n in range(900))


def test_a_killed_run_loses_nothing_that_was_written(path: Path) -> None:
    writer = _writer(path, 0, 10**6)
    assert writer.stdout is not None
    assert [writer.stdout.readline() for _ in range(3)][-1] == "299\n"
    writer.kill()
    writer.wait()
    writer.stdout.close()
    with closing(UrlMemory(path)) as found:
        assert all(found.get(b"%d" % n) for n in range(300))


def test_a_damaged_file_is_moved_aside_and_begun_again(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.parent.mkdir()
    path.write_bytes(b"no database " * 999)
    with closing(UrlMemory(path)) as found:
        found.put(b"a", some(1))
        assert found.get(b"a") == some(1)
    (line,) = caplog.messages
    assert line.endswith("photo-urls.sqlite.damaged, begun again")
    assert path.with_name("photo-urls.sqlite.damaged").read_bytes().startswith(b"no database")


def test_damage_met_on_the_way_costs_only_what_was_remembered(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with closing(UrlMemory(path)) as found:
        for n in range(500):
            found.put(b"%d" % n, some(n))
    data = path.read_bytes()
    path.write_bytes(data[:4096] + b"\xff" * (len(data) - 4096))
    with closing(UrlMemory(path)) as found:
        assert [found.get(b"%d" % n) for n in range(500)] == [None] * 500
        found.put(b"a", some(1))
        assert found.get(b"a") == some(1)
    assert len(caplog.messages) == 1


def test_a_folder_that_cannot_be_written_costs_only_the_memory(
    host: Host, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_bytes(b"")
    with caplog.at_level(logging.WARNING), run_of(tmp_path / "file" / "photo-urls.sqlite") as photos:
        assert photos.find(f"{host.url}/1", always).data == b"photo"
    (line,) = caplog.messages
    assert line.startswith("fetched photos are not remembered")
