"""Send a request that asks for another protocol, and read the response."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, cast

import h11

from agent.http.errors import ConnectionEnded, NotHttp
from agent.http.messages import MAX_HEAD_BYTES

MAX_BODY_BYTES = 4096
"""Bytes of the body of a response that does not change the protocol."""


@dataclass(frozen=True, slots=True)
class UpgradeResponse:
    """The response. ``headers`` have names in lower case.

    ``body`` is the beginning of the body of a response other than 101.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = field(default=b"", repr=False)


class Following(Protocol):
    """The next protocol of a connection: one of asyncio that also takes bytes that were read."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to use a transport."""

    def data_received(self, data: bytes) -> None:
        """Process the bytes that followed the response."""


class _Upgrade(asyncio.Protocol):
    """Reads the response, and hands the connection to its next protocol in the same call.

    So no byte that follows the response can arrive in between.
    """

    def __init__(self, following: Following) -> None:
        self._connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD_BYTES)
        self._following = following
        self._transport: asyncio.Transport | None = None
        self._head: h11.Response | h11.InformationalResponse | None = None
        self._body = bytearray()
        self.response: asyncio.Future[UpgradeResponse] = asyncio.get_running_loop().create_future()

    def send(
        self, transport: asyncio.Transport, target: str, headers: list[tuple[str, str]]
    ) -> None:
        """Take the connection, and send the request on it."""
        self._transport = transport
        request = h11.Request(method="GET", target=target, headers=headers)
        data = [self._connection.send(one) or b"" for one in (request, h11.EndOfMessage())]
        transport.set_protocol(self)
        transport.write(b"".join(data))

    def data_received(self, data: bytes) -> None:
        """Parse the response."""
        self._parse(data)

    def eof_received(self) -> None:
        """Let the transport close."""
        self._parse(b"")

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail if there was no response."""
        self._fail(exc if isinstance(exc, OSError) else ConnectionEnded())

    def _parse(self, data: bytes) -> None:
        if self.response.done():
            return
        try:
            self._connection.receive_data(data)
            while not self.response.done() and self._handle(self._connection.next_event()):
                pass
        except h11.RemoteProtocolError as exc:
            if self._head is not None:
                self._finish()
            else:
                received = data or self._connection.trailing_data[0]
                self._fail(NotHttp(str(exc)) if received else ConnectionEnded())

    def _handle(self, event: object) -> bool:
        """Handle an event of h11. Return whether another one may follow."""
        if isinstance(event, h11.InformationalResponse):
            if event.status_code == 101:
                self._head = event
                self._switch()
        elif isinstance(event, h11.Response):
            self._head = event
        elif isinstance(event, h11.Data):
            self._body += bytes(event.data)[: MAX_BODY_BYTES - len(self._body)]
            if len(self._body) == MAX_BODY_BYTES:
                self._finish()
        elif isinstance(event, h11.EndOfMessage | h11.ConnectionClosed):
            self._finish()
        else:
            return False
        return True

    def _switch(self) -> None:
        """Hand the connection over, with what followed the response."""
        assert self._transport is not None
        rest, _ = self._connection.trailing_data
        self._transport.set_protocol(cast(asyncio.BaseProtocol, self._following))
        self._finish()
        self._following.connection_made(self._transport)
        if rest:
            self._following.data_received(bytes(rest))

    def _finish(self) -> None:
        if self._head is None:
            self._fail(ConnectionEnded())
        elif not self.response.done():
            fields = {name.decode(): value.decode("latin-1") for name, value in self._head.headers}
            self.response.set_result(
                UpgradeResponse(self._head.status_code, fields, bytes(self._body))
            )

    def _fail(self, error: Exception) -> None:
        if not self.response.done():
            self.response.set_exception(error)


async def upgrade(
    transport: asyncio.BaseTransport,
    target: str,
    headers: list[tuple[str, str]],
    following: Following,
) -> UpgradeResponse:
    """Send a GET, and return the response.

    After a 101 ``following`` is the protocol of the connection, and has been connected. Any other
    response leaves the connection unusable.

    Raises:
        ConnectionEnded, NotHttp: there is no response.
        OSError: the connection broke.
    """
    exchange = _Upgrade(following)
    exchange.send(cast(asyncio.Transport, transport), target, headers)
    return await exchange.response
