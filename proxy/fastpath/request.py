"""A request on the fast path: its response, and its end."""

from proxy.auth.request_authorizer import PreparedHeaders
from proxy.fastpath.connection import FastPathConnection
from proxy.fastpath.header_cache import CachedHeaders
from proxy.forwarding.lifecycle import CLIENT_LEFT, RequestScope
from proxy.request.context import RequestContext
from proxy.request.request_line import RequestLine
from proxy.response.relay import RelayOptions, ResponseRelay
from proxy.response.status import CLIENT_CLOSED_REQUEST, StatusError
from proxy.upstream.connection import UpstreamConnection
from proxy.upstream.credential_check import hold_back
from proxy.upstream.errors import UpstreamError


class FastPathRequest(ResponseRelay):
    """A request on the fast path, and its entry among the active requests.

    ``data`` are the bytes of the request, kept while it may have to be sent again.
    """

    __slots__ = (
        "_client_left",
        "_cluster",
        "_data",
        "_has_body",
        "_line",
        "_scope",
        "_upstream_connection",
        "context",
        "token",
    )

    def __init__(
        self,
        connection: FastPathConnection,
        line: RequestLine,
        cached: CachedHeaders,
        prepared: PreparedHeaders,
        scope: RequestScope,
        upstream: UpstreamConnection,
        data: bytes,
    ) -> None:
        transport, cluster, context = connection.transport, prepared.cluster, scope.context
        assert transport is not None
        request_id = context.request_id.encode("ascii")
        super().__init__(
            connection,
            transport,
            RelayOptions(
                prefix=cluster.prefix,
                extra=b"X-Request-Id: %b\r\n" % request_id,
                user_agent=context.user_agent,
                request_id=request_id,
                target=line.target_bytes,
                upstreams=cluster.upstreams,
                to_head=line.method == "HEAD",
                keep_alive=cached.keep_alive,
                proxied=line.proxied,
                watch=line.info.verb == "watch",
            ),
            self._response_started if line.info.long_running else None,
        )
        self.context: RequestContext = context
        self.token = prepared.token
        self._client_left = False
        self._cluster = cluster
        self._data = data if line.retryable and not cached.length else b""
        self._has_body = cached.length > 0
        self._line = line
        self._scope = scope
        self._upstream_connection = upstream

    def send(self, message: bytes) -> None:
        """Send the whole request to the cluster."""
        limits = self._cluster.pool.limits
        self._upstream_connection.send_request(
            self,
            message,
            header_timeout=None if self._line.may_delay_response else limits.header_timeout,
            retryable=bool(self._data),
            has_body=self._has_body,
        )

    def holds_unauthorized(self) -> bool:
        """Return whether to hold a 401 back until its meaning is known."""
        cluster = self._cluster
        server = self._upstream_connection.host.url
        return hold_back(cluster.checks, server, cluster.credential, self)

    def _response_started(self, status: int) -> None:
        """Record the start of a response that may last for hours. It is never sent again."""
        self._data = b""
        self._scope.response_started(status)

    def end(self) -> None:
        """End a request whose response has begun: a watch after its current event, others now."""
        if not self.end_stream() and not self.over:
            self._transport.abort()

    def client_gone(self) -> None:
        """Abort the upstream connection after the client left, and finish with status 499."""
        self._client_left = True
        if not self.over:
            self._upstream_connection.abort()

    def on_complete(self, error: Exception | None) -> None:
        """Finish the request and continue with the connection, or respond for a failed cluster."""
        connection, scope = self._client, self._scope
        assert isinstance(connection, FastPathConnection)
        if self._client_left:
            scope.finish(CLIENT_CLOSED_REQUEST, CLIENT_LEFT)
            return
        if isinstance(error, StatusError):
            scope.end_relay()
            scope.reject(error)
            connection.send_status(error, self.context.request_id, keep_alive=self.keep_alive)
        elif isinstance(error, UpstreamError):
            scope.end_relay()
            retry = self._cluster.pool.report_failure(error, self._upstream_connection)
            if retry and self._data:
                scope.release()
                connection.fall_back(self._data)
                return
            status_error = scope.upstream_failed(error)
            connection.send_status(
                status_error, self.context.request_id, keep_alive=self.keep_alive
            )
        scope.finish()
        connection.request_done(keep_alive=self.keep_alive)
