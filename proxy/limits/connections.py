"""Limits of client connections, for each network and in total. Pure.

A connection is anonymous until its first request with a valid credential. Anonymous connections
have a limit for each network (an IPv4 address or an IPv6 /64), and a total that leaves a reserve
for authenticated callers: new connections from networks with a recent caller, and load balancers
that the operator configured, whose connections carry all clients.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Literal

from config.limit_settings import ConnectionLimits
from management.http.client_address import ClientAddresses, network_of

KNOWN_SECONDS = 3600.0
"""Time for which a network is known after a caller's connection from it."""

MOST_KNOWN = 20_000
"""Networks that are known. The one whose caller is least recent makes room."""

Reason = Literal["total", "reserve", "network"]


class ConnectionPermit:
    """The permit of one connection, released once. ``known``: it has an authenticated caller."""

    __slots__ = ("_connections", "_counted", "_network", "known")

    def __init__(self, connections: "ConnectionLimiter", network: str, *, known: bool) -> None:
        self._connections = connections
        self._network = network
        self._counted = True
        self.known = known

    def become_known(self) -> None:
        """Count the connection as authenticated from now on."""
        if not self.known and self._counted:
            self.known = True
            self._connections.identified(self._network)

    def release(self) -> None:
        """Return the permit."""
        if self._counted:
            self._counted = False
            self._connections.left(self._network, known=self.known)


class ConnectionLimiter:
    """Counts connections, and admits or rejects new ones. One per process.

    ``most`` is the limit in total; ``clock`` is monotonic, in seconds.
    """

    def __init__(
        self,
        limits: ConnectionLimits,
        most: int,
        addresses: ClientAddresses,
        clock: Callable[[], float],
    ) -> None:
        self._most = most
        self._anonymous_limit = most - int(most * limits.reserve)
        self._per_network = limits.per_network
        self._per_known_network = limits.per_known_network
        self._addresses = addresses
        self._clock = clock
        self._by_network: dict[str, int] = {}
        self._known_networks: OrderedDict[str, float] = OrderedDict()
        self.callers = self.anonymous = 0

    def admit(self, address: str) -> ConnectionPermit | Reason:
        """Return the permit of a new connection, or the reason of its rejection."""
        if self._addresses.is_trusted(address):
            return self.admit_balancer()
        if self.callers + self.anonymous >= self._most:
            return "total"
        network = network_of(address)
        is_known = self._knows(network)
        most = self._per_known_network if is_known else self._per_network
        here = self._by_network.get(network, 0)
        if most and here >= most:
            return "network"
        if not is_known and self.anonymous >= self._anonymous_limit:
            return "reserve"
        self._by_network[network] = here + 1
        self.anonymous += 1
        return ConnectionPermit(self, network, known=False)

    def admit_balancer(self) -> ConnectionPermit | Reason:
        """Return the permit of a connection of a load balancer, which carries others' requests."""
        if self.callers + self.anonymous >= self._most:
            return "total"
        self.callers += 1
        return ConnectionPermit(self, "", known=True)

    def identified(self, network: str) -> None:
        """Count an anonymous connection as authenticated. For :class:`ConnectionPermit`."""
        self._forget(network)
        self.callers += 1
        self._known_networks[network] = self._clock()
        self._known_networks.move_to_end(network)
        if len(self._known_networks) > MOST_KNOWN:
            self._known_networks.popitem(last=False)

    def left(self, network: str, *, known: bool) -> None:
        """Stop counting a connection. For :class:`ConnectionPermit`."""
        if known:
            self.callers -= 1
        else:
            self._forget(network)

    def _forget(self, network: str) -> None:
        self.anonymous -= 1
        here = self._by_network[network] - 1
        if here:
            self._by_network[network] = here
        else:
            del self._by_network[network]

    def _knows(self, network: str) -> bool:
        seen = self._known_networks.get(network)
        if seen is None:
            return False
        if self._clock() - seen <= KNOWN_SECONDS:
            return True
        del self._known_networks[network]
        return False
