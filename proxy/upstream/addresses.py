"""Resolve the name of an upstream host to the addresses that the proxy may connect to."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from typing import Any

from config.address_policy import AddressPolicy
from providers.network.checked_connections import AddressRefused, check_address
from providers.network.name_lookups import LOOKUPS

Resolve = Callable[[asyncio.AbstractEventLoop, str, int], Awaitable[list[Any]]]
"""Returns the results of a resolver for a host and a port. Raises socket.gaierror."""


async def resolve(loop: asyncio.AbstractEventLoop, host: str, port: int) -> list[Any]:
    """Return the results of the process's lookups. Raises socket.gaierror."""
    return await LOOKUPS.look_up(host, port)


async def allowed_addresses(
    loop: asyncio.AbstractEventLoop,
    host: str,
    port: int,
    policy: AddressPolicy,
    resolver: Resolve = resolve,
) -> list[str]:
    """Return the addresses of ``host`` that ``policy`` allows, in the resolver's order.

    Connect to these and don't resolve the name again. Raises socket.gaierror where the name can't
    be resolved, and AddressRefused where no address is allowed.
    """
    refused: AddressRefused | None = None
    allowed: list[str] = []
    for address in await _resolved(loop, host, port, resolver):
        try:
            check_address(policy, address, port)
        except AddressRefused as exc:
            refused = refused or exc
        else:
            allowed.append(address)
    if not allowed:
        raise refused or socket.gaierror(socket.EAI_NONAME, "the name has no address")
    return allowed


async def _resolved(
    loop: asyncio.AbstractEventLoop, host: str, port: int, resolver: Resolve
) -> list[str]:
    try:
        ip_address(host)
    except ValueError:
        found = await resolver(loop, host, port)
        return list(dict.fromkeys(str(info[4][0]) for info in found))
    return [host]
