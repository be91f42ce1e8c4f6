"""Nothing inside the network is reached, however it is written, redirected to or resolved."""

import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from photo_host import Host, serving

from esmm.errors import PhotoError
from esmm.photos import Photos, addresses, fetch

PRIVATE = "leads into a private network"


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    monkeypatch.setattr(fetch, "FIRST_WAIT", 0.01)
    with serving() as host:
        host.photos = {"/1": b"photo"}
        yield host


@pytest.fixture
def stranger(monkeypatch: pytest.MonkeyPatch, host: Host) -> Host:
    """A host whose address, 127.0.0.1 alone, counts as public."""
    is_public = addresses.is_public
    monkeypatch.setattr(addresses, "is_public", lambda address: address == "127.0.0.1" or is_public(address))
    return host


Resolver = Callable[[dict[str, list[list[str]]]], dict[str, int]]


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Resolver:
    """A name service: for each name the answers that it gives in turn, the last one for ever."""
    ask = socket.getaddrinfo

    def install(answers: dict[str, list[list[str]]]) -> dict[str, int]:
        asked = dict.fromkeys(answers, 0)

        def getaddrinfo(name: str, port: int, *rest: Any, **more: Any) -> list[Any]:
            if name not in answers:
                return ask(name, port, *rest, **more)
            turn = min(asked[name], len(answers[name]) - 1)
            asked[name] += 1
            return [entry for address in answers[name][turn] for entry in ask(address, port, type=socket.SOCK_STREAM)]

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        return asked

    return install


