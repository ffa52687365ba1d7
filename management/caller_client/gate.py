"""The gate of this process, as a way to clusters in a caller's name."""

import asyncio
import importlib
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import ModuleType
from typing import Protocol, cast
from urllib.parse import quote

import aiohttp

from config.dialing import DialFailed
from management.caller_client.client import (
    DEFAULT_LIMITS,
    CallerClient,
    ReadLimits,
    SendsRequests,
)
from providers.http.response_body import open_session
from providers.network.dialed_connector import PlainDialedConnector

GENERATED = "management.caller_client.generated_client"

CONNECTIONS = 32
"""Connections of one caller's request at a time: its watches, and some more."""

MAX_USER_AGENT = 200
"""Characters of a user agent that are passed on to the gate's logs."""

_HOST = "http://gate"
"""Never resolved: the connection is made already."""


@dataclass(frozen=True, slots=True)
class OnBehalf:
    """The caller of a request that is continued to a cluster.

    ``bearer`` is the caller's own credential, ``address`` the client's, and ``request_id`` that of
    the request, from which the ids of the requests to the cluster are derived.
    """

    bearer: str = field(repr=False)
    address: str
    request_id: str
    user_agent: str = ""


Dial = Callable[[str], Awaitable[socket.socket]]
"""Connects to the gate, on behalf of the client at an address. Raises DialFailed."""


async def no_gate(address: str) -> socket.socket:
    """Raise DialFailed: this process has no gate."""
    raise DialFailed("failed", "this process serves no requests to clusters")


class _OfAddress:
    """A dialer to the gate on behalf of one client."""

    ways = 0
    suspended_at = 0.0

    def __init__(self, dial: Dial, address: str) -> None:
        self._dial = dial
        self._address = address

    async def dial(self, seconds: float) -> socket.socket:
        """Return a socket that is connected to the gate. Raises DialFailed."""
        return await self._dial(self._address)


class _Generated(Protocol):
    def GeneratedClient(  # noqa: N802
        self, session: aiohttp.ClientSession, url: str, bearer: str, user_agent: str
    ) -> SendsRequests:
        """Create a client."""


class Gate:
    """Makes clients that send requests through the gate. One per process."""

    def __init__(self, dial: Dial, limits: ReadLimits = DEFAULT_LIMITS) -> None:
        self._dial = dial
        self._limits = limits
        self._importing: asyncio.Task[ModuleType] | None = None

    def client(self, cluster: str, caller: OnBehalf) -> CallerClient:
        """Return a client for a cluster, by its name. Use it with ``async with``."""

        async def connect() -> SendsRequests:
            generated = await self._generated()
            dialer = _OfAddress(self._dial, caller.address)
            session = open_session(connector=PlainDialedConnector(dialer, limit=CONNECTIONS))
            url = f"{_HOST}/k8s/clusters/{quote(cluster, safe='')}"
            agent = caller.user_agent[:MAX_USER_AGENT]
            return generated.GeneratedClient(session, url, caller.bearer, agent)

        return CallerClient(connect, cluster, caller.request_id, self._limits)

    async def _generated(self) -> _Generated:
        """Import the client of kubernetes-asyncio in a thread, once."""
        if self._importing is None or (
            self._importing.done() and self._importing.exception() is not None
        ):
            self._importing = asyncio.ensure_future(
                asyncio.to_thread(importlib.import_module, GENERATED)
            )
        return cast("_Generated", await asyncio.shield(self._importing))
