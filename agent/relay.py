"""Relay the streams of a tunnel to one address: the cluster's API server.

The address is fixed when the agent starts. Nothing that arrives in the tunnel changes it, so the
agent is no way into the cluster's network (CVE-2022-3294, CVE-2020-8562).
"""

import asyncio
import os
from dataclasses import dataclass

from agent.tunnel.connection import StreamHandler, TunnelConnection
from agent.tunnel.status import Status, encode_status
from agent.tunnel.stream_end import StreamEnd

CONNECT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Address:
    """Where the API server listens, as seen from the agent."""

    host: str
    port: int


class RelayedStream(StreamEnd):
    """A stream that is joined with a connection to the API server, once that exists."""

    def __init__(self, tunnel: TunnelConnection, stream_id: int, address: Address) -> None:
        super().__init__(tunnel, half_close=True)
        self.attach(stream_id)
        self._address = address
        # The task is kept here: the event loop holds tasks weakly.
        self._connecting = asyncio.ensure_future(self._connect())

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Report the connection ahead of all bytes that it will bring."""
        self._tunnel.send(self._stream_id, encode_status(Status.CONNECTED))
        super().connection_made(transport)

    def stream_reset(self) -> None:
        """Stop connecting, and close the connection."""
        self._connecting.cancel()
        super().stream_reset()

    async def _connect(self) -> None:
        """Connect, and report the outcome ahead of all bytes."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await loop.create_connection(lambda: self, self._address.host, self._address.port)
        except TimeoutError:
            self._refuse(Status.TIMEOUT, f"no connection within {CONNECT_SECONDS:g} s")
        except OSError as exc:
            refused = isinstance(exc, ConnectionRefusedError)
            reason = os.strerror(exc.errno) if exc.errno else type(exc).__name__
            self._refuse(Status.REFUSED if refused else Status.FAILED, reason.lower())

    def _refuse(self, status: Status, reason: str) -> None:
        self._tunnel.send(self._stream_id, encode_status(status, reason))
        self._tunnel.finish(self._stream_id)


class Relay:
    """Accepts the streams that the server opens. ``most`` bounds those that are open."""

    def __init__(self, address: Address, *, most: int = 4000) -> None:
        self._address = address
        self._most = most

    def accept(self, tunnel: TunnelConnection, stream_id: int) -> StreamHandler:
        """Return the handler of a new stream."""
        if tunnel.streams > self._most:
            return _Refused(tunnel, stream_id)
        return RelayedStream(tunnel, stream_id, self._address)


class _Refused:
    """A stream above the limit: its data is dropped."""

    def __init__(self, tunnel: TunnelConnection, stream_id: int) -> None:
        self._tunnel, self._stream_id = tunnel, stream_id
        tunnel.send(stream_id, encode_status(Status.LIMIT, "the agent has too many streams"))
        tunnel.finish(stream_id)

    def stream_data(self, data: bytes) -> None:
        """Drop bytes, with credit for them, so that the server reaches its end."""
        self._tunnel.consume(self._stream_id, len(data))

    def stream_finished(self) -> None:
        """Do nothing: this side has finished."""

    def stream_reset(self) -> None:
        """Do nothing: nothing is held."""

    def stream_writable(self) -> None:
        """Do nothing: everything was sent."""
