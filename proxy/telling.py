"""Telling of requests: metrics, access log and audit log, whichever way they took."""

from proxy.access import Access
from proxy.access_log import AccessLog
from proxy.audit_log import AuditLog
from proxy.failure import kind_of, refusal_for
from proxy.metrics import GateMetrics
from proxy.request_info import CONNECT
from proxy.status import Refusal
from proxy.timestamps import rfc3339
from proxy.upstream import UpstreamError


class Teller:
    """Tells of the gate's requests."""

    def __init__(
        self, metrics: GateMetrics, access_log: AccessLog | None, audit_log: AuditLog | None
    ) -> None:
        self._metrics = metrics
        self._traffic = metrics.traffic
        self._access_log = access_log
        self._audit_log = audit_log

    def began(self, access: Access, status: int) -> None:
        """The answer to a long-running request has begun."""
        access.code = status
        if self._audit_log is not None:
            self._audit_log.started(access)

    def ended(self, access: Access, seconds: float) -> None:
        """The request has ended, well or not."""
        access.seconds = seconds
        info = access.info
        timed = None if info.long_running or info.verb == CONNECT else seconds
        self._traffic.answered(access.cluster, info.verb, access.code, access.sent, timed)
        when = rfc3339(access.received + seconds)
        if self._access_log is not None:
            self._access_log.record(access, when)
        if self._audit_log is not None:
            self._audit_log.completed(access, when)

    def failure(self, exc: UpstreamError, access: Access) -> Refusal:
        """The cluster failed: count it, and say what its client is told."""
        kind = kind_of(exc)
        if kind is not None:
            self._metrics.upstream_errors.labels(access.cluster, kind).inc()
        refusal = refusal_for(exc, access.cluster)
        # The log may say more than the client is told: where, and what the system called it.
        access.note = f"{refusal.message} ({exc.__cause__})" if exc.__cause__ else refusal.message
        return refusal

    @staticmethod
    def refused(refusal: Refusal, access: Access) -> None:
        """The gate answers by itself."""
        access.code = refusal.code
        access.refused = True
        access.note = access.note or refusal.note or refusal.message
