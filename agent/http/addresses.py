"""Connect a socket to the first address of a host that responds (RFC 8305)."""

import asyncio
import socket
from typing import Any

ATTEMPT_DELAY = 0.25
"""Seconds until the next address is tried beside a slow one (RFC 8305 §5)."""

MAX_ADDRESSES = 16
"""Addresses of a name that are tried."""


async def connected_socket(host: str, port: int) -> socket.socket:
    """Return a connected, non-blocking TCP socket. uvloop's ``create_connection`` lacks this.

    Raises:
        OSError: no address of the host responds; the error of the last one.
    """
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    running: set[asyncio.Task[socket.socket]] = set()
    error: OSError = OSError(f"{host} has no address")
    try:
        for info in found[:MAX_ADDRESSES]:
            running.add(asyncio.ensure_future(_attempt(info)))
            connected, error = await _first(running, ATTEMPT_DELAY, error)
            if connected is not None:
                return connected
        while running:
            connected, error = await _first(running, None, error)
            if connected is not None:
                return connected
        raise error
    finally:
        for task in running:
            task.add_done_callback(_close_late)
            task.cancel()


async def _first(
    running: set[asyncio.Task[socket.socket]], seconds: float | None, error: OSError
) -> tuple[socket.socket | None, OSError]:
    """Wait for attempts to end. Return a socket if one succeeded, and the last error."""
    done, _ = await asyncio.wait(running, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        failure = task.exception()
        if failure is None:
            running.discard(task)
            return task.result(), error
        running.discard(task)
        if not isinstance(failure, OSError):
            raise failure
        error = failure
    return None, error


async def _attempt(info: tuple[Any, ...]) -> socket.socket:
    family, kind, protocol, _, address = info
    connecting = socket.socket(family, kind, protocol)
    try:
        connecting.setblocking(False)
        await asyncio.get_running_loop().sock_connect(connecting, address)
    except BaseException:
        connecting.close()
        raise
    return connecting


def _close_late(task: "asyncio.Task[socket.socket]") -> None:
    """Close the socket of an attempt that succeeded when it was no longer needed."""
    if not task.cancelled() and task.exception() is None:
        task.result().close()
