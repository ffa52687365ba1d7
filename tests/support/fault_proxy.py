"""A TCP proxy that does to connections what networks do: delay, throttle, stall, cut, corrupt.

It runs on a loop in a thread of its own, on real sockets, and knows nothing of what passes. Faults
are switched on and off while connections run.
"""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable
from types import TracebackType
from typing import Self

from proxy.demo.downstream import Reserved
from tests.parts.loop_thread import LoopThread

PIECE = 16 * 1024
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with no time: closing sends RST instead of FIN."""

Corruption = Callable[[bytes], bytes]


def reset(transport: asyncio.BaseTransport) -> None:
    """End a connection with RST, what is buffered dropped."""
    sock = transport.get_extra_info("socket")
    if sock is not None:  # A transport that is closed has none any more.
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    assert isinstance(transport, asyncio.WriteTransport)
    transport.abort()


def flipped(piece: bytes) -> bytes:
    """A piece with one bit changed, in its middle."""
    middle = len(piece) // 2
    return piece[:middle] + bytes([piece[middle] ^ 0x10]) + piece[middle + 1 :]


class FaultProxy:
    """A proxy before ``target_port`` on loopback, inside ``with``.

    ``accepted`` counts the connections there were. Faults concern what the target sends to its
    clients, and connections that stand as well as new ones.
    """

    def __init__(self, target_port: int) -> None:
        self.accepted = 0
        self._target = target_port
        self._reserved = Reserved.take()
        self._thread = LoopThread()
        self._server: asyncio.Server | None = None
        self._transports: set[asyncio.WriteTransport] = set()
        self._moving = asyncio.Event()
        self._delay = 0.0
        self._bytes_per_second = 0.0
        self._corruption: Corruption | None = None

    @property
    def port(self) -> int:
        """The port that its clients go to."""
        return self._reserved.port

    @property
    def url(self) -> str:
        """Where they go with TLS."""
        return f"https://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.__enter__()
        self.heal()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._thread.call(self._stop())
        self._thread.__exit__(kind, error, trace)
        self._reserved.socket.close()

    # Faults.

    def heal(self) -> None:
        """No fault any more; connections that were cut stay so."""
        self._thread.call(self._heal())

    def delay(self, seconds: float) -> None:
        """Hold each piece back that long."""
        self._delay = seconds

    def throttle(self, bytes_per_second: float) -> None:
        """Pass so much and no more."""
        self._bytes_per_second = bytes_per_second

    def corrupt(self, corruption: Corruption) -> None:
        """Change what passes."""
        self._corruption = corruption

    def stall(self) -> None:
        """Pass nothing on, in either direction; connections stand and are taken."""
        self._thread.call(self._stall())

    def cut(self, *, rst: bool = True) -> None:
        """End every connection there is, with RST or with FIN."""
        self._thread.call(self._cut(rst=rst))

    def refuse(self) -> None:
        """Take no connection: nothing listens. Those that stand are cut."""
        self._thread.call(self._refuse())

    # On the loop.

    async def _heal(self) -> None:
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
        if self._server is not None:
            self._server.close()
            self._server = None
        await self._cut(rst=True)

    async def _stop(self) -> None:
        await self._refuse()
        self._moving.set()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

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
                piece = await self._suffer(piece, writer)
            writer.write(piece)
            await writer.drain()
        # Half a connection would do for TCP; TLS has no halves.
        writer.close()

    async def _suffer(self, piece: bytes, writer: asyncio.StreamWriter) -> bytes:
        """Let the faults happen to a piece; what is left to pass on."""
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
