"""How the hosts of photos fare, and whom to leave alone: a dead host costs a load seconds, not hours."""

import time
from dataclasses import dataclass
from threading import Event, Lock

from esmm.errors import PhotoError

LONGEST_WAIT = 30.0  # seconds; whoever is to be left alone for longer costs its photos at once
FAULTS = 5  # photos in a row after which a host is left alone
REST = 60.0  # seconds, doubled with each further photo that cannot be had
_LONGEST_REST = 3600.0


@dataclass(slots=True)
class _Host:
    faults: int = 0
    until: float = 0.0


class Hosts:
    """Counts faults in a row and keeps to what hosts ask for. May be used from several threads."""

    def __init__(self) -> None:
        self._hosts: dict[str, _Host] = {}
        self._lock, self._closed = Lock(), Event()

    def wait(self, site: str) -> None:
        """Return once a host may be asked. Raises PhotoError where that is too long off, or after :meth:`close`."""
        with self._lock:
            left = self._host(site).until - time.monotonic()
        if left > LONGEST_WAIT:
            why = "it asked for that, or failed several times in a row"
            raise PhotoError(f"{site} is left alone for {left:.0f} seconds: {why}.", "Run again later.")
        if self._closed.wait(max(0.0, left)):
            raise PhotoError(f"{site} is not asked any more: the run has ended.", "Run again.")

    def close(self) -> None:
        """Let nobody wait or ask any more."""
        self._closed.set()

    def pause(self, site: str, seconds: float) -> None:
        """Leave a host alone for so long."""
        with self._lock:
            host = self._host(site)
            host.until = max(host.until, time.monotonic() + seconds)

    def answered(self, site: str) -> None:
        """Note that a host answers; what it was to be left alone for stays."""
        with self._lock:
            self._host(site).faults = 0

    def failed(self, site: str) -> None:
        """Note a photo that could not be had for a reason that lies in its host."""
        with self._lock:
            host = self._host(site)
            host.faults += 1
            beyond = host.faults - FAULTS
        if beyond >= 0:
            self.pause(site, min(REST * 2 ** min(beyond, 10), _LONGEST_REST))

    def _host(self, site: str) -> _Host:
        return self._hosts.setdefault(site, _Host())
