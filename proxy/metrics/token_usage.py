"""Record when tokens were last used, in batches that do not delay requests."""

import asyncio
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, Counter

from config.loggers import get_logger
from management.authentication.external_tokens import EXTERNAL_PREFIX
from store.errors import StoreError
from store.identity_interfaces import Tokens

WRITE_SECONDS = 30.0
"""The interval between writes: the precision of a token's last use."""

WRITE_TIMEOUT_SECONDS = 10.0
"""The timeout of a write, so that a hanging one does not delay the next."""

LAST_WRITE_TIMEOUT_SECONDS = 3.0
"""The timeout of the last write, so that a hanging store does not delay a stop."""

_LOG = get_logger(__name__)


class TokenUsageRecorder:
    """Collect uses of tokens. Run :meth:`write_forever` beside it."""

    def __init__(self, tokens: Tokens, registry: CollectorRegistry) -> None:
        self._tokens = tokens
        self._used: set[str] = set()
        self._failures = Counter(
            "sekisho_token_last_used_write_failures_total",
            "Failed writes of the last use of tokens.",
            registry=registry,
        )

    def note(self, token_name: str) -> None:
        """Record that the token was used now."""
        self._used.add(token_name)

    async def write_forever(self) -> None:
        """Write uses every WRITE_SECONDS, and a last time when cancelled."""
        error: BaseException | None = None
        while error is None:
            try:
                await asyncio.sleep(WRITE_SECONDS)
                await self.write()
            except BaseException as exc:
                error = exc
        # Not in a finally clause: compiled by mypyc, that loses the exception.
        await self.write(LAST_WRITE_TIMEOUT_SECONDS)
        raise error

    async def write(self, seconds: float = WRITE_TIMEOUT_SECONDS) -> None:
        """Write the recorded uses. A failure is counted, and the uses are dropped."""
        used, self._used = self._used, set()
        used = {name for name in used if not name.startswith(EXTERNAL_PREFIX)}
        if not used:
            return
        now = datetime.now(UTC)
        # A task, because a hanging database also delays the cancellation of a write.
        task = asyncio.ensure_future(self._tokens.touch([(name, now) for name in sorted(used)]))
        try:
            await asyncio.wait({task}, timeout=seconds)
            error = _error_of(task)
        finally:
            task.cancel()
        if error is not None:
            self._failures.inc()
            _LOG.warning("last-used update failed", tokens=len(used), error=error)


def _error_of(write: asyncio.Future[None]) -> str | None:
    """Return why a write failed, or None. Raises exceptions that are not the store's."""
    if not write.done():
        return "the store didn't answer in time"
    try:
        write.result()
    except StoreError as exc:
        return str(exc)
    return None
