"""A response that a coroutine awaits.

A module of its own because mypyc compiles it with :class:`ResponseRelay`: a native class takes no
interpreted subclasses, and :mod:`proxy.forwarding.forward` is not compiled.
"""

import asyncio
from collections.abc import Callable

from proxy.response.relay import Client, Readable, RelayOptions, ResponseRelay


class AwaitedResponse(ResponseRelay):
    """A response with a future: ``done`` completes or fails when the response does.

    ``on_401`` decides about a 401; see :meth:`ResponseRelay.holds_unauthorized`.
    """

    __slots__ = ("done", "on_401")

    def __init__(
        self,
        client: Client,
        transport: asyncio.Transport,
        options: RelayOptions,
        on_head: Callable[[int], None] | None = None,
    ) -> None:
        super().__init__(client, transport, options, on_head)
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.on_401: Callable[[ResponseRelay, Readable | None], bool] | None = None

    def holds_unauthorized(self) -> bool:
        """Return whether to hold a 401 back, as ``on_401`` decides."""
        if self.on_401 is None:
            return super().holds_unauthorized()
        return self.on_401(self, self._upstream)

    def on_complete(self, error: Exception | None) -> None:
        """Complete ``done``."""
        if self.done.done():
            return
        if error is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(error)

    def renew(self) -> None:
        """Wait for another response, after a failure before any byte of one."""
        self.over = False
        self._held = 0
        if self._ending:
            self._transport.abort()
        self.done = self.done.get_loop().create_future()
