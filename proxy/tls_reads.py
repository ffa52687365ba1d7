"""Reading from TLS without asking for more memory than what comes needs.

uvloop asks OpenSSL for a quarter of a MiB each time, for which Python makes an object of that size
and shrinks it to what came, often a few hundred bytes; on a heap that has seen many connections
that is the dearest thing that a request does. Here all of a thread's connections are read into one
buffer, and what came is copied from there into an object of its size. A TLS record has 16 KiB at
most (RFC 8446 §5.1), and OpenSSL gives out one at a time, so asking for more brings nothing.
"""

import ssl
import threading

RECORD_BYTES = 16 * 1024
"""The most that one record holds."""


class _Buffer(threading.local):
    """One for each thread: while OpenSSL fills it, other threads run."""

    def __init__(self) -> None:
        self.view = memoryview(bytearray(RECORD_BYTES))


_BUFFER = _Buffer()


class RecordReads(ssl.SSLObject):
    """Reads a record at a time. Contexts make it where it is their ``sslobject_class``."""

    def read(  # type: ignore[override]  # by position, as event loops call it
        self, size: int = RECORD_BYTES, buffer: bytearray | None = None
    ) -> bytes:
        """As :meth:`ssl.SSLObject.read`."""
        if buffer is not None:
            return self._sslobj.read(size, buffer)  # type: ignore[attr-defined, no-any-return]
        view = _BUFFER.view
        count = self._sslobj.read(min(size, RECORD_BYTES), view)  # type: ignore[attr-defined]
        return bytes(view[:count])
