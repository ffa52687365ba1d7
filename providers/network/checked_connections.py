"""Connections that go only to addresses that a policy allows.

Each connection is checked with its own address, after name resolution and before the first packet.
The name is not resolved again in between. A dialer's connections have no address: their other end
is chosen by the agent, which dials its own API server only.
"""

import socket
import ssl
from typing import Any

import aiohttp

from config.address_policy import AddressPolicy
from config.dialing import Dialer
from providers.network.dialed_connector import DialedConnector
from providers.network.resolver import SharedResolver


class AddressRefused(OSError):
    """Sekisho may not connect to the address. ``reason`` is for operators and for the log."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def check_address(policy: AddressPolicy, address: str, port: int) -> None:
    """Raise AddressRefused if ``policy`` denies a connection to that IP address."""
    here = policy.has_listener(port) and on_this_machine(address)
    reason = policy.refusal(address, port, this_machine=here)
    if reason is not None:
        raise AddressRefused(f"{reason}, where Sekisho may not connect")


def on_this_machine(address: str) -> bool:
    """Return whether an IP address belongs to this machine, without sending anything.

    For a local destination, the kernel chooses the same address as the source.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.connect((address, 9))
            return bool(sock.getsockname()[0] == address)
    except OSError:
        return False


def connector(
    policy: AddressPolicy,
    context: ssl.SSLContext | None = None,
    dialer: Dialer | None = None,
    **options: Any,
) -> aiohttp.BaseConnector:
    """Return a connector for aiohttp that connects to allowed addresses only, or by ``dialer``.

    ``options`` are those of :class:`aiohttp.BaseConnector`.
    """
    if dialer is not None:
        return DialedConnector(dialer, context, **options)

    def checked_socket(info: Any) -> socket.socket:
        family, kind, protocol, _, address = info
        check_address(policy, str(address[0]), int(address[1]))
        return socket.socket(family=family, type=kind, proto=protocol)

    if context is not None:
        options["ssl"] = context
    return aiohttp.TCPConnector(socket_factory=checked_socket, resolver=SharedResolver(), **options)
