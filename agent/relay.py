"""Relay the streams of a tunnel to one address: the cluster's API server.

The address is fixed when the agent starts. Nothing that arrives in the tunnel changes it, so the
agent is no way into the cluster's network (CVE-2022-3294, CVE-2020-8562).
"""

import asyncio
import os
from dataclasses import dataclass

from agent.tunnel.connection import TunnelConnection
from agent.tunnel.relayed_stream import RelayedStream
from agent.tunnel.status import Status, encode_status
from agent.tunnel.stream_handler import StreamHandler

CONNECT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Address:
    """Where the API server listens, as seen from the agent."""

    host: str
    port: int


async def _connect(stream: RelayedStream, address: Address) -> None:
    """Connect a stream, and report the outcome ahead of all bytes."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            await loop.create_connection(lambda: stream, address.host, address.port)
    except TimeoutError:
        stream.refuse(Status.TIMEOUT, f"no connection within {CONNECT_SECONDS:g} s")
    except OSError as exc:
        refused = isinstance(exc, ConnectionRefusedError)
        reason = os.strerror(exc.errno) if exc.errno else type(exc).__name__
        stream.refuse(Status.REFUSED if refused else Status.FAILED, reason.lower())


class Relay:
    """Accepts the streams that the server opens. ``most`` bounds those that are open."""

    def __init__(self, address: Address, *, most: int = 4000) -> None:
        self._address = address
        self._most = most

    def accept(self, tunnel: TunnelConnection, stream_id: int) -> StreamHandler:
        """Return the handler of a new stream."""
        if tunnel.streams > self._most:
            return _Refused(tunnel, stream_id)
        stream = RelayedStream(tunnel, stream_id)
        # The task is kept there: the event loop holds tasks weakly.
        stream.connecting = asyncio.ensure_future(_connect(stream, self._address))
        return stream


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
