"""Keep one tunnel open for as long as the agent runs.

A tunnel is used as soon as it is open, wherever it ends. If its place is not the best one, others
are tried meanwhile, with growing pauses: a load balancer may lead the next dial to another replica.
"""

import asyncio

from agent.dial import DialError
from agent.relay import Relay
from agent.run.placement import Rank
from agent.run.redial import Redial
from agent.run.settings import AgentSettings
from agent.run.target import read_target
from agent.run.tunnel import AgentTunnel
from agent.run.tunnel_set import TunnelSet
from config.loggers import get_logger

_LOG = get_logger(__name__)

MOVE_SECONDS = 600.0
"""The longest pause between attempts to find a better place. A server with one replica has none."""


class Slot:
    """One of the tunnels that this pod has. ``tunnels`` are those of all slots."""

    def __init__(
        self, number: int, settings: AgentSettings, relay: Relay, tunnels: TunnelSet
    ) -> None:
        self._settings, self._relay, self._tunnels = settings, relay, tunnels
        self._log = _LOG.bind(slot=number, server=settings.server)
        self._redial = Redial()
        self._moving = Redial(most=MOVE_SECONDS)

    async def run(self) -> None:
        """Keep a tunnel open until cancelled."""
        while True:
            try:
                await self._run()
            except Exception:
                # A defect. The other slots go on, and this one must not stay without a tunnel.
                self._log.exception("tunnel failed")
                await asyncio.sleep(self._redial.pause())

    async def _run(self) -> None:
        previous: AgentTunnel | None = None
        while True:
            tunnel = await self._opened()
            if previous is not None:
                self._tunnels.retire(previous)
            tunnel = await self._held(tunnel)
            previous = None if tunnel.ended.done() else tunnel
            pause = self._redial.pause(lasted=tunnel.lasted)
            if previous is None:
                await self._tunnels.discard(tunnel)
                reason = tunnel.ended.result()
                self._log.warning("tunnel lost", reason=reason, redial_in=round(pause, 1))
            else:
                self._log.info("tunnel drains", replica=tunnel.place.replica)
            await asyncio.sleep(pause)

    async def _opened(self) -> AgentTunnel:
        """Dial until a tunnel is open."""
        while True:
            try:
                tunnel = await self._dial()
            except DialError as exc:
                pause = self._redial.pause(retry_after=exc.retry_after)
                self._log.warning("no tunnel", error=str(exc), redial_in=round(pause, 1))
                await asyncio.sleep(pause)
            else:
                return tunnel

    async def _dial(self) -> AgentTunnel:
        """Open a tunnel. Raises DialError."""
        tunnel = AgentTunnel(self._relay, self._settings.hello)
        await tunnel.open(read_target(self._settings))
        self._tunnels.add(tunnel)
        place = tunnel.place
        self._log.info("tunnel open", replica=place.replica, machine=place.machine)
        return tunnel

    async def _held(self, tunnel: AgentTunnel) -> AgentTunnel:
        """Wait until the tunnel ends or drains, and move to better places meanwhile.

        Return the tunnel that was held last.
        """
        self._moving.reset()
        while tunnel.usable:
            if self._tunnels.rank(tunnel) is Rank.DISTINCT:
                await tunnel.changed(None)
            elif not await tunnel.changed(self._moving.pause()):
                tunnel = await self._moved(tunnel)
        return tunnel

    async def _moved(self, tunnel: AgentTunnel) -> AgentTunnel:
        """Dial once more. Keep the tunnel with the better place, and retire the other one."""
        try:
            other = await self._dial()
        except DialError as exc:
            self._log.info("no other tunnel", error=str(exc))
            return tunnel
        better = self._tunnels.rank(other, beside=tunnel) > self._tunnels.rank(tunnel, beside=other)
        kept, retired = (other, tunnel) if better else (tunnel, other)
        self._tunnels.retire(retired)
        return kept
