"""Read from TLS into one shared buffer instead of a large new object for each read.

uvloop requests a quarter of a MiB from OpenSSL each time. Python allocates an object of that size
and shrinks it to the data, often a few hundred bytes; on a fragmented heap, nothing else in a
request costs as much. Here all connections of a thread are read into one buffer, and the data is
copied into an object of its size. The buffer belongs to a thread because other threads run while
OpenSSL fills it. OpenSSL returns one record at a time, so a larger buffer has no use.
"""

import ssl
from typing import Any, Self

from proxy.transport.tls_record_reader import RECORD_BYTES, RecordReader

__all__ = ["RECORD_BYTES", "RecordSSLObject"]


class RecordSSLObject(ssl.SSLObject):
    """Read one record at a time. Set it as a context's ``sslobject_class``.

    The methods that event loops call for every piece of data are C functions, without a Python
    function between.
    """

    @classmethod
    def _create(cls, *arguments: Any, **options: Any) -> Self:
        made: Self = super()._create(*arguments, **options)  # type: ignore[misc]
        connection: Any = made._sslobj  # type: ignore[attr-defined]
        made.read = RecordReader(connection).read  # type: ignore[assignment, method-assign]
        made.write = connection.write  # type: ignore[method-assign]
        made.pending = connection.pending  # type: ignore[method-assign]
        return made
