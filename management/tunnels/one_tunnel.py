"""The way to a cluster through one tunnel."""

from socket import socket
from typing import Final

from agent.dialer import dial_through
from agent.tunnel.status import Status, StreamRefusedError
from config.dialing import DialFailed
from management.tunnels.agent_tunnel import AgentTunnel

_KINDS: Final = {
    Status.REFUSED: "refused",
    Status.TIMEOUT: "timeout",
    Status.LIMIT: "limit",
    Status.FAILED: "failed",
}


class OneTunnel:
    """A :class:`config.dialing.Dialer` that uses no other tunnel, whatever its trust."""

    __slots__ = ("_tunnel",)

    ways: Final = 1
    suspended_at: Final = 0.0

    def __init__(self, tunnel: AgentTunnel) -> None:
        self._tunnel = tunnel

    async def dial(self, seconds: float) -> socket:
        """Return a socket connected to the API server. Raises DialFailed."""
        try:
            return await dial_through(self._tunnel.connection, seconds)
        except StreamRefusedError as exc:
            raise DialFailed(_KINDS[exc.status], f"the cluster's agent: {exc}") from exc
