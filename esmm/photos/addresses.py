"""Which addresses a photo may be fetched from: never from inside the network, unless that is allowed.

A catalogue may come from a stranger, and its URLs are fetched from where the indexer runs. So each host name is
resolved once for a connection, every address is checked, and the connection goes to the very address that was checked.
"""

import contextlib
import ipaddress
import socket
from collections.abc import Sequence

from esmm.errors import PhotoError
from esmm.photos.urls import Target

_TRIED = 3  # addresses of one host, in turn
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")  # outside of it lie ::127.0.0.1 and local NAT64 prefixes
# What cloud machines (Azure, Oracle) ask about themselves; these addresses look public.
_METADATA = {ipaddress.ip_address("168.63.129.16"), ipaddress.ip_address("192.0.0.192")}


def checked_addresses(target: Target, *, allow_private: bool) -> list[str]:
    """Resolve a host once, and return the addresses that may be connected to, a few at most.

    Raises PhotoError where there is none, and socket.gaierror where the name service answers no for now.
    """
    try:
        found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        if error.errno == socket.EAI_AGAIN:
            raise
        raise PhotoError(f"{target} has a host that cannot be found.", "Check the address and the network.") from error
    addresses = [str(entry[4][0]) for entry in found]
    allowed = [address for address in addresses if allow_private or is_public(address)]
    if not allowed:
        hint = "Copy the photos to a folder, or allow private addresses if the catalogue is your own."
        raise PhotoError(f"{target} leads into a private network.", hint)
    return allowed[:_TRIED]


def is_public(address: str) -> bool:
    """Say whether an address belongs to the internet; of an IPv6 address that holds an IPv4 one, that counts."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inside = ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF) if ip in _NAT64 else ip.ipv4_mapped or ip.sixtofour
        if inside is None and ip not in _GLOBAL_UNICAST:
            return False
        ip = inside or ip
    return ip.is_global and not ip.is_multicast and not ip.is_reserved and ip not in _METADATA


def connected(addresses: Sequence[str], port: int, timeout: float) -> socket.socket:
    """Connect to the first address that answers. Raises OSError."""
    *others, last = addresses
    for address in others:
        with contextlib.suppress(OSError):
            return socket.create_connection((address, port), timeout)
    return socket.create_connection((last, port), timeout)
