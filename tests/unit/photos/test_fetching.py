"""Many photos by URL: how many at a time, how patiently, whom not to ask again."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from photo_host import Handler, Host, serving

from esmm.errors import PhotoError
from esmm.photos import AT_A_TIME, PER_HOST, Photo, Photos, connections, fetch, hosts


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    monkeypatch.setattr(fetch, "FIRST_WAIT", 0.01)
    with serving() as host:
        host.photos = {f"/{n}": b"photo %d" % n for n in range(40)}
        yield host


@pytest.fixture
def photos() -> Iterator[Photos]:
    with Photos([], allow_private=True) as photos:
        yield photos


def never(_: bytes) -> bool:
    return False


def urls(host: Host) -> list[str]:
    return [host.url + path for path in host.photos]


def test_many_at_a_time_but_few_from_one_host(host: Host, photos: Photos) -> None:
    host.latency = 0.03
    with serving("127.0.0.2") as other:
        other.latency, other.photos = 0.03, host.photos
        found = photos.find_all([*urls(host), *urls(other)], never)
    assert [photo.data for photo in found.values() if isinstance(photo, Photo)].count(b"photo 7") == 2
    assert len(found) == 80
    assert (host.busiest, other.busiest) == (PER_HOST, PER_HOST)


@pytest.mark.parametrize("per_host", [1, 9, 20])
def test_how_many_from_one_host_is_for_the_caller_to_say(host: Host, per_host: int) -> None:
    host.latency = 0.03
    with Photos([], allow_private=True, per_host=per_host) as photos:
        photos.find_all(urls(host), never)
    assert host.busiest == per_host


def test_no_more_than_sixteen_from_all_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving() as one:  # every 127.x.x.x leads to this machine, and the host counts as it is written
        one.latency, one.photos = 0.03, {f"/{n}": b"photo" for n in range(8)}
        port = one.url.rpartition(":")[2]
        monkeypatch.setattr(connections, "checked_addresses", lambda target, *, allow_private: ["127.0.0.1"])
        with Photos([], allow_private=True) as photos:
            photos.find_all([f"http://host{h}:{port}{path}" for h in range(8) for path in one.photos], never)
    assert one.busiest == AT_A_TIME


def test_a_slow_host_holds_up_no_other(host: Host, photos: Photos, monkeypatch: pytest.MonkeyPatch) -> None:
    ends: list[float] = []
    host.answers = {
        path: lambda handler: (handler.send(200, b"fast"), ends.append(time.monotonic())) for path in host.photos
    }
    with serving("127.0.0.2") as slow:
        slow.latency, slow.photos = 0.5, {f"/{n}": b"slow" for n in range(8)}
        begun = time.monotonic()
        found = photos.find_all([*urls(slow), *urls(host)], never)
        whole = time.monotonic() - begun
    assert all(isinstance(photo, Photo) for photo in found.values())
    assert whole > 1
    assert max(ends) - begun < whole / 2


def test_one_url_is_fetched_once_however_often_it_is_named(host: Host, photos: Photos) -> None:
    assert len(photos.find_all([f"{host.url}/1"] * 9, never)) == 1
    assert host.paths == ["/1"]


def test_connections_are_kept(host: Host, photos: Photos) -> None:
    photos.find_all(urls(host), never)
    assert len({one.connection for one in host.asked}) <= PER_HOST


def test_connections_that_the_host_closed_are_made_anew(host: Host, photos: Photos) -> None:
    def last(handler: Handler) -> None:  # closes without having said so
        handler.send(200, b"last")
        handler.close_connection = True

    host.answers["/last"] = last
    for _ in range(3):
        assert photos.read(f"{host.url}/last") == b"last"
        time.sleep(0.05)
    assert len(host.asked) == len({one.connection for one in host.asked}) == 3


def test_connections_are_not_kept_for_long(host: Host, photos: Photos, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "_KEPT_SECONDS", 0.0)
    photos.read(f"{host.url}/1")
    photos.read(f"{host.url}/2")
    assert len({one.connection for one in host.asked}) == 2


def test_an_answer_that_was_not_read_ends_its_connection(host: Host, photos: Photos) -> None:
    host.answers["/moved"] = lambda handler: handler.send(302, b"x" * 5000, Location="/1")
    assert photos.read(f"{host.url}/moved") == b"photo 1"
    assert photos.read(f"{host.url}/2") == b"photo 2"


def test_chunked_answers(host: Host, photos: Photos) -> None:
    def chunked(handler: Handler) -> None:
        handler.send(
            200,
            b"5\r\nphoto\r\n4\r\n one\r\n0\r\n\r\n",
            Length=None,
            Transfer_Encoding="chunked",
        )

    host.answers["/chunked"] = chunked
    assert [photos.read(f"{host.url}/chunked") for _ in range(2)] == [b"photo one"] * 2
    assert len({one.connection for one in host.asked}) == 1


# --- hosts that are busy, slow or dead ---


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("form", ["seconds", "date"])
def test_a_busy_host_is_asked_again_when_it_said(host: Host, photos: Photos, status: int, form: str) -> None:
    def busy(handler: Handler) -> None:
        again = host.paths.count("/busy") > 1
        later = "1" if form == "seconds" else format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
        handler.send(200 if again else status, b"at last", Retry_After=later)

    host.answers["/busy"] = busy
    begun = time.monotonic()
    assert photos.read(f"{host.url}/busy") == b"at last"
    assert 0.9 < time.monotonic() - begun < 4


@pytest.mark.parametrize("header", ["soon", "-5", "", "Sat, 01 Jan 2000 00:00:00 GMT", "١"])
def test_a_wait_that_says_nothing_is_ours_to_choose(header: str) -> None:
    assert fetch._seconds(header) == 0


def test_a_host_that_asks_for_an_hour_costs_its_photos_at_once(host: Host, photos: Photos) -> None:
    host.answers["/busy"] = lambda handler: handler.send(429, b"", Retry_After="3600")
    begun = time.monotonic()
    for path in ("/busy", "/1", "/2"):
        with pytest.raises(PhotoError, match=r"left alone for 3[56]\d\d seconds|answers with status 429") as caught:
            photos.read(host.url + path)
        assert caught.value.hint
    assert time.monotonic() - begun < 2
    assert host.paths == ["/busy"]


def test_a_host_that_fails_is_left_alone_and_no_other(
    host: Host, photos: Photos, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "ATTEMPTS", 1)
    with serving("127.0.0.2") as dead:
        dead.answers = {f"/{n}": lambda handler: handler.send(500, b"") for n in range(40)}
        found = photos.find_all([*(dead.url + path for path in dead.answers), *urls(host)], never)
        assert len(dead.asked) < hosts.FAULTS + PER_HOST
    assert all(isinstance(found[url], Photo) for url in urls(host))
    messages = [what.message for what in found.values() if isinstance(what, PhotoError)]
    assert len(messages) == 40
    assert any("failed several times in a row" in message for message in messages)


def test_a_host_that_answers_now_and_then_is_not_left_alone(
    host: Host, photos: Photos, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "ATTEMPTS", 1)
    host.answers["/bad"] = lambda handler: handler.send(500, b"")
    for _ in range(2 * hosts.FAULTS):
        with pytest.raises(PhotoError, match="status 500"):
            photos.read(f"{host.url}/bad")
        assert photos.read(f"{host.url}/1") == b"photo 1"


def test_a_host_that_was_left_alone_is_tried_again(host: Host, photos: Photos, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "ATTEMPTS", 1)
    monkeypatch.setattr(hosts, "REST", 0.3)
    host.answers["/bad"] = lambda handler: handler.send(500, b"")
    for _ in range(hosts.FAULTS):
        with pytest.raises(PhotoError, match="status 500"):
            photos.read(f"{host.url}/bad")
    begun = time.monotonic()
    assert photos.read(f"{host.url}/1") == b"photo 1"
    assert time.monotonic() - begun > 0.2


def test_headers_that_drip_end_with_the_deadline(host: Host, photos: Photos, monkeypatch: pytest.MonkeyPatch) -> None:
    def drip(handler: Handler) -> None:
        for n in range(30):
            handler.wfile.write(b"HTTP/1.1 200 OK\r\n" if not n else b"X-%d: y\r\n" % n)
            time.sleep(0.05)

    monkeypatch.setattr(fetch, "DEADLINE", 0.3)
    host.answers["/drip"] = drip
    begun = time.monotonic()
    with pytest.raises(PhotoError, match="takes longer than"):
        photos.read(f"{host.url}/drip")
    assert time.monotonic() - begun < 1


def test_a_location_in_utf_8_is_followed(host: Host, photos: Photos) -> None:
    host.photos["/gr%C3%B6%C3%9Fe"] = b"great"
    location = "/größe".encode().decode("latin-1")
    host.answers["/moved"] = lambda handler: handler.send(302, b"", Location=location)
    assert photos.read(f"{host.url}/moved") == b"great"


@pytest.mark.parametrize("location", ["http://[", "ftp://h/1.jpg", "", "//", "http://me:secret@h/", "javascript:1"])
def test_a_redirect_to_nowhere(host: Host, photos: Photos, location: str) -> None:
    host.answers["/moved"] = lambda handler: handler.send(302, b"", Location=location)
    with pytest.raises(PhotoError) as caught:
        photos.read(f"{host.url}/moved")
    assert "secret" not in str(caught.value)


def test_answers_that_are_no_http(host: Host, photos: Photos) -> None:
    for garbage in (b"\x00\xff" * 90, b"HTTP/9.9 abc\r\n\r\n", b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200 + b"\r\n"):
        host.answers["/odd"] = lambda handler, garbage=garbage: (
            handler.connection.sendall(garbage) or setattr(handler, "close_connection", True)
        )
        with pytest.raises(PhotoError, match="cannot be reached, or broke off"):
            photos.read(f"{host.url}/odd")


def test_closing_ends_what_other_threads_fetch(host: Host) -> None:
    host.latency = 5.0
    with ThreadPoolExecutor() as pool, Photos([], allow_private=True) as photos:
        under_way = pool.submit(photos.find_all, urls(host), never)
        until = time.monotonic() + 10
        while host.busiest < PER_HOST and time.monotonic() < until:
            time.sleep(0.01)
        begun = time.monotonic()
        photos.close()
        assert all(isinstance(what, PhotoError) for what in under_way.result().values())
    assert time.monotonic() - begun < 3
    assert len(host.asked) == PER_HOST


def test_closing_ends_waiting_for_a_busy_host(host: Host) -> None:
    host.answers["/busy"] = lambda handler: handler.send(503, b"", Retry_After="25")
    with ThreadPoolExecutor() as pool, Photos([], allow_private=True) as photos:
        under_way = pool.submit(photos.find_all, [f"{host.url}/busy"], never)
        until = time.monotonic() + 10
        while not host.asked and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(0.2)
        photos.close()
        (what,) = under_way.result(timeout=3).values()
    assert isinstance(what, PhotoError)
    assert "the run has ended" in what.message
