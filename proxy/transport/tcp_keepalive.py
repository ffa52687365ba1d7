"""Detect TCP peers that have vanished.

A vanished peer sends nothing, so the kernel probes it with keepalives. While a connection is not
read, because its data can't be forwarded, the event loop does not notice its end; the kernel's
state of the connection shows it.
"""

import asyncio
import fcntl
import socket
import struct
import sys
from typing import Protocol

PEER_CHECK_SECONDS = 5.0
"""How often to check a peer that is not read."""

TCP_CLOSE = 7
"""``tcpi_state`` of a connection that was reset or timed out (linux/tcp.h)."""


_NO_LINGER = struct.pack("ii", 1, 0)
"""SO_LINGER with zero seconds: closing sends RST instead of FIN."""

_SIOCOUTQ = 0x5411
"""The Linux request for the bytes that the peer has not acknowledged (linux/sockios.h)."""


class SocketLike(Protocol):
    """A socket, as event loops provide it."""

    family: int

    def setsockopt(self, level: int, option: int, value: int, /) -> None:
        """Set an option."""


def enable_keepalive(
    transport: asyncio.BaseTransport, *, idle: int, interval: int, times: int
) -> None:
    """Probe a peer after ``idle`` silent seconds; end the connection after ``times`` probes."""
    set_keepalive_options(
        transport.get_extra_info("socket"), idle=idle, interval=interval, times=times
    )


def set_keepalive_options(sock: SocketLike | None, *, idle: int, interval: int, times: int) -> None:
    """Set the keepalive of a socket. On Linux, connections inherit their listener's."""
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


def is_peer_closed(transport: asyncio.BaseTransport) -> bool:
    """Return whether the kernel has ended the connection. False where that is unknown."""
    sock = transport.get_extra_info("socket")
    if sock is None or sys.platform != "linux":
        return False
    try:
        return bool(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == TCP_CLOSE)
    except (OSError, ValueError):  # Its descriptor is closed already.
        return True


def reset(transport: asyncio.BaseTransport) -> None:
    """End a connection with RST, so that the peer does not take it for a regular end."""
    sock = transport.get_extra_info("socket")
    if sock is not None and sock.family in {socket.AF_INET, socket.AF_INET6}:
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        except OSError:  # Its descriptor is closed already.
            pass
    if hasattr(transport, "abort"):
        transport.abort()


def unsent_bytes(transport: asyncio.WriteTransport) -> int:
    """Return how many bytes the peer has not received yet, as far as it is known."""
    unsent = transport.get_write_buffer_size()
    sock = transport.get_extra_info("socket")
    if unsent or sock is None or sys.platform != "linux":
        return unsent
    try:
        result = fcntl.ioctl(sock.fileno(), _SIOCOUTQ, struct.pack("i", 0))
    except (OSError, ValueError):  # Its descriptor is closed already.
        return 0
    return int(struct.unpack("i", result)[0])
