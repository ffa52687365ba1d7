"""When tokens were last used, written now and then: bookkeeping that never costs a request."""

import asyncio
from datetime import UTC, datetime

import structlog
from prometheus_client import CollectorRegistry, Counter

from management.foreign_bearers import FOREIGN_PREFIX
from store.interfaces import StoreError, Tokens

WRITE_SECONDS = 30.0
"""How often uses are written: the precision of a token's last use."""

GIVE_UP_SECONDS = 10.0
"""How long one write may take: one that hangs must not hold up the next."""

LAST_SECONDS = 3.0
"""The same for the last one: a store that hangs must not hold up a stop."""

_LOG = structlog.get_logger("sekisho.last_used")


class LastUsed:
    """Collects uses of tokens. Run :meth:`write_forever` beside it."""

    def __init__(self, tokens: Tokens, registry: CollectorRegistry) -> None:
        self._tokens = tokens
        self._used: set[str] = set()
        self._failures = Counter(
            "sekisho_last_used_failures_total",
            "Times that the last use of tokens could not be written.",
            registry=registry,
        )

    def note(self, token_name: str) -> None:
        """The token was used just now."""
        self._used.add(token_name)

    async def write_forever(self) -> None:
        """Write uses every WRITE_SECONDS, and once more when cancelled."""
        try:
            while True:
                await asyncio.sleep(WRITE_SECONDS)
                await self.write()
        finally:
            await self.write(LAST_SECONDS)

    async def write(self, seconds: float = GIVE_UP_SECONDS) -> None:
        """Write what has been noted. A failure is counted, and the uses are dropped."""
        used, self._used = self._used, set()
        used = {name for name in used if not name.startswith(FOREIGN_PREFIX)}
        if not used:
            return
        now = datetime.now(UTC)
        # A task, for a database that hangs holds up even the end of a write that is given up.
        task = asyncio.ensure_future(self._tokens.touch([(name, now) for name in sorted(used)]))
        try:
            await asyncio.wait({task}, timeout=seconds)
            error = _error_of(task)
        finally:
            task.cancel()
        if error is not None:
            self._failures.inc()
            _LOG.warning("last uses not written", tokens=len(used), error=error)


def _error_of(write: asyncio.Future[None]) -> str | None:
    """Why a write isn't done, or None where it is. Raises what isn't the store's."""
    if not write.done():
        return "the store didn't answer in time"
    try:
        write.result()
    except StoreError as exc:
        return str(exc)
    return None
