"""The policy on addresses to which Sekisho connects. Pure: no sockets, no resolver.

Users who may import clusters choose the host names that Sekisho connects to. Without a policy an
import can probe the server's own network: its loopback services, a cloud's metadata service,
Sekisho's listeners. The policy checks the address of each connection after name resolution, so that
a name that resolves differently later is checked again (DNS rebinding).

Private networks are allowed, because most clusters are in one. See
docs/decisions/0030-addresses-of-clusters.md.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Self

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address

DENIED_BY_DEFAULT: dict[str, tuple[str, ...]] = {
    "a loopback address": ("127.0.0.0/8", "::1/128"),
    "a link-local address": ("169.254.0.0/16", "fe80::/10"),
    "a cloud's metadata service": (
        "100.100.100.200/32",
        "168.63.129.16/32",
        "192.0.0.192/32",
        "fd00:ec2::/32",
        "fd20:ce::254/128",
    ),
}
"""Networks that only a setting, or an import by the operator, allows."""

NEVER: dict[str, tuple[str, ...]] = {
    "an unspecified address": ("0.0.0.0/8", "::/128"),
    "a multicast address": ("224.0.0.0/4", "ff00::/8"),
    "a broadcast or reserved address": ("240.0.0.0/4",),
    "an IPv4 address written as IPv6": ("::ffff:0:0/96", "::/96"),
    "a tunnel to an IPv4 address": ("2002::/16", "2001::/32"),
}
"""Networks in which no API server can be. No setting allows them."""

_TRANSLATED = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"))
"""NAT64 (RFC 6052, RFC 8215): the last 32 bits are the IPv4 address that is reached."""


@dataclass(frozen=True, slots=True)
class AddressRule:
    """The decision about a network. ``why`` completes the sentence "127.0.0.1 is …"."""

    network: Network
    allowed: bool
    why: str


def _rules(networks: dict[str, tuple[str, ...]]) -> tuple[AddressRule, ...]:
    return tuple(
        AddressRule(ip_network(one), False, why)
        for why, listed in networks.items()
        for one in listed
    )


_NEVER = _rules(NEVER)


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """The rules that decide whether Sekisho may connect to an address.

    The rule with the most specific network decides; among equally specific ones, the last. An
    address without a rule is allowed. ``trusted`` are single addresses that an import by the
    operator allows although they are denied by default. ``listeners`` are host and port of each of
    Sekisho's listeners; an empty host means every address of this machine.
    """

    rules: tuple[AddressRule, ...] = ()
    trusted: frozenset[str] = frozenset()
    listeners: frozenset[tuple[str, int]] = frozenset()
    unrestricted: bool = False

    @classmethod
    def of(
        cls,
        allow: Iterable[str] = (),
        deny: Iterable[str] = (),
        listeners: Collection[tuple[str, int]] = (),
    ) -> Self:
        """Return the default policy with an operator's networks. Raises ValueError."""
        return cls(
            (
                *_rules(DENIED_BY_DEFAULT),
                *(
                    AddressRule(ip_network(one), True, "in clusters.allow_networks")
                    for one in allow
                ),
                *(AddressRule(ip_network(one), False, f"{_DENIED} ({one})") for one in deny),
            ),
            listeners=frozenset(listeners),
        )

    def trusting(self, addresses: Iterable[str]) -> "AddressPolicy":
        """Return the policy with those addresses trusted."""
        trusted = frozenset(str(_reached(_canonical(one))) for one in addresses)
        return self if trusted == self.trusted else replace(self, trusted=trusted)

    def refusal(self, address: str, port: int, *, this_machine: bool = False) -> str | None:
        """Return why a connection is denied, as part of a sentence; None if it is allowed.

        ``this_machine``: the address belongs to this machine.
        """
        if self.unrestricted:
            return None
        try:
            found = _canonical(address)
        except ValueError:
            return f"{address} is not an IP address"
        never = _most_specific(_NEVER, found)
        if never is not None and not found.is_loopback:
            return f"{address} is {never.why}"
        reached = _reached(found)
        if self._is_listener(reached, port, this_machine):
            return f"{address} port {port} is a listener of Sekisho"
        return self._denied_network(reached, address)

    def has_listener(self, port: int) -> bool:
        """Return whether a listener of Sekisho has that port on any address."""
        return any(port == listening for _, listening in self.listeners)

    def may_be_trusted(self, address: str, port: int, *, this_machine: bool = False) -> bool:
        """Return whether an import by the operator may allow an address that is denied.

        True for an address that is denied by default, but not by the operator's settings.
        """
        trusting = self.trusting([*self.trusted, address])
        return trusting.refusal(address, port, this_machine=this_machine) is None

    def _denied_network(self, reached: Address, shown: str) -> str | None:
        rule = _most_specific(self.rules, reached)
        if rule is None or rule.allowed:
            return None
        if str(reached) in self.trusted and not rule.why.startswith(_DENIED):
            return None
        return f"{shown} is {rule.why}"

    def _is_listener(self, address: Address, port: int, this_machine: bool) -> bool:
        here = this_machine or address.is_loopback
        return any(
            port == listening and (here if host in _ANY_HOST else _same_host(host, address, here))
            for host, listening in self.listeners
        )


DEFAULT_POLICY = AddressPolicy.of()
"""The policy without settings."""

ANY_ADDRESS = AddressPolicy(unrestricted=True)
"""The policy of programs whose own user chooses the address: the command line in a cluster."""

_DENIED = "in clusters.deny_networks"
_ANY_HOST = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - compared, not bound


def _same_host(host: str, address: Address, here: bool) -> bool:
    try:
        return ip_address(host) == address
    except ValueError:
        return here  # A name such as localhost.


def _canonical(address: str) -> Address:
    return ip_address(address.partition("%")[0])


def _reached(address: Address) -> Address:
    """Return the IPv4 address behind a NAT64 address, or ``address`` itself."""
    if isinstance(address, IPv6Address) and any(address in one for one in _TRANSLATED):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _most_specific(rules: Iterable[AddressRule], address: Address) -> AddressRule | None:
    found: AddressRule | None = None
    for rule in rules:
        if rule.network.version != address.version or address not in rule.network:
            continue
        if found is None or rule.network.prefixlen >= found.network.prefixlen:
            found = rule
    return found
