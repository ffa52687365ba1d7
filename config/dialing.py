"""How to reach a cluster that cannot be connected to directly: by a dialer of its own.

A direct cluster has none: its addresses are connected to as they are. The dialer of an agent's
cluster opens a stream in one of the agent's tunnels.
"""

from socket import socket
from typing import Protocol


class DialFailed(OSError):
    """No connection could be made by a dialer. The message is fit for a caller, on one line.

    ``kind`` is short and bounded, for metrics and conditions: ``no_agent`` (no tunnel is open),
    ``refused``, ``timeout``, ``limit`` or ``failed`` (what the agent said of its API server).
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Dialer(Protocol):
    """Connects to the API server of one cluster."""

    @property
    def ways(self) -> int:
        """How many ways there are now. With two, a read whose way broke may go the other one."""

    @property
    def suspended_at(self) -> float:
        """When a way last became silent (event loop time); 0 if none did lately.

        Connections that were made before may be on that way. New ones are made on others.
        """

    async def dial(self, seconds: float) -> socket:
        """Return a non-blocking stream socket connected to the API server.

        TLS with the API server is the caller's. The socket may be a Unix socket. Raises DialFailed.
        """


class NoWay:
    """The dialer of a process that holds no tunnels, such as a command."""

    ways = 0
    suspended_at = 0.0

    async def dial(self, seconds: float) -> socket:
        """Raise DialFailed."""
        raise DialFailed("no_agent", "this process has no tunnel to the cluster's agent")


NO_WAY = NoWay()
