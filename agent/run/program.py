"""Run an agent until a signal.

The first SIGTERM lets open streams end within the grace period, the second one ends them. Nothing
else ends an agent: a server that is away is dialed until it returns.
"""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from agent.relay import Relay
from agent.run.health import serve_health
from agent.run.settings import AgentSettings
from agent.run.slot import Slot
from agent.run.tunnel_set import TunnelSet
from config.listen import Listen
from config.loggers import get_logger

_LOG = get_logger(__name__)

READY_SECONDS = 15.0
"""An agent is ready if something arrived within this time in a tunnel that the server uses."""


async def run_agent(settings: AgentSettings, health: Listen) -> None:
    """Keep tunnels open until SIGTERM or SIGINT, and leave in order.

    Raises:
        OSError: the address for probes cannot be used.
    """
    tunnels = TunnelSet(settings.grace)
    leaving, at_once = asyncio.Event(), asyncio.Event()

    def ready() -> bool:
        return not leaving.is_set() and any(
            one.usable and not one.refused and one.silent_for < READY_SECONDS for one in tunnels
        )

    with _signals(leaving, at_once):
        async with serve_health(health, ready) as port:
            address = settings.api_server
            _LOG.info(
                "agent started",
                version=settings.hello.version,
                server=settings.server,
                api_server=f"{address.host} port {address.port}",
                health_port=port,
            )
            await _dial_until(leaving, settings, tunnels)
            _LOG.info("agent leaves", streams=tunnels.streams, grace=settings.grace)
            await tunnels.leave(at_once)
    _LOG.info("agent ended")


async def _dial_until(leaving: asyncio.Event, settings: AgentSettings, tunnels: TunnelSet) -> None:
    """Keep all slots filled until ``leaving``. The tunnels remain open."""
    relay = Relay(settings.api_server)
    slots = [Slot(number, settings, relay, tunnels) for number in range(settings.tunnels)]
    running = [asyncio.ensure_future(one.run()) for one in slots]
    await leaving.wait()
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


@contextmanager
def _signals(leaving: asyncio.Event, at_once: asyncio.Event) -> Iterator[None]:
    """Set ``leaving`` at the first signal, and ``at_once`` at the second one."""
    loop = asyncio.get_running_loop()

    def received() -> None:
        (at_once if leaving.is_set() else leaving).set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, received)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
