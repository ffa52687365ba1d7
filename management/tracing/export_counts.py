"""Count what became of finished spans, and log when their export begins to fail."""

import threading

from config.loggers import get_logger

_LOG = get_logger(__name__)

MAX_REASON = 300
"""Characters of the exporter's reason in the log."""


class ExportCounts:
    """Finished spans of this process since its start.

    ``accepted`` were queued, ``dropped`` were not because the queue was full; one thread writes
    these. ``exported`` and ``failed`` are written by the exporter's thread.
    """

    def __init__(self) -> None:
        self.accepted = self.dropped = self.exported = self.failed = 0
        self._failing = False
        self._lock = threading.Lock()

    @property
    def pending(self) -> int:
        """Return the number of spans that are queued or being exported."""
        return self.accepted - self.exported - self.failed

    def add_exported(self, spans: int) -> None:
        """Count exported spans. Log it if the exports before them failed."""
        with self._lock:
            self.exported += spans
            recovered, self._failing = self._failing, False
        if recovered:
            _LOG.info("traces are exported again", lost_spans=self.failed + self.dropped)

    def add_failed(self, spans: int, reason: str) -> None:
        """Count spans that are lost. Log the first failure of an outage, and only that."""
        with self._lock:
            self.failed += spans
            first, self._failing = not self._failing, True
        if first:
            _LOG.warning(
                "traces not exported",
                error=reason[:MAX_REASON] or "the collector does not accept them",
                fix="check traces.endpoint and the collector; spans are lost meanwhile",
            )
