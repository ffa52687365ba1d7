"""One tunnel of an agent, from its dial to its end."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

from agent.dial import DialError, Target, dialed
from agent.relay import Relay
from agent.run.placement import Place
from agent.tunnel.connection import TunnelConnection
from agent.tunnel.control import Drain, Hello, Message, Refused, Welcome
from agent.tunnel.control_stream import ControlStream
from config.loggers import get_logger

_LOG = get_logger(__name__)

WELCOME_SECONDS = 10.0
_POLL_SECONDS = 0.1


class AgentTunnel:
    """A tunnel that relays its streams to the API server. It is dialed once.

    ``ended`` is done, with the reason, when the connection has ended. ``drains`` is done when the
    server ends soon. ``refused`` is why the server uses it for no request; empty if it does.
    """

    def __init__(self, relay: Relay, hello: Hello) -> None:
        loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[str] = loop.create_future()
        self.drains: asyncio.Future[str] = loop.create_future()
        self.place = Place("", "")
        self.retiring = False
        self.refused = ""
        self.opened_at = loop.time()
        self._hello = hello
        self._welcomed: asyncio.Future[Welcome] = loop.create_future()
        self._dialed = AsyncExitStack()
        self.connection = TunnelConnection(
            client=True,
            accept=lambda number: relay.accept(self.connection, number),
            lost=self._lost,
            leaves=self._drain,
        )
        self._control = ControlStream(self.connection, self._received)

    @property
    def usable(self) -> bool:
        """Return whether the server may open streams for long: it neither ended nor drains."""
        return not (self.ended.done() or self.drains.done() or self.retiring)

    @property
    def is_draining(self) -> bool:
        """Return whether the server ends soon, and the tunnel has not been replaced yet."""
        return self.drains.done() and not (self.ended.done() or self.retiring)

    @property
    def silent_for(self) -> float:
        """Return for how many seconds nothing has arrived."""
        return self.connection.silent_for

    @property
    def streams(self) -> int:
        """Return the number of relayed streams."""
        return 0 if self.ended.done() else max(0, self.connection.streams - 1)

    @property
    def lasted(self) -> float:
        """Return the age of the tunnel in seconds."""
        return asyncio.get_running_loop().time() - self.opened_at

    async def open(self, target: Target) -> None:
        """Dial, and wait for the server's welcome.

        Raises:
            DialError: there is no tunnel.
        """
        try:
            await self._dialed.enter_async_context(dialed(target, self.connection))
            self._control.open()
            self._control.send(self._hello)
            waiting: set[asyncio.Future[Any]] = {self._welcomed, self.ended}
            await asyncio.wait(
                waiting, timeout=WELCOME_SECONDS, return_when=asyncio.FIRST_COMPLETED
            )
            if self.ended.done():
                raise DialError(f"the tunnel ended before it was used: {self.ended.result()}")
            if not self._welcomed.done():
                raise DialError(
                    f"the server sent no welcome within {WELCOME_SECONDS:g} s; it may be "
                    "overloaded, or an HTTP proxy in between may hold back data"
                )
        except BaseException:
            await self.close()
            raise
        welcome = self._welcomed.result()
        self.place = Place(welcome.replica, welcome.machine)

    async def changed(self, seconds: float | None) -> bool:
        """Wait until the tunnel ends or drains. Return False if it did not within ``seconds``."""
        waiting = {self.ended, self.drains}
        done, _ = await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        return bool(done)

    async def retire(self, seconds: float) -> None:
        """Accept no more streams, let open ones end within ``seconds``, and close."""
        self.retiring = True
        self.connection.leave()
        try:
            async with asyncio.timeout(seconds):
                while self.streams:
                    await asyncio.wait({self.ended}, timeout=_POLL_SECONDS)
        except TimeoutError:
            pass
        finally:
            await self.close()

    async def close(self) -> None:
        """Close the connection, with all streams."""
        await self._dialed.aclose()

    def _received(self, message: Message) -> None:
        if isinstance(message, Welcome) and not self._welcomed.done():
            self._welcomed.set_result(message)
        elif isinstance(message, Drain):
            self._drain(message.reason)
        elif isinstance(message, Refused):
            self._refuse(message.reason)

    def _refuse(self, reason: str) -> None:
        if reason and not self.refused:
            _LOG.error("tunnel refused", reason=reason)
        elif self.refused and not reason:
            _LOG.info("tunnel no longer refused")
        self.refused = reason

    def _drain(self, reason: str = "") -> None:
        if not self.drains.done():
            self.drains.set_result(reason)

    def _lost(self, reason: str) -> None:
        if not self.ended.done():
            self.ended.set_result(reason)
