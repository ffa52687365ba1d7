"""The address of a connection's client, where load balancers announce it before TLS.

A connection from a balancer must begin with a header of the PROXY protocol, and a connection from
elsewhere must not: it would choose the address that Sekisho limits and logs.
"""

import asyncio
import socket
from collections.abc import Sequence

from config.loggers import get_logger
from management.http.client_address import ClientAddresses
from proxy.client.proxy_header import (
    MAX_HEADER_BYTES,
    InvalidHeader,
    begins_with_header,
    parse_header,
)

HEADER_SECONDS = 5.0
"""Time limit of the header, or of the first bytes of a connection from elsewhere."""

_LOG_SECONDS = 10.0
"""Between two lines about refused connections. Strangers cause them."""

_FIRST_BYTES = 16

_LOG = get_logger(__name__)


class AnnouncedAddresses:
    """Reads headers. ``balancers`` are the networks from which they must come."""

    def __init__(self, balancers: Sequence[str], *, seconds: float = HEADER_SECONDS) -> None:
        self._balancers = ClientAddresses(balancers)
        self._seconds = seconds
        self._logged_at = float("-inf")
        self._unlogged = 0

    def must_announce(self, address: str) -> bool:
        """Return whether connections from an address must begin with a header."""
        return self._balancers.is_trusted(address)

    async def read(self, connection: socket.socket, peer: str) -> str:
        """Return the address of the client of a balancer's connection; its own if it has none.

        Exactly the header is read. ``connection`` does not block.

        Raises:
            InvalidHeader: the connection must be refused, which is logged.
            OSError: the connection has ended.
        """
        try:
            async with asyncio.timeout(self._seconds):
                return await _read_header(connection) or peer
        except TimeoutError:
            exc = InvalidHeader(f"no header of the PROXY protocol within {self._seconds:g} s")
        except InvalidHeader as found:
            exc = found
        self._refuse(peer, str(exc))
        raise exc

    async def refuse_header(self, connection: socket.socket, peer: str) -> None:
        """Wait for the first bytes of a connection from elsewhere, and read none.

        Raises:
            InvalidHeader: it begins with a header, which is logged.
            OSError: it has ended, or its first bytes did not come in time.
        """
        async with asyncio.timeout(self._seconds):
            first = await _peek(connection, _FIRST_BYTES)
        if begins_with_header(first):
            reason = "a header of the PROXY protocol, and server.proxy_protocol_from lacks it"
            self._refuse(peer, reason)
            raise InvalidHeader(reason)

    def _refuse(self, peer: str, reason: str) -> None:
        """Log a refused connection, unless one was logged a moment ago."""
        now = asyncio.get_running_loop().time()
        if now - self._logged_at < _LOG_SECONDS:
            self._unlogged += 1
            return
        _LOG.warning("refused a connection", address=peer, reason=reason, more=self._unlogged)
        self._logged_at, self._unlogged = now, 0


async def _read_header(connection: socket.socket) -> str:
    """Read a header and nothing behind it. Return its address. Raises InvalidHeader and OSError."""
    seen = b""
    while True:
        data = await _peek(connection, MAX_HEADER_BYTES - len(seen))
        if not (data or seen):
            raise ConnectionResetError("it ended without a byte, as some health checks do")
        if not data:
            raise InvalidHeader("it ended before its header of the PROXY protocol was complete")
        header = parse_header(seen + data)
        if header is not None:
            connection.recv(header.length - len(seen))
            return header.address
        connection.recv(len(data))
        seen += data


async def _peek(connection: socket.socket, most: int) -> bytes:
    """Return bytes that have arrived, and leave them in the socket; none at the end."""
    while True:
        try:
            return connection.recv(most, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            await _readable(connection)


async def _readable(connection: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ready = loop.create_future()

    def wake() -> None:
        if not ready.done():
            ready.set_result(None)

    loop.add_reader(connection.fileno(), wake)
    try:
        await ready
    finally:
        loop.remove_reader(connection.fileno())
