"""From which address a request really came, where load balancers stand in between. Pure.

``X-Forwarded-For`` is believed only of the balancers that the operator named, and only as far as
they wrote it: read from its end, the first address that isn't a balancer's is the client's.
Whatever stands before it, the client may have made up.
"""

import ipaddress
from collections.abc import Sequence

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

MAX_HOPS = 32


class ClientAddresses:
    """Tells client addresses. ``trusted`` are addresses or networks of load balancers."""

    def __init__(self, trusted: Sequence[str] = ()) -> None:
        self._trusted: list[Network] = [ipaddress.ip_network(one) for one in trusted]

    def of(self, remote: str | None, forwarded_for: Sequence[str]) -> str:
        """The client's address.

        ``remote`` is the connection's, ``forwarded_for`` the values of its ``X-Forwarded-For``
        lines. What can't be read as an address ends the search: the balancer before it is named.
        """
        address = remote or ""
        if not self._trusted or not self._is_trusted(address):
            return address
        hops = [hop.strip() for line in forwarded_for for hop in line.split(",")]
        for hop in reversed(hops[-MAX_HOPS:]):
            if not _is_address(hop):
                return address
            address = hop
            if not self._is_trusted(hop):
                return address
        return address

    @property
    def trusts_nobody(self) -> bool:
        """Whether the connection's own address is always the client's."""
        return not self._trusted

    def _is_trusted(self, address: str) -> bool:
        if not _is_address(address):
            return False
        parsed = ipaddress.ip_address(address)
        mapped = getattr(parsed, "ipv4_mapped", None)
        return any((mapped or parsed) in network for network in self._trusted)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
