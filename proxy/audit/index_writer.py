"""Store searchable events in batches, and delete the oldest."""

import asyncio
from datetime import UTC, datetime

from config.audit_settings import AuditSearchSettings
from config.loggers import get_logger
from proxy.audit.index import AuditIndex
from proxy.audit.log import AuditLog
from proxy.background.tasks import BackgroundTasks
from store.audit_interfaces import AuditEvents
from store.audit_records import AuditEvent
from store.errors import StoreError

WRITE_SECONDS = 1.0
"""The interval between writes. An event can be searched that much later."""

BATCH = 500
"""Events of one transaction: some milliseconds."""

WRITE_TIMEOUT_SECONDS, LAST_WRITE_TIMEOUT_SECONDS = 10.0, 3.0
"""The timeouts of a write, and of the last one when the server stops."""

MAX_PAUSE_SECONDS = 30.0
"""The longest pause while the store is away."""

PRUNE_SECONDS = 300.0

_LOG = get_logger(__name__)


class AuditIndexWriter:
    """Moves events from ``index`` to the store, up to ``batch`` in one transaction."""

    def __init__(self, index: AuditIndex, events: AuditEvents, batch: int = BATCH) -> None:
        self._index = index
        self._events = events
        self._batch = batch
        self._failing = False

    async def write_forever(self) -> None:
        """Write every WRITE_SECONDS, and a last time when cancelled."""
        pause = WRITE_SECONDS
        try:
            while True:
                await asyncio.sleep(pause)
                pause = WRITE_SECONDS if await self.write() else min(2 * pause, MAX_PAUSE_SECONDS)
        finally:
            await self.write(LAST_WRITE_TIMEOUT_SECONDS)

    async def write(self, seconds: float = WRITE_TIMEOUT_SECONDS) -> bool:
        """Write the events that wait. Return False if the store failed.

        The store may be away: the events wait then. A batch whose outcome is unknown is dropped
        and counted instead, because it may be stored already.
        """
        while batch := self._index.take(self._batch):
            # A task, because a hanging database also delays the cancellation of a write.
            task = asyncio.ensure_future(self._events.append(batch))
            try:
                await asyncio.wait({task}, timeout=seconds)
            finally:
                if not task.done():
                    task.cancel()
                    self._drop(batch)
            if not self._succeeded(task, batch):
                return False
        return True

    def _succeeded(self, task: asyncio.Future[None], batch: list[AuditEvent]) -> bool:
        try:
            if not task.done():
                raise TimeoutError("the store didn't answer in time")
            task.result()
        except (StoreError, TimeoutError) as exc:
            if not isinstance(exc, TimeoutError):
                self._index.put_back(batch)
            if not self._failing:
                _LOG.warning("audit events can't be stored for searches", error=str(exc))
            self._failing = True
            return False
        except Exception:
            self._drop(batch)
            raise
        self._failing = False
        return True

    def _drop(self, batch: list[AuditEvent]) -> None:
        for _ in batch:
            self._index.dropped("store")


async def prune_forever(events: AuditEvents, settings: AuditSearchSettings) -> None:
    """Delete the oldest events every PRUNE_SECONDS, until cancelled."""
    while True:
        oldest = datetime.now(UTC) - settings.max_age
        try:
            await events.prune(oldest, settings.max_events)
        except StoreError as exc:
            _LOG.warning("audit events can't be deleted", error=str(exc))
        await asyncio.sleep(PRUNE_SECONDS)


def keep_searchable(
    background: BackgroundTasks,
    log: AuditLog | None,
    events: AuditEvents,
    settings: AuditSearchSettings,
) -> None:
    """Store the events of ``log`` that can be searched, in the background."""
    if log is not None and log.index is not None:
        background.keep("audit-search", AuditIndexWriter(log.index, events).write_forever)
        background.keep("audit-prune", lambda: prune_forever(events, settings))
