"""Write whole lines to a stream that several processes write to.

Workers share standard output and error. The kernel keeps the bytes of one ``write(2)`` together: in
a file all of them, in a pipe up to ``PIPE_BUF`` bytes. Lines are therefore grouped into as few
calls as possible within that limit, and no line is divided. A line longer than the limit is written
by a call of its own; if the reader of a pipe is slow, a line of another process may get into it. A
full disk takes a part of a line: the next line of this process begins a new one.
"""

import io
import os
import select
import threading

PIPE_BUF = select.PIPE_BUF


class AtomicLineStream:
    """An unbuffered text stream over the descriptor of another stream."""

    def __init__(self, stream: io.TextIOWrapper) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._within_line = False

    def write(self, text: str) -> None:
        """Write ``text``, which ends with a newline. Raises OSError, or ValueError if closed."""
        data = text.encode("utf-8", "backslashreplace")
        with self._lock:
            descriptor = self._stream.fileno()
            if self._within_line:
                data = b"\n" + data
            for part in parts(data):
                while part:
                    written = os.write(descriptor, part)
                    self._within_line = not part[:written].endswith(b"\n")
                    part = part[written:]

    def flush(self) -> None:
        """Flush what was written to the stream itself."""
        self._stream.flush()

    def isatty(self) -> bool:
        """Return whether the stream is a terminal."""
        return self._stream.isatty()


def parts(data: bytes, most: int = PIPE_BUF) -> list[bytes]:
    """Split ``data`` after newlines into parts of at most ``most`` bytes. Pure.

    A longer line is a part of its own.
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
