"""Writing log lines without making requests wait for whoever reads them.

Lines are handed to one thread through a bounded queue and written many at a time. When the reader
of the stream is too slow, lines are dropped and counted: a log must never hold up the gate.
"""

import io
import threading
from collections import deque
from collections.abc import Callable
from typing import Protocol

from proxy.whole_lines import WholeLines

MAX_BACKLOG = 20_000
"""Lines that may wait to be written."""

FLUSH_SECONDS = 0.1
"""How long a line may wait for others to be written with."""


class Lines(Protocol):
    """What lines are written to."""

    def write(self, text: str, /) -> object:
        """Append text. Raises OSError, or ValueError once it is closed."""

    def flush(self) -> object:
        """Let it go out."""


class LineLog:
    """A stream of lines. ``lost`` is called for each line that is dropped.

    Standard output and error are others' as well: of other workers, and of their threads. Lines on
    them stay whole.
    """

    def __init__(self, stream: "Lines", *, lost: Callable[[], None] = lambda: None) -> None:
        self._stream = WholeLines(stream) if isinstance(stream, io.TextIOWrapper) else stream
        self._lost = lost
        self._lines: deque[str] = deque()
        self._stop = threading.Event()
        self._writer = threading.Thread(target=self._run, name="line-log", daemon=True)
        self._writer.start()

    def write(self, line: str) -> None:
        """Take a line (without its end). Never blocks."""
        if len(self._lines) >= MAX_BACKLOG:
            self._lost()
            return
        self._lines.append(line)

    def close(self, timeout: float = 2.0) -> None:
        """Write what waits, for at most ``timeout`` seconds."""
        self._stop.set()
        self._writer.join(timeout)

    def _run(self) -> None:
        while not self._stop.wait(FLUSH_SECONDS):
            self._flush()
        self._flush()

    def _flush(self) -> None:
        lines: list[str] = []
        while self._lines:
            lines.append(self._lines.popleft())
        if not lines:
            return
        try:
            self._stream.write("\n".join(lines) + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            for _ in lines:
                self._lost()
