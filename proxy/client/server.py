"""aiohttp's low-level server, making our connections, and an orderly end of them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from proxy.connection import MAX_HEAD_BYTES, GateConnection, MalformedHandler
from proxy.express_connection import Express, ExpressConnection

_CUT_OFF_SECONDS = 0.05


class GateServer(web.Server):
    """Makes a :class:`GateConnection` for each client, with an ``express`` lane if there is one.

    ``malformed`` answers what isn't HTTP; without it, aiohttp does.
    """

    def __init__(
        self,
        handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
        *,
        request_factory: Callable[..., web.BaseRequest],
        malformed: MalformedHandler | None = None,
        max_head: int = MAX_HEAD_BYTES,
        express: Express | None = None,
        **options: Any,
    ) -> None:
        super().__init__(
            handler, request_factory=request_factory, handler_cancellation=True, **options
        )
        self._loop_of_connections = asyncio.get_running_loop()
        self._options = {**options, "malformed": malformed, "max_head": max_head}
        self._express = express
        self._idle_seconds = float(options.get("keepalive_timeout", 3630.0))
        self._sweeper: asyncio.TimerHandle | None = None
        if express is not None:
            self._close_idle()

    def __call__(self) -> GateConnection:
        """A handler for a new connection."""
        loop = self._loop_of_connections
        if self._express is None:
            return GateConnection(self, loop=loop, **self._options)
        return ExpressConnection(self, self._express, loop, self._options, self._idle_seconds)

    def _close_idle(self) -> None:
        """Close connections that idle, now and then: to one timer each, one for all is cheap."""
        now = self._loop_of_connections.time()
        for connection in list(self.connections):
            if isinstance(connection, ExpressConnection):
                connection.close_if_idle(now)
        every = min(max(self._idle_seconds / 10, 0.1), 10.0)
        self._sweeper = self._loop_of_connections.call_later(every, self._close_idle)

    async def shutdown(self, timeout: float | None = None) -> None:
        """Let running requests finish within ``timeout`` seconds, then cut off the rest.

        aiohttp's own way spends the time twice, once before and once after it breaks off requests'
        bodies, and takes 0 for no limit.
        """
        if self._sweeper is not None:
            self._sweeper.cancel()
        try:
            async with asyncio.timeout(timeout):
                await super().shutdown(None)
        except TimeoutError:
            await super().shutdown(_CUT_OFF_SECONDS)
