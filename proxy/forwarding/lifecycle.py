"""The lifecycle of each request, the same on both request paths.

A :class:`RequestScope` begins with a request and finishes with it. It owns everything that must be
balanced or recorded once: the in-flight gauge, the permit under the limits, the entry among the
active requests, the gauges of watches and upgrades, and the lines in access log and audit log.
"""

import asyncio
import time
from types import TracebackType

from proxy.audit.log import AuditLog
from proxy.forwarding.active_requests import ActiveRequests, Cancellable
from proxy.forwarding.active_watches import ActiveWatches
from proxy.forwarding.failures import kind_of, status_for_upstream_error
from proxy.limits.limiter import REQUESTS, UPGRADES, WATCHES, Limiter, Permit
from proxy.logs.access_log import AccessLog
from proxy.metrics.proxy_metrics import ProxyMetrics
from proxy.metrics.token_usage import TokenUsageRecorder
from proxy.request.context import RequestContext
from proxy.request.request_info import CONNECT
from proxy.response.relay import ResponseRelay
from proxy.response.status import CLIENT_CLOSED_REQUEST, StatusError
from proxy.upstream.errors import UpstreamError

CLIENT_LEFT = "the client closed the connection"
TRUNCATED = "the cluster ended its response early"


class RequestLifecycle:
    """Begins a scope for each request. One per process, shared by both request paths."""

    def __init__(
        self,
        metrics: ProxyMetrics,
        limiter: Limiter,
        active_requests: ActiveRequests,
        token_usage: TokenUsageRecorder,
        *,
        access_log: AccessLog | None,
        audit_log: AuditLog | None,
    ) -> None:
        self.metrics = metrics
        self.traffic = metrics.traffic
        self.limiter = limiter
        self.active_requests = active_requests
        self.token_usage = token_usage
        self.access_log = access_log
        self.audit_log = audit_log
        self.watches = ActiveWatches()

    def begin(self, context: RequestContext) -> "RequestScope":
        """Begin a request."""
        return RequestScope(self, context)

    def end_watches(self) -> None:
        """End every watch cleanly, also each that begins later: the server stops."""
        self.watches.close()


class RequestScope:
    """One request from its beginning to its end. A context manager; or call :meth:`finish`."""

    __slots__ = (
        "_entry",
        "_generation",
        "_lifecycle",
        "_permit",
        "_relay",
        "_started",
        "_truncated",
        "context",
    )

    def __init__(self, lifecycle: RequestLifecycle, context: RequestContext) -> None:
        self._lifecycle = lifecycle
        self._generation = lifecycle.active_requests.generation
        self._started = time.monotonic()
        self._permit: Permit | None = None
        self._entry: Cancellable | None = None
        self._relay: ResponseRelay | None = None
        self._truncated = False
        self.context = context
        lifecycle.traffic.in_flight += 1

    def __enter__(self) -> "RequestScope":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(error, asyncio.CancelledError | ConnectionError):
            self.finish(CLIENT_CLOSED_REQUEST, CLIENT_LEFT)
        else:
            self.finish()

    def check_address_rate(self) -> None:
        """Apply the rate limit of the client's address. Raises LimitExceeded."""
        self._lifecycle.limiter.check_address_rate(self.context.remote)

    def acquire_permit(self) -> None:
        """Take a permit under the limits, for an authenticated request. Raises LimitExceeded."""
        context, info = self.context, self.context.info
        token = context.token
        assert token is not None
        kind = UPGRADES if info.verb == CONNECT else WATCHES if info.long_running else REQUESTS
        keys = (token.token.name, token.user.id, context.remote, context.cluster_id)
        self._permit = self._lifecycle.limiter.acquire(kind, keys)

    def begin_relay(self, entry: Cancellable, relay: ResponseRelay) -> None:
        """Register a request that is about to be sent to the cluster.

        ``entry`` ends it when the right to it ends. What changed since the request began is checked
        again, for the decision about it may have waited for the cluster.
        """
        lifecycle, context = self._lifecycle, self.context
        self._entry, self._relay = entry, relay
        lifecycle.token_usage.note(entry.token.token.name)
        lifecycle.active_requests.begin(entry, self._generation)
        verb = context.info.verb
        if verb == "watch":
            lifecycle.watches.add(relay)
            lifecycle.metrics.watches.labels(context.cluster).inc()
        elif verb == CONNECT:
            lifecycle.metrics.upgrades.labels(context.cluster).inc()

    def response_started(self, status: int) -> None:
        """Record that the response to a long-running request has begun."""
        self.context.status = status
        audit_log = self._lifecycle.audit_log
        if audit_log is not None:
            audit_log.started(self.context)

    def end_relay(self) -> None:
        """Record the outcome of the relay, and unregister the request. Idempotent."""
        entry, relay = self._entry, self._relay
        if entry is None or relay is None:
            return
        self._entry = self._relay = None
        lifecycle, context = self._lifecycle, self.context
        lifecycle.active_requests.finish(entry)
        verb = context.info.verb
        if verb == "watch":
            lifecycle.watches.discard(relay)
            lifecycle.metrics.watches.labels(context.cluster).dec()
        elif verb == CONNECT:
            lifecycle.metrics.upgrades.labels(context.cluster).dec()
        context.status = relay.status or context.status
        context.bytes_sent += relay.sent
        context.reason = context.reason or relay.note
        self._truncated = relay.truncated

    def reject(self, error: StatusError) -> None:
        """Record that Sekisho responds itself."""
        context = self.context
        context.status = error.code
        context.rejected = True
        context.decision = error.decision
        context.reason = context.reason or error.note or error.message

    def upstream_failed(self, error: UpstreamError) -> StatusError:
        """Count a failure of the cluster, record it, and return the response for the client."""
        context = self.context
        kind = kind_of(error)
        if kind is not None:
            self._lifecycle.metrics.upstream_errors.labels(context.cluster, kind).inc()
        status_error = status_for_upstream_error(error, context.cluster)
        # The log may contain more than the client receives: the address, and the system's error.
        reason = status_error.note or status_error.message
        context.reason = f"{reason} ({error.__cause__})" if error.__cause__ else reason
        self.reject(status_error)
        return status_error

    def release(self) -> None:
        """Give everything back without a line in the logs: the other path takes the request."""
        self.end_relay()
        self._lifecycle.traffic.in_flight -= 1
        if self._permit is not None:
            self._permit.release()
            self._permit = None

    def finish(self, status: int = 0, reason: str = "") -> None:
        """End the request. ``status`` and ``reason`` apply unless others are recorded already."""
        self.release()
        lifecycle, context, info = self._lifecycle, self.context, self.context.info
        context.status = context.status or status
        context.reason = context.reason or reason or (TRUNCATED if self._truncated else "")
        context.duration = seconds = time.monotonic() - self._started
        timed = None if info.long_running or info.verb == CONNECT else seconds
        lifecycle.traffic.count_response(
            context.cluster, info.verb, context.status, context.bytes_sent, timed
        )
        if lifecycle.access_log is not None:
            lifecycle.access_log.record(context)
        if lifecycle.audit_log is not None:
            lifecycle.audit_log.completed(context)
