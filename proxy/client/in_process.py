"""Connections of this process to its own server, without a listener.

Parts of Sekisho that work on behalf of a caller send their requests through the gate as every
client does: with the caller's credential, and through the same checks, limits, and logs. Such a
connection is one end of a socket pair, so no client can open one. The server knows the address of
the caller from the connection, and not from a header.
"""

import asyncio
import socket
from collections.abc import Callable

from config.dialing import DialFailed
from proxy.client.connection import ClientConnection
from proxy.limits.connections import ConnectionPermit

MOST_CONNECTIONS = 2_000
"""Connections at a time, in case that no limits of callers are set. Each takes two descriptors."""


class _InProcessPermit(ConnectionPermit):
    """Counts a connection of this process. It takes no place of a client's."""

    __slots__ = ("_release",)

    def __init__(self, release: Callable[[], None]) -> None:
        self.known = True
        self._counted = True
        self._release = release

    def release(self) -> None:
        """Return the permit."""
        if self._counted:
            self._counted = False
            self._release()


class InProcessServer:
    """Connects to the server of this process. One per process.

    Until :meth:`serve` is called, each :meth:`dial` fails.
    """

    def __init__(self, most: int = MOST_CONNECTIONS) -> None:
        self._most = most
        self._connect: Callable[[], ClientConnection] | None = None
        self.connections = 0
        """Open connections."""

    def serve(self, connect: Callable[[], ClientConnection]) -> None:
        """Create each connection with ``connect`` from now on."""
        self._connect = connect

    async def dial(self, origin: str) -> socket.socket:
        """Return a non-blocking socket that is connected to the server.

        ``origin`` is the address of the client on whose behalf requests are sent.

        Raises:
            DialFailed: the server has not started, or there are too many connections.
        """
        if self._connect is None:
            raise DialFailed("failed", "the server has not started")
        if self.connections >= self._most:
            raise DialFailed("limit", "too many requests on behalf of callers; try again later")
        connection = self._connect()
        connection.origin = origin
        self.connections += 1
        permit = connection.permit = _InProcessPermit(self._released)
        try:
            near, far = socket.socketpair()
        except OSError:
            permit.release()
            raise
        near.setblocking(False)
        far.setblocking(False)
        try:
            # Not cancelled: event loops are not prepared for it while they take over a socket.
            await asyncio.shield(asyncio.ensure_future(_accept(connection, permit, far)))
        except BaseException:
            near.close()
            raise
        return near

    def _released(self) -> None:
        self.connections -= 1


async def _accept(
    connection: ClientConnection, permit: ConnectionPermit, far: socket.socket
) -> None:
    try:
        await asyncio.get_running_loop().connect_accepted_socket(lambda: connection, far)
    except BaseException:
        permit.release()
        far.close()
        raise
