"""Photos by URL: within limits of time, size and redirects, patient with busy hosts, not fetched twice for nothing."""

import contextlib
import http.client
import ssl
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from esmm.content import content_key
from esmm.errors import PhotoError
from esmm.photos.connections import Connections
from esmm.photos.hosts import Hosts
from esmm.photos.memory import Remembered, UrlMemory, remembered
from esmm.photos.photo import Photo
from esmm.photos.urls import Target, redirected, target_of

DEADLINE = 30.0  # seconds for one answer, from the first look-up to the last byte
MAX_REDIRECTS = 3
ATTEMPTS = 3
FIRST_WAIT = 0.3  # seconds before the second attempt; doubled before the third

_CHUNK = 1 << 16
_OK, _NOT_MODIFIED, _BUSY, _SERVER_ERROR = 200, 304, 429, 500
_REDIRECTS = {301, 302, 303, 307, 308}


class _HostError(PhotoError):
    """Lies in the host, not in the photo."""

    def __init__(self, target: Target, what: str) -> None:
        super().__init__(f"{target} {what}.", "Open the address in a browser; run again when it answers.")
        self.site = target.site


class _PassingError(_HostError):
    """May be gone at the next attempt."""


class Fetcher:
    """Fetches photos of at most ``limit`` bytes. May be used from several threads.

    Proxies are not used: one would resolve the name a second time, unchecked.
    """

    def __init__(self, *, limit: int, allow_private: bool, memory: UrlMemory | None) -> None:
        self._limit, self._memory, self._hosts = limit, memory, Hosts()
        self._connections = Connections(allow_private=allow_private)

    def fetch(self, url: str, known: Callable[[bytes], bool]) -> Photo:
        """Fetch a photo over http or https, with two retries on time-outs and server errors.

        ``known`` says of a content key that the bytes are not needed; then a host is asked only whether they are the
        same, or nobody is. Raises PhotoError, whose sentence leaves out passwords and query strings.
        """
        retrying = Retrying(
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_exponential(FIRST_WAIT),
            retry=retry_if_exception_type(_PassingError),
            reraise=True,
        )
        try:
            return retrying(self._follow, url, known)
        except _HostError as error:
            self._hosts.failed(error.site)
            raise

    def close(self) -> None:
        """Close every connection; whoever still fetches gets a PhotoError soon."""
        self._hosts.close()
        self._connections.close()

    def _follow(self, url: str, known: Callable[[bytes], bool]) -> Photo:
        for _ in range(MAX_REDIRECTS + 1):
            target = target_of(url)
            found = self._at(target, known)
            if isinstance(found, Photo):
                return found
            url = redirected(url, found)
        raise PhotoError(f"{target} is redirected more than {MAX_REDIRECTS} times.", "Give the final address.")

    def _at(self, target: Target, known: Callable[[bytes], bool]) -> Photo | str:
        """Return the photo at a URL, or where it is redirected to."""
        earlier = self._memory.get(target.key) if self._memory else None
        if earlier is None or not known(earlier.content):
            earlier = None
        elif self._memory and self._memory.is_fresh(earlier):
            return Photo(earlier.content, None)
        self._hosts.wait(target.site)
        until = time.monotonic() + DEADLINE
        headers = earlier.conditions if earlier else {}
        with _named(target, until), self._connections.ask(target, headers, until=until) as response:
            self._heed(target, response)
            if response.status in _REDIRECTS:
                return response.getheader("Location", "")
            if response.status == _NOT_MODIFIED and earlier:
                return self._remember(target, Photo(earlier.content, None), earlier.renewed(response.headers))
            if response.status != _OK:
                what = f"{target} answers with status {response.status}."
                raise PhotoError(what, "Correct the address in the catalogue.")
            data = _body(response, target, self._limit)
        key = content_key(data)
        return self._remember(target, Photo(key, data), remembered(key, response.headers))

    def _remember(self, target: Target, photo: Photo, what: Remembered | None) -> Photo:
        if self._memory and what:
            self._memory.put(target.key, what)
        return photo

    def _heed(self, target: Target, response: http.client.HTTPResponse) -> None:
        """Leave a host alone that is busy or in trouble, for as long as it says."""
        if response.status >= _SERVER_ERROR or response.status == _BUSY:
            self._hosts.pause(target.site, _seconds(response.getheader("Retry-After", "")))
            raise _PassingError(target, f"answers with status {response.status}")
        self._hosts.answered(target.site)


@contextlib.contextmanager
def _named(target: Target, until: float) -> Iterator[None]:
    """Turn whatever breaks until an answer is read into a PhotoError."""
    try:
        yield
    except TimeoutError as error:
        if time.monotonic() >= until:
            raise _HostError(target, f"takes longer than {DEADLINE:.0f} seconds") from error
        raise _PassingError(target, "did not answer in time") from error
    except ssl.SSLCertVerificationError as error:
        raise PhotoError(f"{target} has no certificate that is trusted here.", "Check the address.") from error
    except (OSError, http.client.HTTPException) as error:
        raise _PassingError(target, "cannot be reached, or broke off") from error


def _body(response: http.client.HTTPResponse, target: Target, limit: int) -> bytes:
    data = bytearray()
    while (response.length or 0) <= limit and len(data) <= limit and (chunk := response.read1(_CHUNK)):
        data += chunk
    if len(data) + (response.length or 0) > limit:
        raise PhotoError(f"{target} is larger than {limit >> 20} MiB.", "Make the photo smaller.")
    if response.length:
        raise http.client.IncompleteRead(bytes(data), response.length)
    return bytes(data)


def _seconds(wait: str) -> float:
    """Return how long a Retry-After header asks to wait: seconds, or a date; 0 where it says neither."""
    if wait.isascii() and wait.isdigit():
        return float(wait[:9])
    try:
        return max(0.0, (parsedate_to_datetime(wait) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):  # TypeError: a date without its zone
        return 0.0
