"""One buffer for each thread, into which all connections read.

An event loop asks for a buffer, reads into it, and passes on what was read, before it reads
anything else: so connections can share one, if each of them copies what it keeps. A buffer for each
would be memory that idle connections hold, or that is allocated for every read. It belongs to a
thread because other threads run while TLS fills it.
"""

import threading

BUFFER_BYTES = 256 * 1024
"""As much as uvloop takes from a socket at a time."""

_THREAD = threading.local()


def read_buffer() -> memoryview:
    """Return the buffer of this thread. Its content is valid until the next read."""
    try:
        return _THREAD.view  # type: ignore[no-any-return]
    except AttributeError:
        view = _THREAD.view = memoryview(bytearray(BUFFER_BYTES))
        return view
