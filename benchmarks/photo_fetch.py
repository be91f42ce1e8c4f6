"""How long photos by URL take to fetch: two at a time without memory, as once, and as they are now.

Hosts on this machine answer each request after 100 ms, as hosts far away do; the ways are measured in turn.
"""

import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from benchmarks.common import publish, table
from esmm.photos import Photo, Photos, UrlMemory

PHOTOS, LATENCY, ROUNDS = 160, 0.1, 3
PHOTO = bytes(100_000)


class _Host(BaseHTTPRequestHandler):
    """Answers late; a photo that the client has, with a 304."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """Answer for any path."""
        time.sleep(LATENCY)
        known = self.headers["If-None-Match"] == '"1"'
        self.send_response(304 if known else 200)
        self.send_header("ETag", '"1"')
        if not known:
            self.send_header("Content-Length", str(len(PHOTO)))
        self.end_headers()
        if not known:
            self.wfile.write(PHOTO)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def hosts(count: int) -> Iterator[list[str]]:
    """Serve at 127.0.0.1, 127.0.0.2 …; yield the URLs of all photos, hosts in turn."""
    with ExitStack() as end:
        servers = [end.enter_context(ThreadingHTTPServer((f"127.0.0.{n + 1}", 0), _Host)) for n in range(count)]
        for server in servers:
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
            end.callback(server.shutdown)
        sites = [f"http://127.0.0.{n + 1}:{server.server_port}" for n, server in enumerate(servers)]
        yield [f"{sites[n % count]}/{n}.jpg" for n in range(PHOTOS)]


def two_at_a_time(urls: Sequence[str], _: Path) -> None:
    """Fetch as the load once did, each photo over a connection of its own."""

    def one(url: str) -> bytes:
        with Photos([], allow_private=True) as photos:
            return photos.read(url)

    with ThreadPoolExecutor(2) as pool:
        if not all(pool.map(one, urls)):
            raise RuntimeError("a photo is empty")


def now(urls: Sequence[str], memory: Path) -> None:
    """Fetch as the load does: in lanes, over kept connections, with a memory."""
    with closing(UrlMemory(memory)) as known, Photos([], allow_private=True, memory=known) as photos:
        found = photos.find_all(urls, lambda _: True)
    if not all(isinstance(photo, Photo) for photo in found.values()):
        raise RuntimeError("a photo cannot be had")


def timed(way: Callable[[Sequence[str], Path], None], urls: Sequence[str], memory: Path) -> float:
    """Return the seconds that a way takes."""
    begun = time.perf_counter()
    way(urls, memory)
    return time.perf_counter() - begun


def measure(count: int) -> list[list[str]]:
    """Return the rows for so many hosts: seconds as medians, and the ratio to two at a time of each round."""
    rounds = []
    for _ in range(ROUNDS):
        with hosts(count) as urls, tempfile.TemporaryDirectory() as folder:
            memory = Path(folder) / "photo-urls.sqlite"
            rounds.append([timed(way, urls, memory) for way in (two_at_a_time, now, now)])
        print(count, rounds[-1], file=sys.stderr)
    names = ("two at a time, as once", "first run", "second run: all answers 304")
    return [_row(f"{count}", name, number, rounds) for number, name in enumerate(names)]


def _row(count: str, name: str, number: int, rounds: Sequence[Sequence[float]]) -> list[str]:
    ratios = sorted(one[0] / one[number] for one in rounds)
    seconds = sorted(one[number] for one in rounds)[ROUNDS // 2]
    spread = f"{ratios[ROUNDS // 2]:.1f} [{ratios[0]:.1f}, {ratios[-1]:.1f}]" if number else "1"
    return [count, name, f"{seconds:.2f}", f"{PHOTOS / seconds:.0f}", spread]


def main() -> None:
    """Measure and publish."""
    rows = [row for count in (1, 4) for row in measure(count)]
    header = ("hosts", "way", "seconds", "photos/s", f"times faster: median [least, most] of {ROUNDS}")
    title = f"Fetching {PHOTOS} photos of {len(PHOTO) // 1000} kB from hosts that answer after {LATENCY * 1000:.0f} ms"
    publish("photo_fetch", title, [table(header, rows)])


if __name__ == "__main__":
    main()