@pytest.mark.parametrize(
    "written",
    [
        *("127.0.0.1", "localhost", "LOCALHOST", "0.0.0.0", "0", "127.1", "2130706433", "0x7f000001", "0x7f.1"),
        *("017700000001", "0177.0.0.01", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[::]"),
        *("①②⑦.⓪.⓪.①", "[64:ff9b::127.0.0.1]", "[64:ff9b:1::127.0.0.1]", "[2002:7f00:1::]", "169.254.169.254"),
        *("0xa9fea9fe", "2852039166", "168.63.129.16", "100.100.100.200", "[fd00:ec2::254]", "[fe80::1]"),
        *("10.0.0.1", "192.168.0.1"),
    ],
)
def test_no_spelling_of_a_private_address_is_let_in(host: Host, written: str) -> None:
    port = host.url.rpartition(":")[2]
    with Photos([]) as photos, pytest.raises(PhotoError, match=PRIVATE):
        photos.read(f"http://{written}:{port}/1")
    assert host.asked == []


@pytest.mark.parametrize(
    ("address", "public"),
    [(address, True) for address in ("8.8.8.8", "2606:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8")]
    + [(address, False) for address in ("10.1.2.3", "172.16.0.1", "192.168.1.1", "100.100.100.200", "127.9.9.9")]
    + [(address, False) for address in ("169.254.169.254", "168.63.129.16", "192.0.0.192", "224.0.0.1", "240.0.0.1")]
    + [(address, False) for address in ("255.255.255.255", "0.1.2.3", "198.18.0.1", "203.0.113.1")]
    + [(address, False) for address in ("::1", "::", "fe80::1%eth0", "fd00:ec2::254", "ff02::1", "fec0::1", "::7f00:1")]
    + [(address, False) for address in ("::ffff:10.0.0.1", "::ffff:0:7f00:1", "64:ff9b::7f00:1", "64:ff9b:1::7f00:1")]
    + [(address, False) for address in ("2002:7f00:1::1", "2002:a9fe:a9fe::", "2001:db8::1", "2001:0:7f00:1::")],
)
def test_which_addresses_are_public(address: str, public: bool) -> None:
    assert addresses.is_public(address) is public


def test_the_flag_lets_all_of_them_in(host: Host) -> None:
    with Photos([], allow_private=True) as photos:
        assert photos.read(f"{host.url}/1") == b"photo"


@pytest.mark.parametrize(
    "location", ["http://169.254.169.254/latest", "http://[::1]/", "http://2852039166/", "//10.0.0.1/"]
)
def test_a_redirect_into_the_network_is_refused(stranger: Host, location: str) -> None:
    stranger.answers["/1"] = lambda handler: handler.send(302, b"", Location=location)
    with Photos([]) as photos, pytest.raises(PhotoError, match=PRIVATE):
        photos.read(f"{stranger.url}/1")
    assert stranger.paths == ["/1"]


def test_a_name_is_resolved_once_and_the_checked_address_is_taken(stranger: Host, resolver: Resolver) -> None:
    """A second look-up would lead elsewhere (DNS rebinding), so there must be none."""
    asked = resolver({"shop.example": [["127.0.0.1"], ["127.0.0.2"]]})
    with serving("127.0.0.2") as inside, Photos([]) as photos:
        assert photos.read(stranger.url.replace("127.0.0.1", "shop.example") + "/1") == b"photo"
        assert inside.asked == []
    assert asked == {"shop.example": 1}


def test_a_name_that_leads_elsewhere_at_the_second_attempt_is_refused(stranger: Host, resolver: Resolver) -> None:
    asked = resolver({"shop.example": [["127.0.0.1"], ["127.0.0.2"]]})

    def breaks_off(handler: Any) -> None:
        handler.send(200, b"part", Length=99)
        handler.close_connection = True

    stranger.answers["/1"] = breaks_off
    with Photos([]) as photos, pytest.raises(PhotoError, match=PRIVATE):
        photos.read(stranger.url.replace("127.0.0.1", "shop.example") + "/1")
    assert asked == {"shop.example": 2}


def test_a_redirect_to_a_name_that_leads_inside_is_refused(stranger: Host, resolver: Resolver) -> None:
    resolver({"inside.example": [["10.0.0.1", "fd00::1", "::ffff:192.168.0.1"]]})
    stranger.answers["/1"] = lambda handler: handler.send(307, b"", Location="http://inside.example/latest")
    with Photos([]) as photos, pytest.raises(PhotoError, match=f"inside.example/latest {PRIVATE}"):
        photos.read(f"{stranger.url}/1")


def test_of_mixed_addresses_only_the_public_ones_are_tried(stranger: Host, resolver: Resolver) -> None:
    resolver({"shop.example": [["127.0.0.2", "10.0.0.1", "127.0.0.1"]]})
    port = stranger.url.rpartition(":")[2]
    with Photos([]) as photos:
        assert photos.read(f"http://shop.example:{port}/1") == b"photo"


def test_the_next_address_is_tried_where_one_does_not_answer(host: Host, resolver: Resolver) -> None:
    resolver({"shop.example": [["127.0.0.3", "127.0.0.1"]]})
    with Photos([], allow_private=True) as photos:
        assert photos.read(host.url.replace("127.0.0.1", "shop.example") + "/1") == b"photo"


def test_a_kept_connection_serves_only_the_name_it_was_checked_for(stranger: Host, resolver: Resolver) -> None:
    resolver({"shop.example": [["127.0.0.1"]], "other.example": [["127.0.0.2"]]})
    with Photos([]) as photos:
        photos.read(stranger.url.replace("127.0.0.1", "shop.example") + "/1")
        with pytest.raises(PhotoError, match=PRIVATE):
            photos.read(stranger.url.replace("127.0.0.1", "other.example") + "/1")


def test_a_name_service_that_is_busy_is_asked_again(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    ask, failed = socket.getaddrinfo, []

    def busy(*given: Any, **more: Any) -> Any:
        if not failed:
            failed.append(1)
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return ask(*given, **more)

    monkeypatch.setattr(socket, "getaddrinfo", busy)
    with Photos([], allow_private=True) as photos:
        assert photos.read(f"{host.url}/1") == b"photo"


def test_a_name_that_does_not_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with Photos([]) as photos, pytest.raises(PhotoError, match="has a host that cannot be found"):
        photos.read("http://none.example/1.jpg")
