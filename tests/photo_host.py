"""A host of photos on this machine that answers as real ones do: well, late, with conditions, or not at all."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Asked:
    """One request: its path, its headers with lower-case names, and the connection it came by."""

    path: str
    headers: dict[str, str]
    connection: tuple[str, int]


@dataclass
class Host:
    """What a host serves, and what it was asked. ``answers`` maps a path to what answers it."""

    url: str = ""
    latency: float = 0.0
    photos: dict[str, bytes] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    answers: "dict[str, Callable[[Handler], None]]" = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    busiest: int = 0
    _busy: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def paths(self) -> list[str]:
        return [one.path for one in self.asked]

    @property
    def statuses(self) -> Counter[int]:
        return Counter(self._statuses)

    _statuses: list[int] = field(default_factory=list)

    def note(self, handler: "Handler") -> None:
        """Count a request in, let it wait, and count it out before the answer: who has that may ask again at once."""
        headers = {name.lower(): value for name, value in handler.headers.items()}
        with self._lock:
            self.asked.append(Asked(handler.path, headers, handler.client_address))
            self._busy += 1
            self.busiest = max(self.busiest, self._busy)
        time.sleep(self.latency)
        with self._lock:
            self._busy -= 1


class Handler(BaseHTTPRequestHandler):
    """Answers by path; a photo with an ETag in ``headers`` is given only if it is another one."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    host: Host

    def do_GET(self) -> None:
        self.host.note(self)
        if self.path in self.host.answers:
            self.host.answers[self.path](self)
        elif (data := self.host.photos.get(self.path)) is None:
            self.send(404, b"no such page")
        elif self._known():
            self.send(304, b"", **self.host.headers)
        else:
            self.send(200, data, **self.host.headers)

    def _known(self) -> bool:
        pairs = (("If-None-Match", "ETag"), ("If-Modified-Since", "Last-Modified"))
        return any(name in self.headers and self.headers[name] == self.host.headers.get(mark) for name, mark in pairs)

    def send(self, status: int, body: bytes, **headers: Any) -> None:
        self.host._statuses.append(status)
        self.send_response(status)
        length = headers.pop("Length", len(body))
        if status != 304 and length is not None:
            self.send_header("Content-Length", str(length))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_: object) -> None:
        """Clients that hang up are part of these tests."""


@contextmanager
def serving(address: str = "127.0.0.1") -> Iterator[Host]:
    """Serve until the end of the block, at a port of its own."""
    host = Host()
    with ExitStack() as end:
        server = end.enter_context(_Server((address, 0), type("OwnHandler", (Handler,), {"host": host})))
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        end.callback(thread.join)
        end.callback(server.shutdown)
        host.url = f"http://{address}:{server.server_port}"
        yield host
