"""Open one connection to an API server within the connect timeout."""

import asyncio
import socket
import ssl
from typing import cast

from config.address_policy import AddressPolicy
from config.dialing import Dialer, DialFailed
from providers.network.addresses import AddressMemory, interleaved
from providers.network.checked_connections import AddressRefused
from providers.network.dialed_connections import Opened, open_dialed
from proxy.transport.client_tls import ContextSource
from proxy.transport.tcp_keepalive import enable_keepalive
from proxy.upstream.addresses import Resolve, allowed_addresses, resolve
from proxy.upstream.connection import ConnectionOwner, UpstreamConnection
from proxy.upstream.errors import UpstreamConnectError
from proxy.upstream.happy_eyeballs import Race
from proxy.upstream.host import UpstreamHost

MAX_UNREAD = 64 * 1024
"""Bytes of undecrypted TLS that are buffered while the client takes no more; after that the kernel
buffers. The last read comes on top. uvloop's default is four times that."""

CONNECT_TIMEOUT = "connect_timeout"
"""The kind of a failure where the host did not answer at all."""

SILENT = frozenset({CONNECT_TIMEOUT, "agent_timeout"})
"""Kinds of failures that a frozen host causes."""

AGENT_FAILURES = {
    "no_agent": "the cluster's agent is not connected",
    "refused": "the cluster's agent can't reach the API server: connection refused",
    "timeout": "the cluster's agent can't reach the API server: no response in time",
    "limit": "the cluster's agent has too many open connections",
    "failed": "the cluster's agent can't reach the API server",
}
"""What a client is shown of a DialFailed, by its kind."""


class Connector:
    """Open connections to the hosts of one cluster.

    ``context`` makes the TLS context for https; ``server_name`` is the name in the certificate,
    where it is not the host's. ``policy`` decides on the address of each connection;
    ``resolver`` resolves names. With a ``dialer``, neither is used: it makes all connections.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        context: ContextSource | None,
        server_name: str | None,
        policy: AddressPolicy,
        resolver: Resolve = resolve,
        dialer: Dialer | None = None,
    ) -> None:
        self._loop = loop
        self._dialer = dialer
        self._context = context
        self._server_name = server_name
        self._policy = policy
        self._resolver = resolver
        self._memory = AddressMemory(loop.time)

    async def connect(
        self, host: UpstreamHost, owner: ConnectionOwner, seconds: float
    ) -> UpstreamConnection:
        """Return a new connection. Raises UpstreamConnectError."""
        try:
            async with asyncio.timeout(seconds):
                if self._dialer is not None:
                    connection = await self._by_dialer(self._dialer, host, owner, seconds)
                else:
                    connection = await self._first_address(host, owner, seconds)
        except DialFailed as exc:
            raise _dial_failure(exc) from exc
        except (OSError, TimeoutError) as exc:
            if isinstance(exc, ssl.SSLError):
                host.forget_session()
            kind, message = _connect_failure(exc)
            raise UpstreamConnectError(message, kind=kind) from exc
        if connection.transport is not None:  # It may have been closed meanwhile.
            _configure_socket(connection.transport)
        return connection

    async def _first_address(
        self, host: UpstreamHost, owner: ConnectionOwner, seconds: float
    ) -> UpstreamConnection:
        """Connect to the first of the host's addresses that answers. Raises OSError."""
        allowed = await allowed_addresses(
            self._loop, host.name, host.port, self._policy, self._resolver
        )
        addresses = self._memory.order(interleaved(allowed, lambda one: ":" in one))

        async def connect(address: str) -> UpstreamConnection:
            return await self._connect_to(host, owner, address, seconds)

        return await Race(connect, _discard, self._memory.failed).run(addresses)

    async def _by_dialer(
        self, dialer: Dialer, host: UpstreamHost, owner: ConnectionOwner, seconds: float
    ) -> UpstreamConnection:
        """Connect by the dialer. Raises OSError."""
        if self._context is None or not host.tls:
            raise DialFailed("failed", "connections through an agent need TLS")
        context = host.tls_context(self._context())

        async def open_on(sock: socket.socket) -> Opened[asyncio.Protocol]:
            return await self._loop.create_connection(
                lambda: cast(asyncio.Protocol, UpstreamConnection(self._loop, host, owner)),
                sock=sock,
                ssl=context,
                server_hostname=self._server_name or host.name,
                ssl_handshake_timeout=seconds,
            )

        _, connection = await open_dialed(dialer, seconds, open_on)
        return cast(UpstreamConnection, connection)

    async def _connect_to(
        self, host: UpstreamHost, owner: ConnectionOwner, address: str, seconds: float
    ) -> UpstreamConnection:
        _, connection = await self._loop.create_connection(
            # Not derived from asyncio.Protocol: compiled classes cannot have that base.
            lambda: cast(asyncio.Protocol, UpstreamConnection(self._loop, host, owner)),
            address,
            host.port,
            # Without a context, the two arguments below make a host with https an error.
            ssl=host.tls_context(self._context()) if self._context and host.tls else None,
            server_hostname=(self._server_name or host.name) if host.tls else None,
            # uvloop's objects for a request that is cancelled meanwhile live this long; its
            # default is a minute.
            ssl_handshake_timeout=seconds if host.tls else None,
        )
        return cast(UpstreamConnection, connection)


def _discard(connection: UpstreamConnection) -> None:
    connection.abort()


def _dial_failure(exc: DialFailed) -> UpstreamConnectError:
    kind = exc.kind if exc.kind in AGENT_FAILURES else "failed"
    shown = AGENT_FAILURES[kind]
    message = shown if kind == "no_agent" else f"{shown} ({exc})"
    return UpstreamConnectError(message, kind=f"agent_{kind}", shown=shown)


def _connect_failure(exc: Exception) -> tuple[str, str]:
    """Return the metric's label for a failed connection, and a message."""
    if isinstance(exc, ssl.SSLCertVerificationError):
        return "certificate", "the API server's certificate can't be verified"
    if isinstance(exc, ssl.SSLError):
        return "tls", "no TLS connection to the API server could be made"
    if isinstance(exc, TimeoutError):
        return CONNECT_TIMEOUT, "the API server can't be reached: the connection timed out"
    if isinstance(exc, socket.gaierror):
        return "resolve", "the API server's name can't be resolved"
    if isinstance(exc, AddressRefused):
        return "address", "the API server's address is not one that Sekisho may connect to"
    if isinstance(exc, ConnectionRefusedError):
        return "refused", "the API server can't be reached: connection refused"
    return "connect", "the API server can't be reached"


def _configure_socket(transport: asyncio.Transport) -> None:
    """Limit unread data, and detect a vanished peer of an idle watch in a minute, not in hours."""
    # TLS transports have it, asyncio's as well as uvloop's; others do not read ahead.
    limit_unread = getattr(transport, "set_read_buffer_limits", None)
    if limit_unread is not None:
        limit_unread(high=MAX_UNREAD)
    enable_keepalive(transport, idle=30, interval=10, times=3)
    sock = transport.get_extra_info("socket")
    is_tcp = sock is not None and sock.family in {socket.AF_INET, socket.AF_INET6}
    if is_tcp and hasattr(socket, "TCP_NODELAY"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
