"""A small real HTTP server: it answers by a function, or stands before a real node and gets in its way."""

import http.client
import json
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

JSON = "application/vnd.elasticsearch+json;compatible-with=9"


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    body: bytes
    headers: dict[str, str]

    @property
    def is_bulk(self) -> bool:
        return "/_bulk" in self.path


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False  # break off in the middle of the body


DROP = Answer(0)  # close the connection without a word


def elastic(status: int, body: Any, **headers: str) -> Answer:
    """An answer as Elasticsearch gives it."""
    return Answer(
        status, json.dumps(body).encode(), {"X-elastic-product": "Elasticsearch", "Content-Type": JSON} | headers
    )


def refusal(status: int, kind: str, reason: str) -> Answer:
    """An error answer with Elasticsearch's own form."""
    error = {"type": kind, "reason": reason}
    return elastic(status, {"error": {"root_cause": [error], **error}, "status": status})


@contextmanager
def serve(reply: Callable[[Request], Answer]) -> Iterator[str]:
    """Answer every request by ``reply``; yield the address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except (ConnectionError, ValueError):  # the client hung up: Ctrl-C, a time-out
                self.close_connection = True

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            answer = reply(Request(self.command, self.path, body, {k.lower(): v for k, v in self.headers.items()}))
            if answer is DROP:
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.body[: len(answer.body) // 2] if answer.cut else answer.body)
            self.close_connection = self.close_connection or answer.cut

        do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _answer  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def forward(target: str, request: Request, *, body: bytes | None = None) -> Answer:
    """Ask the real node; where it does not answer, neither does this."""
    place = urlsplit(target)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=60)
    try:
        kept = {k: v for k, v in request.headers.items() if k in ("accept", "content-type", "authorization")}
        connection.request(request.method, request.path, request.body if body is None else body, kept)
        answer = connection.getresponse()
        passed = {k: v for k, v in answer.getheaders() if k.lower() in ("content-type", "x-elastic-product")}
        return Answer(answer.status, answer.read(), passed)
    except (OSError, http.client.HTTPException):
        return DROP
    finally:
        connection.close()


@contextmanager
def proxy(target: str, fault: Callable[[Request], Answer | None]) -> Iterator[str]:
    """Stand in front of a node: ``fault`` answers in its place, or returns None to let the request through."""
    with serve(lambda request: fault(request) or forward(target, request)) as url:
        yield url


class NthBulk:
    """Counts bulk requests; calls ``act`` for those whose number is asked for."""

    def __init__(self, act: Callable[[Request], Answer | None], *numbers: int) -> None:
        self.act, self.numbers, self.seen = act, numbers, 0
        self._lock = threading.Lock()

    def __call__(self, request: Request) -> Answer | None:
        if not request.is_bulk:
            return None
        with self._lock:
            self.seen += 1
            number = self.seen
        return self.act(request) if number in self.numbers else None


class RandomFaults:
    """Gets in the way of some requests, drawn from a seed; counts what it did.

    ``share`` of all requests meet one of KINDS (its weight beside it). The client is taken to wait ``patience`` seconds
    for an answer. Bulk requests over ``limit`` bytes are answered 413, each time.
    """

    KINDS = {"429": 4, "503": 4, "lost request": 3, "lost answer": 3, "cut off": 3, "slow": 3, "hangs": 0.05}  # noqa: RUF012

    def __init__(self, target: str, *, seed: int, share: float, patience: float = 60, limit: int = 1 << 30) -> None:
        self.target, self.share, self.patience, self.limit = target, share, patience, limit
        self.met: Counter[str] = Counter()
        self._random, self._lock = random.Random(seed), threading.Lock()

    def __call__(self, request: Request) -> Answer | None:
        with self._lock:
            struck = self._random.random() < self.share
            kind = self._random.choices([*self.KINDS], [*self.KINDS.values()])[0] if struck else ""
            if request.is_bulk and len(request.body) > self.limit:
                kind = "413"
            self.met[kind] += 1
        return getattr(self, f"_{kind.replace(' ', '_')}")(request) if kind else None

    def _429(self, _: Request) -> Answer:
        answer = refusal(429, "es_rejected_execution_exception", "rejected execution of coordinating operation")
        return replace(answer, headers=answer.headers | {"Retry-After": "1"})

    def _503(self, _: Request) -> Answer:
        return Answer(503, b"<html>no backend</html>", {"Content-Type": "text/html"})

    def _413(self, _: Request) -> Answer:
        return Answer(413, b"<html>413 Request Entity Too Large</html>", {"Content-Type": "text/html"})

    def _lost_request(self, _: Request) -> Answer:
        return DROP

    def _lost_answer(self, request: Request) -> Answer:
        forward(self.target, request)
        return DROP

    def _cut_off(self, request: Request) -> Answer:
        answer = forward(self.target, request)
        return answer if answer is DROP else replace(answer, cut=True)

    def _slow(self, request: Request) -> Answer:
        time.sleep(self.patience / 30)
        return forward(self.target, request)

    def _hangs(self, request: Request) -> Answer:
        time.sleep(self.patience * 1.1)
        return forward(self.target, request)
