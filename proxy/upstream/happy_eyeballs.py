"""Connect to the first of several addresses that answers (RFC 8305).

If an attempt has not succeeded within a quarter of a second, the next one starts beside it, so that
a silent address costs that much and not the whole timeout. An attempt includes the TLS handshake,
because the kernel of a frozen machine still completes TCP's. uvloop does not implement this.
"""

import asyncio
import ssl
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Generic, TypeVar

from providers.network.addresses import STAGGER_SECONDS

MAX_ADDRESSES = 16
"""The most addresses of one name that are tried."""

Connection = TypeVar("Connection")


class Race(Generic[Connection]):
    """Attempts to open one connection.

    ``connect`` raises OSError; ``discard`` gets connections that are no longer needed. ``slow`` is
    called with each address that failed or was slower than a later one.
    """

    def __init__(
        self,
        connect: Callable[[str], Coroutine[Any, Any, Connection]],
        discard: Callable[[Connection], None],
        slow: Callable[[str], None],
    ) -> None:
        self._connect = connect
        self._discard = discard
        self._slow = slow
        self._running: dict[asyncio.Task[Connection], str] = {}
        self._errors: list[OSError] = []

    async def run(self, addresses: Sequence[str]) -> Connection:
        """Return the first open connection. Raises OSError."""
        waiting = list(addresses[:MAX_ADDRESSES])
        if len(waiting) == 1:
            return await self._connect(waiting[0])
        try:
            while waiting or self._running:
                if waiting:
                    address = waiting.pop(0)
                    self._running[asyncio.create_task(self._connect(address))] = address
                done, _ = await asyncio.wait(
                    self._running,
                    timeout=STAGGER_SECONDS if waiting else None,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                connection = self._first(done)
                if connection is not None:
                    return connection
            raise self._error()
        finally:
            await self._end()

    def _first(self, done: set[asyncio.Task[Connection]]) -> Connection | None:
        """Return the first connection among finished attempts."""
        for task in [one for one in self._running if one in done]:
            error = task.exception()
            if error is None:
                self._running.pop(task)
                return task.result()
            if not isinstance(error, OSError):
                raise error
            self._errors.append(error)
            self._slow(self._running.pop(task))
        return None

    def _error(self) -> OSError:
        """Return the most specific error: a TLS error of a server that answered, else the last."""
        tls_errors = (one for one in self._errors if isinstance(one, ssl.SSLError))
        no_address = OSError("the name has no address")
        return next(tls_errors, self._errors[-1] if self._errors else no_address)

    async def _end(self) -> None:
        """End the remaining attempts."""
        for task, address in self._running.items():
            self._slow(address)
            task.cancel()
        ended = await asyncio.gather(*self._running, return_exceptions=True)
        for one in ended:
            if not isinstance(one, BaseException):
                self._discard(one)
