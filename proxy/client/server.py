"""aiohttp's low-level server with Sekisho's connections, and an orderly shutdown."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web

from proxy.client.connection import MAX_HEAD_BYTES, ClientConnection, MalformedHandler
from proxy.limits.unfinished_heads import HeadBudget

_CUT_OFF_SECONDS = 0.05

ConnectionFactory = Callable[
    [web.Server, asyncio.AbstractEventLoop, Mapping[str, Any]], ClientConnection
]
"""Creates a connection of a server. The mapping has the keyword arguments of ClientConnection."""


def create_connection(
    server: web.Server, loop: asyncio.AbstractEventLoop, options: Mapping[str, Any]
) -> ClientConnection:
    """Create a connection without a fast path."""
    return ClientConnection(server, loop=loop, **options)


class ProxyServer(web.Server):
    """Creates a :class:`ClientConnection` for each client.

    ``anonymous_timeout`` is how many seconds a connection without an authenticated caller may be
    idle, if less than others may. ``malformed`` responds to bytes that are not valid HTTP; without
    it, aiohttp does.
    """

    def __init__(
        self,
        handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
        *,
        request_factory: Callable[..., web.BaseRequest],
        malformed: MalformedHandler | None = None,
        max_head: int = MAX_HEAD_BYTES,
        connection_factory: ConnectionFactory = create_connection,
        anonymous_timeout: float = math.inf,
        **options: Any,
    ) -> None:
        super().__init__(
            handler, request_factory=request_factory, handler_cancellation=True, **options
        )
        self._event_loop = asyncio.get_running_loop()
        idle_seconds = float(options.get("keepalive_timeout", 3630.0))
        self._connection_options = {
            **options,
            "malformed": malformed,
            "max_head": max_head,
            "heads": HeadBudget(),
            "anonymous_seconds": anonymous_timeout,
        }
        self._connection_factory = connection_factory
        self._sweep_seconds = min(max(min(anonymous_timeout, idle_seconds) / 10, 0.1), 10.0)
        self._sweeper: asyncio.TimerHandle | None = None
        self._close_idle()

    def __call__(self) -> ClientConnection:
        """Create the handler of a new connection."""
        return self._connection_factory(self, self._event_loop, self._connection_options)

    def _close_idle(self) -> None:
        """Close idle connections periodically: one timer is cheaper than one for each."""
        now = self._event_loop.time()
        for connection in list(self.connections):
            if isinstance(connection, ClientConnection):
                connection.close_if_idle(now)
        self._sweeper = self._event_loop.call_later(self._sweep_seconds, self._close_idle)

    async def shutdown(self, timeout: float | None = None) -> None:
        """Let running requests finish within ``timeout`` seconds, then cut off the rest.

        aiohttp's own method spends the time twice, once before and once after it breaks off the
        bodies of requests, and takes 0 for no limit.
        """
        if self._sweeper is not None:
            self._sweeper.cancel()
        try:
            async with asyncio.timeout(timeout):
                await super().shutdown(None)
        except TimeoutError:
            await super().shutdown(_CUT_OFF_SECONDS)
