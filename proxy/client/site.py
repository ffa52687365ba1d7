"""The main listener. It counts connections by address before it spends anything on them.

asyncio's own servers do not report a connection before its TLS handshake is complete, so one client
could hold as many incomplete ones as there are descriptors. This listener accepts each connection
itself, grants it a permit or closes it, and limits the time of its handshake. If load balancers
announce the addresses of their clients, these are what is counted.
"""

import asyncio
import errno
import socket
import ssl
import struct
from collections.abc import Callable

from aiohttp import web

from config.loggers import get_logger
from proxy.client.aiohttp_internals import set_server
from proxy.client.announced_address import AnnouncedAddresses
from proxy.client.proxy_header import InvalidHeader
from proxy.client.server import ProxyServer
from proxy.limits.connections import ConnectionLimiter, ConnectionPermit, Reason

HANDSHAKE_SECONDS = 10.0
"""Time limit of a TLS handshake."""

_BATCH = 64
"""Connections that are accepted from a listener before the event loop turns."""

_PAUSE_SECONDS = 0.5
"""Time without accepting after the system had no descriptor or memory for a connection."""

_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_RESET = struct.pack("ii", 1, 0)
_LOG = get_logger(__name__)


class _Listeners:
    """The listening sockets, with the interface that aiohttp's runner closes them by."""

    def __init__(self, sockets: list[socket.socket], loop: asyncio.AbstractEventLoop) -> None:
        self.sockets = sockets
        self._loop = loop

    def close(self) -> None:
        """Accept no more connections."""
        sockets, self.sockets = self.sockets, []
        for one in sockets:
            self._loop.remove_reader(one.fileno())
            one.close()


class ClientSite(web.BaseSite):
    """Listens at an address. ``refused`` is called with the reason of each refusal.

    ``announced`` reads what load balancers announce about their clients before TLS.
    """

    __slots__ = (
        "_announced",
        "_connections",
        "_event_loop",
        "_host",
        "_listeners",
        "_port",
        "_proxy_server",
        "_queue_length",
        "_refused",
        "_shared",
        "_tasks",
        "_tls",
    )

    def __init__(
        self,
        runner: web.BaseRunner,
        server: ProxyServer,
        host: str | None,
        port: int,
        connections: ConnectionLimiter,
        *,
        ssl_context: ssl.SSLContext | None,
        backlog: int,
        shared: bool,
        refused: Callable[[str], None] = lambda reason: None,
        announced: AnnouncedAddresses | None = None,
    ) -> None:
        super().__init__(runner, ssl_context=ssl_context, backlog=backlog)
        self._proxy_server = server
        self._host, self._port = host or None, port
        self._connections = connections
        self._tls, self._queue_length = ssl_context, backlog
        self._shared = shared
        self._refused = refused
        self._announced = announced
        self._event_loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._listeners: _Listeners | None = None

    @property
    def name(self) -> str:
        """The address."""
        return f"{self._host or '*'}:{self._port}"

    async def start(self) -> None:
        """Listen. Raises OSError."""
        await super().start()
        found = await self._event_loop.getaddrinfo(
            self._host, self._port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        sockets: list[socket.socket] = []
        try:
            for family, kind, protocol, _, address in dict.fromkeys(found):
                sockets.append(self._open_socket(family, kind, protocol, address))
        except BaseException:
            for one in sockets:
                one.close()
            raise
        self._listeners = _Listeners(sockets, self._event_loop)
        set_server(self, self._listeners)
        for one in sockets:
            self._event_loop.add_reader(one.fileno(), self._accept, one)

    def _open_socket(
        self, family: int, kind: int, protocol: int, address: tuple[object, ...]
    ) -> socket.socket:
        opened = socket.socket(family, kind, protocol)
        try:
            opened.setblocking(False)
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if self._shared:
                opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if family == socket.AF_INET6:
                opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            # Accepted connections inherit the options of their listener.
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            opened.bind(address)
            opened.listen(self._queue_length)
        except BaseException:
            opened.close()
            raise
        return opened

    def _accept(self, listener: socket.socket) -> None:
        """Accept the connections that wait at a listener."""
        for _ in range(_BATCH):
            try:
                accepted, peer = listener.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as exc:
                if exc.errno in _EXHAUSTED:
                    self._pause(listener, exc)
                    return
                continue  # The client has left, or its network failed: accept(2).
            address = str(peer[0]) if isinstance(peer, tuple) else ""
            permit = self._permit(address)
            if isinstance(permit, ConnectionPermit):
                serve = self._serve if self._announced is None else self._announce
                task = self._event_loop.create_task(serve(accepted, permit, address))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            else:
                self._refuse(accepted, permit)

    def _permit(self, address: str) -> ConnectionPermit | Reason:
        """Return the permit of a new connection, or the reason of its refusal."""
        if self._announced is not None and self._announced.must_announce(address):
            return self._connections.admit_balancer()
        return self._connections.admit(address)

    def _refuse(self, accepted: socket.socket, reason: str) -> None:
        self._refused(reason)
        # A reset leaves nothing of the connection in the kernel.
        accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        accepted.close()

    def _pause(self, listener: socket.socket, exc: OSError) -> None:
        _LOG.error("cannot accept connections", error=exc.strerror, pause_seconds=_PAUSE_SECONDS)
        self._refused("system")
        self._event_loop.remove_reader(listener.fileno())
        self._event_loop.call_later(_PAUSE_SECONDS, self._resume, listener)

    def _resume(self, listener: socket.socket) -> None:
        if self._listeners is not None and listener in self._listeners.sockets:
            self._event_loop.add_reader(listener.fileno(), self._accept, listener)

    async def _announce(
        self, accepted: socket.socket, permit: ConnectionPermit, address: str
    ) -> None:
        """Find out whose connection it is, count it as that client's, and serve it."""
        assert self._announced is not None
        accepted.setblocking(False)
        try:
            if not self._announced.must_announce(address):
                await self._announced.refuse_header(accepted, address)
            elif (client := await self._announced.read(accepted, address)) != address:
                permit.release()
                counted = self._connections.admit(client)
                if not isinstance(counted, ConnectionPermit):
                    self._refuse(accepted, counted)
                    return
                permit, address = counted, client
        except InvalidHeader:
            permit.release()
            self._refuse(accepted, "header")
        except BaseException as exc:
            _end(accepted, permit)
            if not isinstance(exc, OSError):
                raise
        else:
            await self._serve(accepted, permit, address)

    async def _serve(self, accepted: socket.socket, permit: ConnectionPermit, address: str) -> None:
        """Do the handshake and pass the connection to the server."""
        connection = self._proxy_server()
        connection.permit = permit
        if self._announced is not None:
            connection.announced = address
        try:
            accepted.setblocking(False)
            await self._event_loop.connect_accepted_socket(
                lambda: connection,
                accepted,
                ssl=self._tls,
                ssl_handshake_timeout=HANDSHAKE_SECONDS if self._tls else None,
            )
        except BaseException as exc:
            _end(accepted, permit)
            # No TLS, too late, or gone: an error of an anonymous client needs no log line.
            if not isinstance(exc, Exception):
                raise


def _end(accepted: socket.socket, permit: ConnectionPermit) -> None:
    permit.release()
    accepted.close()
