"""Offer bytes as a file, to libraries that read only files, without writing them to a disk."""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

MAX_BYTES = 1024 * 1024
"""Most bytes on Linux: what an unprivileged process may have in a pipe. Other systems: 64 KiB."""


@contextmanager
def as_file(data: bytes) -> Iterator[str]:
    """Yield a path from which ``data`` can be read once, by this process only: a pipe.

    Raises:
        OSError: a pipe of this system does not hold so much.
    """
    reader, writer = os.pipe()
    try:
        try:
            _fill(writer, data)
        finally:
            os.close(writer)
        yield f"/dev/fd/{reader}"
    finally:
        os.close(reader)


def _fill(writer: int, data: bytes) -> None:
    os.set_blocking(writer, False)  # A full pipe would wait for a reader, which comes later.
    if hasattr(fcntl, "F_SETPIPE_SZ") and len(data) > fcntl.fcntl(writer, fcntl.F_GETPIPE_SZ):
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, min(len(data), MAX_BYTES))
    written = 0
    while written < len(data):
        try:
            written += os.write(writer, data[written:])
        except BlockingIOError:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG)) from None
