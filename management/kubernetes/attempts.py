"""Attempts to use one cluster, by all callers of one client: how many at a time, and how often.

A client has some twenty callers: an informer for each collection, and checks. If each of them
connected to a cluster that cannot be used, at its own interval, a server with hundreds of such
clusters would do nothing else. So, until the cluster has given a useful response, one request is
sent at a time, and those that begin meanwhile get its failure if there was no response. While no
watch is open, callers retry one after the other, with one backoff for all. A cluster whose API
servers do not respond and one that rejects everything cost the same.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

from management.backoff import Backoff
from management.kubernetes.errors import (
    AggregatedApiUnavailable,
    ApiConflict,
    ApiNotFound,
    ApiUnreachable,
    ClusterApiError,
    ResourceExpired,
)

SHARED_PAUSE_FACTOR = 4
"""How many times longer a pause of all callers lasts than one of a single caller."""

_USEFUL = (ApiNotFound, ApiConflict, ResourceExpired)
"""Errors that an API server responds with in normal operation."""

T = TypeVar("T")


class Attempts:
    """Decides who may send a request to a cluster now, and how long a caller waits after a failure.

    ``failed``: the last request got no response from an API server that was ready.
    """

    def __init__(self) -> None:
        self.failed = False
        self._unsure = True
        self._trial: asyncio.Future[ApiUnreachable | None] | None = None
        self._watches = 0
        self._usable = asyncio.Event()
        self._waiting = asyncio.Lock()
        self._backoff: Backoff | None = None

    async def send(self, request: Callable[[], Awaitable[T]]) -> T:
        """Send a request. Raises ClusterApiError.

        While it is not known whether the cluster is usable, one caller at a time tries. The others
        share its failure to get a response, or send their requests afterwards.
        """
        while self._unsure:
            if self._trial is None:
                return await self._try(request)
            failure = await asyncio.shield(self._trial)
            if failure is not None:
                raise failure.with_traceback(None)
        return await self._observed(request)

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Count a watch while it is open. The first one ends all pauses: the cluster is usable."""
        self._watches += 1
        if self._watches == 1:
            self.retry_now()
        try:
            yield
        finally:
            self._watches -= 1

    def doubt(self) -> None:
        """Record that a watch failed: whether the cluster responds is not known any longer."""
        self._unsure = True

    async def pause(self, backoff: Backoff) -> None:
        """Wait after an attempt. ``backoff`` is that of the caller's own failures.

        All callers continue as soon as the cluster can be used.
        """
        usable = self._usable
        if self._watches and not self.failed:
            await _wait(usable, backoff.pause())
            return
        async with self._waiting:
            if self._backoff is None:
                self._backoff = backoff.scaled(SHARED_PAUSE_FACTOR)
            if not usable.is_set():
                await _wait(usable, self._backoff.pause())

    async def until_usable(self, seconds: float) -> None:
        """Wait so long, or until another caller can use the cluster again."""
        await _wait(self._usable, seconds)

    def retry_now(self) -> None:
        """End all pauses: the cluster may be usable again."""
        self._backoff = None
        usable, self._usable = self._usable, asyncio.Event()
        usable.set()

    async def _try(self, request: Callable[[], Awaitable[T]]) -> T:
        self._trial = trial = asyncio.get_running_loop().create_future()
        failure = None
        try:
            return await self._observed(request)
        except ApiUnreachable as exc:
            # A response such as 503 may be about this request only.
            failure = None if exc.status else exc
            raise
        finally:
            self._trial = None
            trial.set_result(failure)

    async def _observed(self, request: Callable[[], Awaitable[T]]) -> T:
        try:
            received = await request()
        except ApiUnreachable:
            self.failed = self._unsure = True
            raise
        except AggregatedApiUnavailable:
            raise
        except ClusterApiError as exc:
            self._responded(useful=isinstance(exc, _USEFUL))
            raise
        self._responded(useful=True)
        return received

    def _responded(self, *, useful: bool) -> None:
        recovered = self.failed
        self.failed = False
        self._unsure = not useful
        if recovered:
            self.retry_now()


async def _wait(until: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await until.wait()
