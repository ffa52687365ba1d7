"""Find the client's address behind load balancers. Pure.

``X-Forwarded-For`` is trusted only from the load balancers that the operator configured, and only
as far as they wrote it: read from its end, the first address that is not a load balancer's is the
client's. Everything before it may be made up by the client.
"""

import ipaddress
from collections.abc import Sequence
from functools import lru_cache

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

MAX_HOPS = 32


class ClientAddresses:
    """Find client addresses. ``trusted`` are addresses or networks of load balancers."""

    def __init__(self, trusted: Sequence[str] = ()) -> None:
        self._trusted: list[Network] = [ipaddress.ip_network(one) for one in trusted]
        self.trusts_no_proxy = not self._trusted
        """Whether no load balancer is trusted: the connection's address counts."""

    def of(self, remote: str | None, forwarded_for: Sequence[str]) -> str:
        """Return the client's address.

        ``remote`` is the connection's address, ``forwarded_for`` the values of its
        ``X-Forwarded-For`` lines. A value that is no address ends the search; the load balancer
        that sent it is returned.
        """
        address = remote or ""
        if not self.is_trusted(address):
            return address
        for hop in _last_hops(forwarded_for):
            if not _is_address(hop):
                return address
            address = hop
            if not self.is_trusted(hop):
                return address
        return address

    def is_trusted(self, address: str) -> bool:
        """Return whether ``address`` is a configured load balancer's."""
        if not self._trusted or not _is_address(address):
            return False
        parsed = ipaddress.ip_address(address)
        mapped = getattr(parsed, "ipv4_mapped", None)
        return any((mapped or parsed) in network for network in self._trusted)


@lru_cache(maxsize=4096)
def network_of(address: str) -> str:
    """Return the network that one subscriber usually has: an IPv4 address, or an IPv6 /64.

    A text that is no address is returned as its own network, truncated to the length of an address.
    """
    if not _is_address(address):
        return address[:_LONGEST_ADDRESS]
    parsed = ipaddress.ip_address(address)
    if isinstance(parsed, ipaddress.IPv4Address):
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((int(parsed) >> 64 << 64, 64)))


def _last_hops(forwarded_for: Sequence[str]) -> list[str]:
    """Return the last hops, the last one first. Earlier ones are not even split."""
    hops: list[str] = []
    for line in reversed(forwarded_for[-MAX_HOPS:]):
        parts = line.rsplit(",", MAX_HOPS)
        hops += [hop.strip() for hop in reversed(parts[-MAX_HOPS:])]
        if len(hops) >= MAX_HOPS:
            break
    return hops[:MAX_HOPS]


_LONGEST_ADDRESS = 45


def _is_address(text: str) -> bool:
    # A zone ("%eth0") may have any length and means nothing on another machine.
    if len(text) > _LONGEST_ADDRESS or "%" in text:
        return False
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
