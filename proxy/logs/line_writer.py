"""Write log lines without blocking requests.

A queue, bounded in lines and in bytes, hands lines to one thread, which writes them in batches. If
the reader of the stream is too slow, lines are dropped and counted: a log must neither block
requests nor fill the memory.
"""

import io
import threading
from collections import deque
from collections.abc import Callable
from typing import Protocol

from proxy.logs.atomic_lines import AtomicLineStream

MAX_BACKLOG = 20_000
"""Lines that may wait to be written."""

MAX_BACKLOG_BYTES = 8 * 1024**2
"""Bytes that may wait to be written, including those being written."""

BATCH_BYTES = 256 * 1024
"""The approximate size of a batch."""

LINE_BYTES = 64
"""The memory of a line in addition to its characters."""

FLUSH_SECONDS = 0.1
"""How long a line waits for others of its batch."""


class LineStream(Protocol):
    """The stream that lines are written to."""

    def write(self, text: str, /) -> object:
        """Append text. Raises OSError, or ValueError if the stream is closed."""

    def flush(self) -> object:
        """Flush the stream."""


class LineWriter:
    """Write lines to a stream from a thread. ``lost`` is called for each dropped line.

    ``failing`` is called in that thread with the error when the stream begins to fail, and with
    None when it works again.

    Other workers and threads also write to standard output and error, so lines there are written
    atomically.
    """

    def __init__(
        self,
        stream: "LineStream",
        *,
        lost: Callable[[], None] = lambda: None,
        failing: Callable[[Exception | None], None] = lambda error: None,
    ) -> None:
        self._stream = AtomicLineStream(stream) if isinstance(stream, io.TextIOWrapper) else stream
        self._lost = lost
        self._report = failing
        self._failing = False
        self._lines: deque[str] = deque()
        # No lock is needed: each of the two counters is changed by one thread only.
        self._taken = self._written = 0
        self._stop = threading.Event()
        self._writer = threading.Thread(target=self._run, name="line-log", daemon=True)
        self._writer.start()

    def write(self, line: str) -> None:
        """Queue a line (without newline). Never blocks."""
        size = _size(line)
        waiting = self._taken - self._written
        if len(self._lines) >= MAX_BACKLOG or waiting + size > MAX_BACKLOG_BYTES:
            self._lost()
            return
        self._taken += size
        self._lines.append(line)

    def close(self, timeout: float = 2.0) -> None:
        """Write queued lines, for at most ``timeout`` seconds."""
        self._stop.set()
        self._writer.join(timeout)

    def _run(self) -> None:
        while not self._stop.wait(FLUSH_SECONDS):
            self._flush()
        self._flush()

    def _flush(self) -> None:
        while self._lines:
            self._write_batch()

    def _write_batch(self) -> None:
        lines: list[str] = []
        size = 0
        while self._lines and size < BATCH_BYTES:
            line = self._lines.popleft()
            lines.append(line)
            size += _size(line)
        try:
            self._stream.write("\n".join(lines) + "\n")
            self._stream.flush()
        except (OSError, ValueError) as exc:
            for _ in lines:
                self._lost()
            self._now(exc)
        else:
            self._now(None)
        self._written += size

    def _now(self, error: Exception | None) -> None:
        """Report the first error of an outage, and its end."""
        if self._failing != (error is not None):
            self._failing = error is not None
            self._report(error)


def _size(line: str) -> int:
    """Return an upper bound of the bytes of a line, in memory and in the stream."""
    return (len(line) if line.isascii() else 4 * len(line)) + LINE_BYTES
