"""The open tunnels of an agent, and how they end."""

import asyncio
from collections.abc import Iterator
from typing import Any

from agent.run.placement import Rank, rank
from agent.run.tunnel import AgentTunnel

RETIRE_SECONDS = 3600.0
"""How long streams may continue in a tunnel that was replaced. A server that drains ends them
sooner, and after a move nothing presses."""

CLOSE_SECONDS = 1.0
"""How long a closed connection may take to send what is left."""


class TunnelSet:
    """All tunnels of this pod, those that retire included.

    ``grace``: how long streams may continue when the agent leaves, in seconds.
    """

    def __init__(self, grace: float) -> None:
        self._grace = grace
        self._tunnels: set[AgentTunnel] = set()
        self._retiring: dict[AgentTunnel, asyncio.Task[None]] = {}

    def __iter__(self) -> Iterator[AgentTunnel]:
        return iter(self._tunnels)

    @property
    def streams(self) -> int:
        """Return the number of relayed streams."""
        return sum(one.streams for one in self._tunnels)

    def add(self, tunnel: AgentTunnel) -> None:
        """Add an open tunnel."""
        self._tunnels.add(tunnel)

    def rank(self, tunnel: AgentTunnel, *, beside: AgentTunnel | None = None) -> Rank:
        """Return how good the place of a tunnel is. ``beside`` is not counted."""
        if not tunnel.usable:
            return Rank.USELESS
        others = self._tunnels - {tunnel, beside}
        used = [one.place for one in others if one.usable]
        draining = [one.place for one in others if one.is_draining]
        return rank(tunnel.place, used, draining)

    def retire(self, tunnel: AgentTunnel) -> None:
        """Let the streams of a tunnel end, and then close it. Does not wait."""
        if tunnel not in self._retiring:
            self._retiring[tunnel] = asyncio.ensure_future(self._retire(tunnel))

    async def discard(self, tunnel: AgentTunnel) -> None:
        """Close a tunnel, with its streams."""
        self._tunnels.discard(tunnel)
        await tunnel.close()

    async def leave(self, at_once: asyncio.Event) -> None:
        """Retire all tunnels, and return when they are closed.

        Close them after the grace period, or when ``at_once`` is set.
        """
        for tunnel in self._tunnels:
            self.retire(tunnel)
        left = set(self._tunnels)
        hurry = asyncio.ensure_future(at_once.wait())
        retiring = asyncio.gather(*self._retiring.values(), return_exceptions=True)
        waiting: set[asyncio.Future[Any]] = {hurry, retiring}
        await asyncio.wait(waiting, timeout=self._grace, return_when=asyncio.FIRST_COMPLETED)
        hurry.cancel()
        retiring.cancel()
        await asyncio.gather(hurry, retiring, return_exceptions=True)
        if left:
            await asyncio.wait({one.ended for one in left}, timeout=CLOSE_SECONDS)

    async def _retire(self, tunnel: AgentTunnel) -> None:
        try:
            await tunnel.retire(RETIRE_SECONDS)
        finally:
            self._tunnels.discard(tunnel)
            self._retiring.pop(tunnel, None)
