"""Whether the other side of a TCP connection is still there.

A peer that vanished says nothing, so the kernel is told to ask it now and then. And while a
connection isn't read from, as when what it sends can't be passed on, nobody notices that it has
ended: then the kernel is asked.
"""

import asyncio
import socket
import sys
from typing import Protocol

LOOK_SECONDS = 5.0
"""How often those who wait for a peer that isn't read from should look whether it is there."""

TCP_CLOSE = 7
"""``tcpi_state`` of a connection that was reset or given up (linux/tcp.h)."""


class SocketLike(Protocol):
    """A socket, as event loops hand them out."""

    family: int

    def setsockopt(self, level: int, option: int, value: int, /) -> None:
        """Set an option."""


def keep_asking(transport: asyncio.BaseTransport, *, idle: int, interval: int, times: int) -> None:
    """Ask a peer that was silent for ``idle`` seconds, and give it up after so many asks."""
    ask_on(transport.get_extra_info("socket"), idle=idle, interval=interval, times=times)


def ask_on(sock: SocketLike | None, *, idle: int, interval: int, times: int) -> None:
    """The same for a socket; on Linux, connections are born with what their listener has."""
    if sock is None or sock.family not in {socket.AF_INET, socket.AF_INET6}:
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (
        ("TCP_KEEPIDLE", idle),
        ("TCP_KEEPINTVL", interval),
        ("TCP_KEEPCNT", times),
    ):
        if hasattr(socket, option):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


def has_vanished(transport: asyncio.BaseTransport) -> bool:
    """Whether the kernel knows that the connection has ended. False where it can't be asked."""
    sock = transport.get_extra_info("socket")
    if sock is None or sys.platform != "linux":
        return False
    try:
        return bool(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == TCP_CLOSE)
    except (OSError, ValueError):  # Its descriptor is closed already.
        return True
