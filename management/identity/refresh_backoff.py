"""Concurrency and backoff of the refreshes at one provider, and of one principal.

A provider pauses only if its own check fails too: then no refresh can succeed. A response that is
missing, late or wrong while the provider can be reached concerns one principal, and only that
principal is tried again later.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from providers.base import ProviderUnavailable

CONCURRENT = 4
"""Concurrent refreshes at one provider."""

CONCURRENT_FAILING = 2
"""Concurrent refreshes of principals whose last refresh failed.

They have slots of their own and take none from the others.
"""

FIRST_PAUSE, LAST_PAUSE = timedelta(seconds=30), timedelta(minutes=15)
"""Pauses of a provider that cannot be reached; each is twice the one before."""

FIRST_RETRY, LAST_RETRY = timedelta(minutes=1), timedelta(hours=1)
"""Pauses of one principal whose refresh failed."""

CHECK_SECONDS = 5.0
"""Timeout of a provider's check; after it the provider counts as down."""

CHECKED_FOR = timedelta(seconds=5)
"""How long a check's result is reused: many concurrent failures make one check."""


def retry_pause(failures: int, retry_after: int | None, chance: float) -> timedelta:
    """Return how long to wait before the next refresh after ``failures`` in a row (at least 1).

    ``retry_after`` is the provider's request, in seconds. ``chance`` (0 to 1) is jitter for
    principals that failed together.
    """
    doubled: int = 1 << min(failures - 1, 10)
    pause = min(FIRST_RETRY * doubled, LAST_RETRY)
    requested = min(timedelta(seconds=retry_after or 0), LAST_RETRY)
    return max(pause * (1 + chance) / 2, requested)


@dataclass(slots=True)
class RefreshBackoff:
    """The refreshes at one provider: how many run concurrently, and whether it pauses."""

    healthy: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(CONCURRENT))
    failing: asyncio.Semaphore = field(
        default_factory=lambda: asyncio.Semaphore(CONCURRENT_FAILING)
    )
    pause: timedelta = timedelta(0)
    until: datetime | None = None
    _checking: asyncio.Lock = field(default_factory=asyncio.Lock)
    _checked: tuple[datetime, str | None] | None = None

    def pauses(self, now: datetime) -> bool:
        """Return whether the provider pauses."""
        return self.until is not None and now < self.until

    def succeeded(self) -> None:
        """Record a response: the provider can be reached."""
        self.pause, self.until, self._checked = timedelta(0), None, None

    def failed(self, now: datetime, chance: float) -> bool:
        """Begin a pause; return False if the provider pauses already."""
        if self.pauses(now):
            return False
        self.pause = min(self.pause * 2, LAST_PAUSE) if self.pause else FIRST_PAUSE
        self.until = now + self.pause * (1 + chance) / 2
        return True

    async def why_unreachable(
        self, check: Callable[[], Awaitable[None]], now: Callable[[], datetime]
    ) -> str | None:
        """Return why the provider cannot be reached, or None if it can."""
        async with self._checking:
            if self._checked is not None and now() - self._checked[0] < CHECKED_FOR:
                return self._checked[1]
            self._checked = (now(), why := await _problem(check))
            return why


async def _problem(check: Callable[[], Awaitable[None]]) -> str | None:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            await check()
    except TimeoutError:
        return "timed out"
    except ProviderUnavailable as exc:
        return str(exc)
    except Exception as exc:  # a plug-in's check may raise anything
        return type(exc).__name__
    return None
