"""The fast path: ordinary requests, handled in the event that read them.

Most requests are small, need nothing special, and come from a known caller on a connection that
carried the same header lines a moment ago. Such a request is authorized and sent to the cluster
before the event loop turns: no task, no future, no request object. A request that must wait, or
needs a closer look, is left to :mod:`proxy.forwarding.handler` as if nothing had happened. Both
paths share the authorizer and the lifecycle, and so the checks, limits, metrics and logs.
"""

import asyncio
import time
from collections.abc import Callable

from impersonation.impersonate_headers import request_id_line
from management.authentication.authenticated_token import AuthenticatedToken
from management.authentication.token_authenticator import TokenAuthenticator
from proxy.auth.request_authorizer import PreparedHeaders
from proxy.fastpath.connection import FastPathConnection
from proxy.fastpath.delayed_rejection import DelayedRejection
from proxy.fastpath.header_cache import CachedHeaders, HeaderCache
from proxy.fastpath.request import FastPathRequest
from proxy.forwarding.failures import status_for_limit
from proxy.forwarding.lifecycle import RequestScope
from proxy.forwarding.services import ProxyServices
from proxy.limits.limiter import LimitExceeded
from proxy.request.context import RequestContext
from proxy.request.request_line import RequestLine, parse_request_line
from proxy.response.status import StatusError

_END = b"\r\n\r\n"

MAX_LINE = 8 * 1024
MAX_HEAD = 64 * 1024
"""Bytes of a request line and of a header block on this path. The limits of the other path are not
lower. Longer ones go there, where nothing of them is parsed before the caller is known."""


class FastPathHandler:
    """Handles requests that need nothing but to be forwarded. One per process."""

    __slots__ = (
        "_authenticator",
        "_authorizer",
        "_header_cache",
        "_lifecycle",
        "_loop",
        "_request_ids",
        "_samples",
    )

    def __init__(
        self,
        services: ProxyServices,
        authenticator: TokenAuthenticator,
        header_cache: HeaderCache,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._authorizer = services.authorizer
        self._lifecycle = services.lifecycle
        self._request_ids = services.request_ids
        self._authenticator = authenticator
        self._header_cache = header_cache
        self._loop = loop
        self._samples: Callable[[], bool] | None = None
        if services.tracer is not None:
            self._samples = services.tracer.samples_request

    def try_handle(self, connection: FastPathConnection, data: bytes) -> bool:
        """Handle the request in ``data``, on a connection that is otherwise idle.

        Returns False if the request is not ordinary. Nothing has happened then, except that
        ``connection.unread_bytes`` is the number of its bytes still to come (None: unknown).
        """
        connection.unread_bytes = None
        line_end = data.find(b"\r\n")
        head_end = data.find(_END, line_end) + 4
        if line_end < 0 or head_end < 4:
            return False
        if line_end > MAX_LINE or head_end > MAX_HEAD:
            return False
        line = parse_request_line(data[:line_end])
        if line is None:
            return False
        cached = self._headers(connection, data[line_end + 2 : head_end])
        if cached is None:
            return False
        connection.unread_bytes = unread = head_end + cached.length - len(data)
        if unread or connection.writing_paused:
            return False
        return self._handle(connection, line, cached, data, data[head_end:])

    def _headers(self, connection: FastPathConnection, lines: bytes) -> CachedHeaders | None:
        cached = connection.cached_headers
        if cached is None or connection.header_lines != lines:
            cached = self._header_cache.read(lines, connection.address)
            connection.cached_headers, connection.header_lines = cached, lines
        return cached

    def _handle(
        self,
        connection: FastPathConnection,
        line: RequestLine,
        cached: CachedHeaders,
        data: bytes,
        body: bytes,
    ) -> bool:
        token = self._authenticator.cached_by_digest(cached.digest)
        if token is None:
            return False
        request_id = self._request_ids.next(cached.headers.request_id)
        prepared = self._prepare(line, cached, token, request_id)
        if prepared is None:
            return False
        if not connection.known:
            connection.become_known()
        pool = prepared.cluster.pool
        upstream = pool.take_idle()
        if upstream is None:
            return False
        if self._samples is not None and not connection.origin and self._samples():
            pool.put_back(upstream)
            connection.sampled = True  # The other path traces it.
            return False
        scope = self._lifecycle.begin(_context(line, cached, prepared, request_id))
        try:
            scope.check_address_rate()
            scope.acquire_permit()
        except LimitExceeded as exc:
            pool.put_back(upstream)
            self._reject(connection, scope, cached, exc)
            return True
        self._lifecycle.traffic.count_authentication(token.identity.provider, "accepted")
        request = FastPathRequest(connection, line, cached, prepared, scope, upstream, data)
        scope.begin_relay(request, request)
        connection.running = request
        head = upstream.host.request_line_and_host(line.method_bytes, line.target_bytes)
        request.send(b"".join((head, prepared.lines, request_id_line(request_id), b"\r\n", body)))
        return True

    def _prepare(
        self, line: RequestLine, cached: CachedHeaders, token: AuthenticatedToken, request_id: str
    ) -> PreparedHeaders | None:
        """Authorize the request. Return None if only the other path can decide or respond."""
        previous = cached.prepared
        try:
            prepared = self._authorizer.prepare(
                line, cached.headers, cached.length, token, cached.remote, request_id, previous
            )
        except StatusError:
            return None  # The other path finds the same, and responds.
        if prepared is not None and prepared is not previous:
            cached.prepared = prepared
            cached.log_fragments.clear()
        return prepared

    def _reject(
        self,
        connection: FastPathConnection,
        scope: RequestScope,
        cached: CachedHeaders,
        exc: LimitExceeded,
    ) -> None:
        """Respond to a request over a limit, at the least cost: there may be many."""
        error, keep_alive = status_for_limit(exc), cached.keep_alive
        request_id = scope.context.request_id
        if exc.rejection_delay:
            delayed = DelayedRejection(connection, error, request_id, keep_alive=keep_alive)
            delayed.send_later(self._loop, exc.rejection_delay)
        else:
            connection.send_status(error, request_id, keep_alive=keep_alive)
        scope.reject(error)
        scope.finish()


def _context(
    line: RequestLine, cached: CachedHeaders, prepared: PreparedHeaders, request_id: str
) -> RequestContext:
    record = prepared.cluster.cluster
    # By position, which is cheaper than by keyword.
    return RequestContext(
        cached.remote,
        line.method,
        line.path,
        time.time(),
        request_id,
        cached.user_agent,
        line.target,
        line.info,
        prepared.token,
        record.name,
        record.id,
        cached.fragments_for(line),
    )
