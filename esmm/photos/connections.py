"""Connections to the hosts of photos: to checked addresses only, kept for the next photo, never past a deadline."""

import contextlib
import http.client
import io
import socket
import ssl
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from threading import Lock
from weakref import WeakSet

from esmm import __version__
from esmm.photos.addresses import checked_addresses, connected
from esmm.photos.urls import Target

TIMEOUT = 10.0  # seconds to connect, and between two pieces of an answer

_KEPT_SECONDS = 4.0  # servers close idle connections after five seconds and more
_GONE = (ConnectionError, http.client.BadStatusLine)


class Connections:
    """Asks hosts, and keeps a connection whose answer was read to its end. May be used from several threads."""

    def __init__(self, *, allow_private: bool) -> None:
        self._allow_private = allow_private
        self._lock = Lock()
        self._idle: dict[tuple[str, str], list[tuple[float, socket.socket]]] = defaultdict(list)
        self._open: WeakSet[socket.socket] = WeakSet()

    @contextlib.contextmanager
    def ask(self, target: Target, headers: Mapping[str, str], *, until: float) -> Iterator[http.client.HTTPResponse]:
        """Give the answer to a GET, to be read inside the ``with`` and no longer than ``until`` (monotonic seconds).

        Raises OSError, of it TimeoutError, or http.client.HTTPException; PhotoError for an address that is refused.
        """
        sock, response = self._answer(target, _request(target, headers), until)
        try:
            yield response
        except BaseException:
            sock.close()
            raise
        finally:
            whole = response.isclosed() or response.length == 0
            response.close()
        if response.will_close or not whole:
            sock.close()
        else:
            with self._lock:
                self._idle[target.scheme, target.site].append((time.monotonic(), sock))

    def close(self) -> None:
        """Close every connection; who waits for an answer elsewhere gets none."""
        with self._lock:
            for sock in list(self._open):
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
                sock.close()
            self._idle.clear()

    def _answer(self, target: Target, request: bytes, until: float) -> tuple[socket.socket, http.client.HTTPResponse]:
        while sock := self._kept(target):
            with contextlib.suppress(*_GONE):  # closed by the host meanwhile
                return sock, _begun(sock, request, until)
        sock = self._connect(target, until)
        return sock, _begun(sock, request, until)

    def _kept(self, target: Target) -> socket.socket | None:
        while True:
            with self._lock:
                kept = self._idle[target.scheme, target.site]
                if not kept:
                    return None
                since, sock = kept.pop()
            if time.monotonic() - since < _KEPT_SECONDS:
                return sock
            sock.close()

    def _connect(self, target: Target, until: float) -> socket.socket:
        addresses = checked_addresses(target, allow_private=self._allow_private)
        plain = connected(addresses, target.port, _patience(until))
        try:
            sock = plain if target.scheme == "http" else _tls().wrap_socket(plain, server_hostname=target.host)
        except BaseException:
            plain.close()
            raise
        with self._lock:
            self._open.add(sock)
        return sock


class _Timed(io.RawIOBase):
    """What comes from a socket until a moment and no longer, however slowly it drips."""

    def __init__(self, sock: socket.socket, until: float) -> None:
        self._sock, self._until = sock, until

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        self._sock.settimeout(_patience(self._until))
        return self._sock.recv_into(buffer)

    def makefile(self, _: str) -> io.BufferedReader:
        return io.BufferedReader(self)


def _patience(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return min(TIMEOUT, left)


def _request(target: Target, headers: Mapping[str, str]) -> bytes:
    lines = {
        "Host": target.site,
        "User-Agent": f"esmm/{__version__}",
        "Accept": "image/*",
        "Accept-Encoding": "identity",
        **headers,
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"GET {target.asked} HTTP/1.1\r\n{head}\r\n".encode("latin-1")


def _begun(sock: socket.socket, request: bytes, until: float) -> http.client.HTTPResponse:
    """Send a request and read the head of its answer; close the socket if that fails."""
    try:
        sock.settimeout(_patience(until))
        sock.sendall(request)
        response = http.client.HTTPResponse(_Timed(sock, until), method="GET")  # type: ignore[arg-type]
        response.begin()
    except BaseException:
        sock.close()
        raise
    return response


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()
