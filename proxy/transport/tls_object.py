"""Reading from TLS without asking for more memory than what comes needs.

uvloop asks OpenSSL for a quarter of a MiB each time, for which Python makes an object of that size
and shrinks it to what came, often a few hundred bytes; on a heap that has seen many connections
that is the dearest thing that a request does. Here all of a thread's connections are read into one
buffer (a thread's own, for while OpenSSL fills it, other threads run), and what came is copied from
there into an object of its size. OpenSSL gives out one record at a time, so asking for more than
that brings nothing.
"""

import ssl
from typing import Any, Self

from proxy.record_reader import RECORD_BYTES, RecordReader

__all__ = ["RECORD_BYTES", "RecordReads"]


class RecordReads(ssl.SSLObject):
    """Reads a record at a time. Contexts make it where it is their ``sslobject_class``.

    What event loops call for every piece of data leads to C without a detour through Python.
    """

    @classmethod
    def _create(cls, *arguments: Any, **options: Any) -> Self:
        made: Self = super()._create(*arguments, **options)  # type: ignore[misc]
        connection: Any = made._sslobj  # type: ignore[attr-defined]
        made.read = RecordReader(connection).read  # type: ignore[assignment, method-assign]
        made.write = connection.write  # type: ignore[method-assign]
        made.pending = connection.pending  # type: ignore[method-assign]
        return made
