"""The endpoints of the kubelet's probes: ``/healthz`` and ``/readyz``.

They contain no data, and read at most a small request head.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from config.listen import Listen

MAX_HEAD_BYTES = 8 * 1024
REQUEST_SECONDS = 5.0
MAX_CONNECTIONS = 32
"""The kubelet needs one or two. Others are closed."""


class _Health:
    """Responds to probes. ``ready`` decides about ``/readyz``."""

    def __init__(self, ready: Callable[[], bool]) -> None:
        self._ready = ready
        self._open = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Respond to one request."""
        self._open += 1
        try:
            if self._open <= MAX_CONNECTIONS:
                async with asyncio.timeout(REQUEST_SECONDS):
                    head = await reader.readuntil(b"\r\n\r\n")
                writer.write(self._response(head))
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # TimeoutError is an OSError.
        finally:
            self._open -= 1
            writer.close()

    def _response(self, head: bytes) -> bytes:
        method, _, rest = head.partition(b" ")
        path = rest.partition(b" ")[0].partition(b"?")[0]
        if method not in (b"GET", b"HEAD") or path not in (b"/healthz", b"/readyz"):
            status, text = "404 Not Found", "not found\n"
        elif path == b"/healthz" or self._ready():
            status, text = "200 OK", "ok\n"
        else:
            status, text = (
                "503 Service Unavailable",
                "no tunnel is open and used\n",
            )
        body = "" if method == b"HEAD" else text
        return (
            f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {len(text)}\r\n"
            f"Connection: close\r\n\r\n{body}"
        ).encode()


@asynccontextmanager
async def serve_health(listen: Listen, ready: Callable[[], bool]) -> AsyncIterator[int]:
    """Respond to probes inside the context, and yield the port. Raises OSError."""
    health = _Health(ready)
    server = await asyncio.start_server(
        health.serve, listen.host, listen.port, limit=MAX_HEAD_BYTES
    )
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
