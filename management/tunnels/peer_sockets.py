"""Sockets between the processes of a Sekisho: listeners, and who is at the other end.

On one machine, a process listens on a Unix socket in a folder that only its user may enter. Both
ends also ask the kernel which user is at the other end (``SO_PEERCRED``): the path of a process
that has ended may be another user's by now.
"""

import os
import socket
import stat
import struct
import sys
from pathlib import Path

from config.listen import Listen

BACKLOG = 1024
"""Connections that may wait to be accepted."""

_KEEPALIVE = (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3))
"""A machine that has vanished is noticed after a minute (seconds, seconds, times)."""

_CREDENTIALS = struct.Struct("3i")
"""``struct ucred``: process, user, group (unix(7))."""

CAN_CHECK_USER = sys.platform == "linux"
"""Whether the kernel says which user is at the other end. Without, Unix sockets are not used."""


def listen_at_path(path: Path) -> socket.socket:
    """Listen on a Unix socket. Raises OSError, also if others may enter its folder."""
    folder = path.parent.lstat()
    if folder.st_uid != os.geteuid() or stat.S_IMODE(folder.st_mode) & 0o077:
        raise PermissionError(f"{path.parent} is not a private folder (mode 0700)")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.setblocking(False)
        listener.bind(str(path))
        path.chmod(0o600)
        listener.listen(BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


def listen_at_address(listen: Listen) -> socket.socket:
    """Listen on a TCP address; without a host, on every interface. Raises OSError."""
    if listen.host is None:
        listener = _listen_everywhere(listen.port)
    else:
        found = socket.getaddrinfo(listen.host, listen.port, type=socket.SOCK_STREAM)
        family, _, _, _, address = found[0]
        listener = socket.create_server(address, family=family, backlog=BACKLOG)
    listener.setblocking(False)
    set_tcp_options(listener)  # Accepted connections inherit them.
    return listener


def _listen_everywhere(port: int) -> socket.socket:
    if socket.has_dualstack_ipv6():
        try:
            return socket.create_server(
                ("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=BACKLOG
            )
        except OSError:
            pass  # IPv6 is switched off, or the port is in use: then the next one raises, too.
    return socket.create_server(("", port), backlog=BACKLOG)


def set_tcp_options(connection: socket.socket) -> None:
    """Send at once, and notice a machine that has vanished."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE:
        if hasattr(socket, name):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def is_same_user(connection: socket.socket) -> bool:
    """Return whether the process at the other end of a Unix socket runs as this user."""
    if not CAN_CHECK_USER:
        return False
    size = _CREDENTIALS.size
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    user: int = _CREDENTIALS.unpack(credentials)[1]
    return user == os.geteuid()
