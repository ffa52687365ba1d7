"""aiohttp's interface to :mod:`providers.network.name_lookups`."""

import socket
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

from providers.network.name_lookups import LOOKUPS

_NUMERIC = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV


class SharedResolver(AbstractResolver):
    """Resolves names for a connector by the lookups of the process."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of a host. Raises OSError, as aiohttp expects of an unknown name."""
        found = await LOOKUPS.look_up(host, port, family=family, flags=socket.AI_ADDRCONFIG)
        return [_result(host, *info) for info in found]

    async def close(self) -> None:
        """Do nothing: the lookups are the process's."""


def _result(
    name: str, family: int, kind: int, protocol: int, canonical: str, address: tuple[Any, ...]
) -> ResolveResult:
    host, port, *more = address
    scope = more[1] if len(more) > 1 else 0
    return ResolveResult(
        hostname=name,
        host=f"{host}%{scope}" if scope else host,
        port=port,
        family=family,
        proto=protocol,
        flags=_NUMERIC,
    )
