"""Photos by URL: within limits of time, size and redirects, and never from inside the network unless allowed.

A catalogue may come from a stranger, and its URLs are fetched from where the indexer runs. So each host name is
resolved once, every address is checked, and the connection goes to the very address that was checked.
"""

import contextlib
import http.client
import ipaddress
import re
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from urllib.parse import quote, urljoin, urlsplit

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from esmm import __version__
from esmm.errors import PhotoError

TIMEOUT = 10.0  # seconds to connect, and between two pieces of an answer
DEADLINE = 30.0  # seconds for one photo with its redirects
MAX_REDIRECTS = 3
ATTEMPTS = 3
FIRST_WAIT = 0.3  # seconds before the second attempt; doubled before the third

_CHUNK = 1 << 16
_ADDRESSES = 3  # of one host, tried in turn
_OK, _BUSY, _SERVER_ERROR = 200, 429, 500
_REDIRECTS = {301, 302, 303, 307, 308}
_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"[a-z0-9._:-]+", re.IGNORECASE)
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
# What cloud machines (Azure, Oracle) ask about themselves; these addresses look public.
_METADATA = {ipaddress.ip_address("168.63.129.16"), ipaddress.ip_address("192.0.0.192")}
_LATER = "Open the address in a browser; run again when it answers."


class _PassingError(PhotoError):
    """May be gone at the next attempt."""


@dataclass(frozen=True, slots=True)
class _Target:
    scheme: str
    host: str
    port: int
    path: str
    query: str

    @property
    def site(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:  # without the query, which may hold a signature
        return f"{self.scheme}://{self.site}{self.path[:100]}"


def fetch(url: str, *, limit: int, allow_private: bool = False) -> bytes:
    """Fetch at most ``limit`` bytes over http or https, with two retries on time-outs and server errors.

    Raises PhotoError, whose sentence leaves out passwords and query strings. Proxies are not used: one would
    resolve the name a second time, unchecked.
    """
    retrying = Retrying(
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_exponential(FIRST_WAIT),
        retry=retry_if_exception_type(_PassingError),
        reraise=True,
    )
    return retrying(_follow, url, limit, allow_private)


def _follow(url: str, limit: int, allow_private: bool) -> bytes:
    until = time.monotonic() + DEADLINE
    for _ in range(MAX_REDIRECTS + 1):
        target = _target(url)
        with _answer(target, allow_private) as response:
            if response.status not in _REDIRECTS:
                return _body(response, target, limit, until)
            url = urljoin(url, response.getheader("Location", ""))
    raise PhotoError(f"{target} is redirected more than {MAX_REDIRECTS} times.", "Give the final address.")


def _target(url: str) -> _Target:
    hint = "Write http://host/path or https://host/path, without a user name."
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").encode("idna").decode()
        port = parts.port or _PORTS[parts.scheme]
    except (ValueError, KeyError) as error:
        raise PhotoError("The address of a photo is no http or https URL.", hint) from error
    if not _HOST.fullmatch(host) or "@" in parts.netloc:
        raise PhotoError("The address of a photo has no usable host, or carries a user name.", hint)
    kept = "/%:@!$&'()*+,;=~?"
    return _Target(parts.scheme, host, port, quote(parts.path or "/", safe=kept[:-1]), quote(parts.query, safe=kept))


@contextlib.contextmanager
def _answer(target: _Target, allow_private: bool) -> Iterator[http.client.HTTPResponse]:
    """Ask, and turn whatever breaks until the answer is read into a PhotoError."""
    headers = {"Host": target.site, "User-Agent": f"esmm/{__version__}", "Accept": "image/*", "Connection": "close"}
    try:
        with contextlib.closing(_connect(target, allow_private)) as sock:
            connection = http.client.HTTPConnection(target.host, target.port)
            connection.sock = sock
            connection.request("GET", f"{target.path}?{target.query}".rstrip("?"), headers=headers)
            with contextlib.closing(connection.getresponse()) as response:
                yield response
    except TimeoutError as error:
        raise _PassingError(f"{target} did not answer in time.", _LATER) from error
    except ssl.SSLCertVerificationError as error:
        raise PhotoError(f"{target} has no certificate that is trusted here.", "Check the address.") from error
    except (OSError, http.client.HTTPException) as error:
        raise _PassingError(f"{target} cannot be reached, or broke off.", _LATER) from error


def _connect(target: _Target, allow_private: bool) -> socket.socket:
    try:
        found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise PhotoError(f"{target} has a host that cannot be found.", "Check the address and the network.") from error
    addresses = [str(entry[4][0]) for entry in found if allow_private or _is_public(str(entry[4][0]))]
    if not addresses:
        hint = "Copy the photos to a folder, or allow private addresses if the catalogue is your own."
        raise PhotoError(f"{target} leads into a private network.", hint)
    *others, last = addresses[:_ADDRESSES]
    for address in others:
        with contextlib.suppress(OSError):
            return _secured(socket.create_connection((address, target.port), TIMEOUT), target)
    return _secured(socket.create_connection((last, target.port), TIMEOUT), target)


def _is_public(address: str) -> bool:
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):  # what counts is the IPv4 address inside, if there is one
        inside = ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF) if ip in _NAT64 else None
        if ip.is_site_local:
            return False
        ip = inside or ip.ipv4_mapped or ip.sixtofour or ip
    return ip.is_global and not ip.is_multicast and not ip.is_reserved and ip not in _METADATA


def _secured(plain: socket.socket, target: _Target) -> socket.socket:
    return plain if target.scheme == "http" else _tls().wrap_socket(plain, server_hostname=target.host)


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


def _body(response: http.client.HTTPResponse, target: _Target, limit: int, until: float) -> bytes:
    if response.status >= _SERVER_ERROR or response.status == _BUSY:
        raise _PassingError(f"{target} answers with status {response.status}.", _LATER)
    if response.status != _OK:
        raise PhotoError(f"{target} answers with status {response.status}.", "Correct the address in the catalogue.")
    data = bytearray()
    while (response.length or 0) <= limit and len(data) <= limit and (chunk := response.read1(_CHUNK)):
        data += chunk
        if time.monotonic() > until:
            raise PhotoError(f"{target} takes longer than {DEADLINE:.0f} seconds.", _LATER)
    if len(data) + (response.length or 0) > limit:
        raise PhotoError(f"{target} is larger than {limit >> 20} MiB.", "Make the photo smaller.")
    if response.length:
        raise http.client.IncompleteRead(bytes(data), response.length)
    return bytes(data)
