"""Read a connection no faster than the frames of its peer may arrive."""

import asyncio
from typing import Final

from agent.tunnel.frame_rate import FrameRate

FULL_READ: Final = 256 * 1024
"""Bytes that are read at a time."""

SMALL_READ: Final = 16 * 1024
"""Bytes that are read at a time while frames are small, so that no read takes long."""

SMALL_FRAME: Final = 256
"""Bytes of a frame, with its header, below which frames are small on average."""


class ReadPace:
    """Pauses the reading of one connection. ``rate`` limits its frames; None: nothing does."""

    def __init__(self, rate: FrameRate | None) -> None:
        self.read_bytes = FULL_READ if rate is None else SMALL_READ
        """How many bytes to read at a time."""
        self._rate = rate
        self._seen = 0
        self._more = 0
        self._resuming: asyncio.TimerHandle | None = None

    def count(self, frames: int) -> None:
        """Count what is no frame and costs as much."""
        self._more += frames

    def after_read(self, transport: asyncio.Transport, size: int, frames: int) -> None:
        """Pause if the peer sends too many frames.

        ``size`` is the number of bytes that were read, and ``frames`` that of all frames so far.
        """
        new, self._seen, self._more = frames - self._seen + self._more, frames, 0
        if self._rate is None:
            return
        self.read_bytes = SMALL_READ if new * SMALL_FRAME > size else FULL_READ
        loop = asyncio.get_running_loop()
        pause = self._rate.taken(new, loop.time())
        if pause and self._resuming is None:
            transport.pause_reading()
            self._resuming = loop.call_later(pause, self._resume, transport)

    def end(self) -> None:
        """Stop: the connection has ended."""
        if self._resuming is not None:
            self._resuming.cancel()

    def _resume(self, transport: asyncio.Transport) -> None:
        self._resuming = None
        if not transport.is_closing():
            transport.resume_reading()
