"""A response that a coroutine awaits.

A module of its own because mypyc compiles it with :class:`ResponseRelay`: a native class takes no
interpreted subclasses, and :mod:`proxy.forwarding.forward` is not compiled.
"""

import asyncio
from collections.abc import Callable

from proxy.response.relay import Client, Readable, RelayOptions, ResponseRelay, ended_early
from proxy.response.status import StatusError


class AwaitedResponse(ResponseRelay):
    """A response with a future: ``done`` completes or fails when the response does.

    ``on_401`` decides about a 401; see :meth:`ResponseRelay.holds_unauthorized`. The task that
    creates it handles the request.
    """

    __slots__ = ("_refusal", "_task", "done", "on_401")

    def __init__(
        self,
        client: Client,
        transport: asyncio.Transport,
        options: RelayOptions,
        on_head: Callable[[int], None] | None = None,
    ) -> None:
        super().__init__(client, transport, options, on_head)
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task = asyncio.current_task()
        self._refusal: StatusError | None = None
        self.on_401: Callable[[ResponseRelay, Readable | None], bool] | None = None

    def holds_unauthorized(self) -> bool:
        """Return whether to hold a 401 back, as ``on_401`` decides."""
        if self.on_401 is None:
            return super().holds_unauthorized()
        return self.on_401(self, self._upstream)

    def refuse(self, error: StatusError) -> bool:
        """Cancel the task, wherever it waits; :meth:`take_refusal` returns ``error`` there.

        A response that comes before the task continues must not be written: it would be cut off.
        """
        if self.status:
            return False
        if self._refusal is None and self._task is not None:
            self._refusal = error
            self._task.cancel()
            upstream = self._upstream
            self._detach()
            if upstream is not None:
                upstream.abort()
        return True

    def take_refusal(self) -> StatusError | None:
        """Return the response for a task that :meth:`refuse` has cancelled, and let it continue.

        None if no response is possible: the client has left, or has got a part of another one.
        """
        refusal, self._refusal = self._refusal, None
        if refusal is None or self._task is None or self._task.uncancel() or self.status:
            return None
        return refusal

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
            self.refuse(ended_early())
        self.done = self.done.get_loop().create_future()
