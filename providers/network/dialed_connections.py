"""Open a connection on a socket that a dialer made: TLS with the API server, inside the tunnel.

A way may break just as it is used: an agent's pod is killed while connections through it are being
opened. Nothing was requested on them, so the other way is tried once.

Event loops are not prepared for an opening that is cancelled while they take over a socket: uvloop
leaves the stream and its descriptors open. So an opening is never cancelled. Cancelling shuts the
socket down, which ends the opening.
"""

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from config.dialing import Dialer

Protocol = TypeVar("Protocol")

Opened = tuple[asyncio.Transport, Protocol]
"""What ``create_connection`` of an event loop returns."""


async def open_dialed(
    dialer: Dialer,
    seconds: float,
    open_on: Callable[[socket.socket], Coroutine[Any, Any, Opened[Protocol]]],
) -> Opened[Protocol]:
    """Return what ``open_on`` makes of a dialed socket, which it takes over.

    ``seconds`` is how long each dial may take. Raises DialFailed, and what ``open_on`` raises.
    """
    try:
        return await _opened(open_on, await dialer.dial(seconds))
    except ConnectionError:
        if not dialer.ways:
            raise
    return await _opened(open_on, await dialer.dial(seconds))


async def _opened(
    open_on: Callable[[socket.socket], Coroutine[Any, Any, Opened[Protocol]]], sock: socket.socket
) -> Opened[Protocol]:
    opening = asyncio.ensure_future(open_on(sock))
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(_abort)
        try:
            sock.shutdown(socket.SHUT_RDWR)
        except OSError:  # It has ended already.
            pass
        raise


def _abort(opening: "asyncio.Future[Opened[Any]]") -> None:
    """Close a connection that no caller waits for."""
    if not opening.cancelled() and opening.exception() is None:
        opening.result()[0].abort()
