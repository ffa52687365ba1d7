"""A value that is fetched, cached, and fetched again when it is old."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from providers.base import ProviderUnavailable

_T = TypeVar("_T")

FAILURE_PAUSE = 5.0
"""Seconds without another attempt after a failed fetch. Until then, callers fail immediately."""


class CachedValue(Generic[_T]):
    """A cached value. Concurrent callers share one fetch.

    After ``fresh`` seconds the value is fetched again. If that fails, the old value is used until
    it is ``stale`` seconds old.
    """

    def __init__(
        self,
        fetch: Callable[[], Awaitable[_T]],
        clock: Callable[[], float],
        *,
        fresh: float,
        stale: float,
    ) -> None:
        self._fetch = fetch
        self._clock = clock
        self._fresh = fresh
        self._stale = stale
        self._value: _T | None = None
        self._at = 0.0
        self._failed_at: float | None = None
        self._failure = ""
        self._task: asyncio.Task[None] | None = None

    async def get(self) -> _T:
        """Return the value. Raises ProviderUnavailable."""
        if self._value is None or self._clock() - self._at >= self._fresh:
            await self._try()
        if self._value is None or self._clock() - self._at >= self._stale:
            raise ProviderUnavailable(self._failure or "could not be fetched")
        return self._value

    async def newer_than(self, seconds: float) -> _T:
        """Return the value, fetched again if it is older. Raises ProviderUnavailable."""
        if self._value is not None and self._clock() - self._at >= seconds:
            await self._try()
        return await self.get()

    async def _try(self) -> None:
        failed = self._failed_at
        if failed is not None and self._clock() - failed < FAILURE_PAUSE:
            return
        if self._task is None:
            self._task = asyncio.create_task(self._once())
            self._task.add_done_callback(self._done)
        # Shielded: a caller that is cancelled must not cancel the fetch of the others.
        await asyncio.shield(self._task)

    async def _once(self) -> None:
        try:
            self._value = await self._fetch()
        except ProviderUnavailable as exc:
            self._failed_at, self._failure = self._clock(), str(exc)
        else:
            self._at, self._failed_at = self._clock(), None

    def _done(self, _: asyncio.Task[None]) -> None:
        self._task = None
