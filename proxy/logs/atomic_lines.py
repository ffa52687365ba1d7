"""Lines on a stream that several processes write to: each of them arrives whole.

Workers share standard output and error. The kernel keeps the bytes of one ``write(2)`` together:
on a file all of them, on a pipe up to ``PIPE_BUF`` of them. So lines are written by the fewest
calls that keep within it, and none is divided. A line that is longer than that is a call by itself;
on a pipe whose reader lags another process's line may come in between.
"""

import io
import os
import select
import threading

PIPE_BUF = select.PIPE_BUF


class WholeLines:
    """A stream of text over the descriptor of another one, without a buffer of its own."""

    def __init__(self, stream: io.TextIOWrapper) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def write(self, text: str) -> None:
        """Write ``text``, which ends with a line's end. Raises OSError; ValueError once closed."""
        data = text.encode("utf-8", "backslashreplace")
        with self._lock:
            descriptor = self._stream.fileno()
            for part in parts(data):
                while part:
                    part = part[os.write(descriptor, part) :]

    def flush(self) -> None:
        """Write what others gave to the stream itself."""
        self._stream.flush()

    def isatty(self) -> bool:
        """Whether people read it."""
        return self._stream.isatty()


def parts(data: bytes, most: int = PIPE_BUF) -> list[bytes]:
    """``data`` cut after lines' ends, into parts of at most ``most`` bytes where lines are short.

    Pure.
    """
    found = []
    start = 0
    while len(data) - start > most:
        end = data.rfind(b"\n", start, start + most) + 1
        if not end:  # a line that is longer than a part
            end = data.find(b"\n", start) + 1 or len(data)
        found.append(data[start:end])
        start = end
    return [*found, data[start:]] if start < len(data) else found
