"""Read one TLS record at a time; see :mod:`.tls_object`. A module of its own to be compiled."""

import threading
from typing import Any

RECORD_BYTES = 16 * 1024
"""The maximum content of one record (RFC 8446 §5.1)."""

_THREAD = threading.local()


class RecordReader:
    """Read from ``connection``, the ``_ssl`` module's object for a connection."""

    __slots__ = ("_read",)

    def __init__(self, connection: Any) -> None:
        self._read: Any = connection.read

    def read(self, size: int = RECORD_BYTES, buffer: Any = None) -> Any:
        """Read like :meth:`ssl.SSLObject.read`."""
        if buffer is not None:
            return self._read(size, buffer)
        try:
            view = _THREAD.view
        except AttributeError:
            view = _THREAD.view = memoryview(bytearray(RECORD_BYTES))
        count = self._read(min(size, RECORD_BYTES), view)
        return view[:count].tobytes()
