"""A TCP proxy that injects network faults: delay, throttle, stall, cut, corrupt.

It runs on an event loop in a separate thread, with real sockets, and does not parse the data.
Faults can be changed while connections are open.
"""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable

from tests.support.loop_server import LoopServer

PIECE = 16 * 1024
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with no time: closing sends RST instead of FIN."""

Corruption = Callable[[bytes], bytes]


def reset(transport: asyncio.BaseTransport) -> None:
    """Close a connection with RST and drop buffered data."""
    sock = transport.get_extra_info("socket")
    if sock is not None:  # A closed transport has no socket.
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    assert isinstance(transport, asyncio.WriteTransport)
    transport.abort()


def flipped(piece: bytes) -> bytes:
    """Return the data with one bit changed in the middle."""
    middle = len(piece) // 2
    return piece[:middle] + bytes([piece[middle] ^ 0x10]) + piece[middle + 1 :]


class FaultProxy(LoopServer):
    """A fault-injecting proxy in front of a loopback port; a context manager.

    ``accepted`` counts connections. Faults affect data from the target to its clients, on open and
    on new connections.
    """

    def __init__(self, target_port: int) -> None:
        super().__init__()
        self.accepted = 0
        self._target = target_port
        self._transports: set[asyncio.WriteTransport] = set()
        self._moving = asyncio.Event()
        self._delay = 0.0
        self._bytes_per_second = 0.0
        self._corruption: Corruption | None = None

    # Faults.

    def clear_faults(self) -> None:
        """Remove all faults and listen again. Closed connections stay closed."""
        self._thread.call(self._listen())

    def delay(self, seconds: float) -> None:
        """Delay each piece of data."""
        self._delay = seconds

    def throttle(self, bytes_per_second: float) -> None:
        """Limit the data rate."""
        self._bytes_per_second = bytes_per_second

    def corrupt(self, corruption: Corruption) -> None:
        """Modify each piece of data with ``corruption``."""
        self._corruption = corruption

    def stall(self) -> None:
        """Forward no data in either direction, but keep and accept connections."""
        self._thread.call(self._stall())

    def cut(self, *, rst: bool = True) -> None:
        """Close all connections, with RST or with FIN."""
        self._thread.call(self._cut(rst=rst))

    def refuse(self) -> None:
        """Stop listening and close all connections."""
        self._thread.call(self._refuse())

    # On the loop.

    async def _listen(self) -> None:
        """Clear all faults, and listen unless it does."""
        self._delay = self._bytes_per_second = 0.0
        self._corruption = None
        self._moving.set()
        if self._server is None:
            self._server = await asyncio.start_server(
                self._serve, "127.0.0.1", self._reserved.port, reuse_port=True
            )

    async def _stall(self) -> None:
        self._moving.clear()

    async def _cut(self, *, rst: bool) -> None:
        for transport in list(self._transports):
            if rst:
                reset(transport)
            else:
                transport.close()

    async def _refuse(self) -> None:
        self._stop_listening()
        await self._cut(rst=True)

    async def _stop(self) -> None:
        await self._refuse()
        self._moving.set()
        await self._end_tasks()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        ends = [writer.transport]
        self._transports.add(writer.transport)
        try:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._target)
            ends.append(up_writer.transport)
            self._transports.add(up_writer.transport)
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(self._pump(reader, up_writer, faulty=False))
                pumps.create_task(self._pump(up_reader, writer, faulty=True))
        except (OSError, ExceptionGroup):
            pass
        finally:
            for transport in ends:
                self._transports.discard(transport)
                transport.close()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, faulty: bool
    ) -> None:
        while piece := await reader.read(PIECE):
            await self._moving.wait()
            if faulty:
                piece = await self._apply_faults(piece, writer)
            writer.write(piece)
            await writer.drain()
        # TCP would allow a half-closed connection, TLS does not.
        writer.close()

    async def _apply_faults(self, piece: bytes, writer: asyncio.StreamWriter) -> bytes:
        """Apply the faults to a piece of data; return what is left to forward."""
        if self._delay:
            await asyncio.sleep(self._delay)
        if self._corruption is not None:
            piece = self._corruption(piece)
        while self._bytes_per_second and piece:
            step = max(1, int(self._bytes_per_second / 20))
            writer.write(piece[:step])
            await writer.drain()
            piece = piece[step:]
            await asyncio.sleep(0.05)
        return piece
