"""URLs of photos: taken apart and checked before anything is asked."""

import re
from dataclasses import dataclass
from urllib.parse import quote, urljoin, urlsplit

from esmm.content import content_key
from esmm.errors import PhotoError

_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"[a-z0-9._:-]+", re.IGNORECASE)
_KEPT = "/%:@!$&'()*+,;=~"
_LONGEST_SITE = 300  # a host has 253 characters at most; what stands in the catalogue itself has millions
_HINT = "Write http://host/path or https://host/path, without a user name."


@dataclass(frozen=True, slots=True)
class Target:
    """What to ask, and whom; as text it leaves out the query, which may hold a signature."""

    scheme: str
    host: str
    port: int
    path: str
    query: str

    @property
    def site(self) -> str:
        """The host, with its port unless that is the usual one."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def asked(self) -> str:
        """Path and query, as they stand in a request."""
        return f"{self.path}?{self.query}" if self.query else self.path

    @property
    def key(self) -> bytes:
        """16 bytes that stand for the whole URL, whatever secrets are in it."""
        return content_key(f"{self.scheme}://{self.site}{self.asked}")

    def __str__(self) -> str:
        return f"{self.scheme}://{self.site}{self.path[:100]}"


def target_of(url: str) -> Target:
    """Take a URL apart. Raises PhotoError, without quoting it, for one that is no http or https URL."""
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").encode("idna").decode()
        port = parts.port or _PORTS[parts.scheme]
    except (ValueError, KeyError) as error:
        raise PhotoError("The address of a photo is no http or https URL.", _HINT) from error
    if parts.scheme not in _PORTS or not _HOST.fullmatch(host) or "@" in parts.netloc:
        raise PhotoError("The address of a photo has no usable host, or carries a user name.", _HINT)
    return Target(parts.scheme, host, port, quote(parts.path or "/", safe=_KEPT), quote(parts.query, safe=f"{_KEPT}?"))


def redirected(url: str, location: str) -> str:
    """Return where a redirect leads; headers come as Latin-1, and servers write UTF-8 into them all the same."""
    try:
        return urljoin(url, location.encode("latin-1").decode(errors="replace"))
    except ValueError as error:
        raise PhotoError("A photo is redirected to what is no http or https URL.", _HINT) from error


def site_of(reference: str) -> str:
    """Return the host that a reference is fetched from, or an empty text where it is no URL."""
    try:
        return urlsplit(reference.strip()[:_LONGEST_SITE]).netloc.lower()
    except ValueError:
        return ""
