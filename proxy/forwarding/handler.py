"""The data path: one request to ``/k8s/clusters/<cluster>/…``, in the order of its steps.

An error before the response begins becomes a Kubernetes ``Status``. After that the connection is
cut, so that the client cannot take half a response for a whole one.
"""

import asyncio
import time
from contextlib import AbstractContextManager, nullcontext
from functools import partial

from aiohttp import HttpVersion11, hdrs, web
from aiohttp.http_exceptions import HttpProcessingError

from config.loggers import get_logger
from proxy.auth.request_authorizer import AuthorizedRequest
from proxy.client.connection import RELAYED, ClientConnection
from proxy.forwarding.active_requests import ActiveRequest
from proxy.forwarding.awaited_response import AwaitedResponse
from proxy.forwarding.failures import status_for_limit
from proxy.forwarding.forward import forward
from proxy.forwarding.lifecycle import RequestScope
from proxy.forwarding.services import ProxyServices
from proxy.forwarding.upgrade import upgrade
from proxy.limits.limiter import LimitExceeded
from proxy.request.context import RequestContext
from proxy.request.headers import InvalidHeaders, RequestHeaders, parse_headers
from proxy.request.request_info import CONNECT
from proxy.request.target import path_without_query
from proxy.response.headers import SANDBOX
from proxy.response.parse_errors import status_for_parse_error
from proxy.response.relay import Readable, RelayOptions, ResponseRelay
from proxy.response.status import (
    BadRequest,
    InternalError,
    StatusError,
    TemporaryRedirect,
    status_response,
)
from proxy.transport.tcp_keepalive import reset
from proxy.upstream.connection import UpstreamConnection
from proxy.upstream.credential_check import hold_back
from proxy.upstream.errors import UpstreamError, UpstreamUnauthorized

_LOG = get_logger(__name__)


class ProxyHandler:
    """Handles requests below ``/k8s/clusters/``. One per process."""

    def __init__(self, services: ProxyServices) -> None:
        self._authorizer = services.authorizer
        self._lifecycle = services.lifecycle
        self._request_ids = services.request_ids
        self._addresses = services.addresses
        self._upgrade_idle_timeout = services.upgrade_idle_timeout
        self._tracer = services.tracer

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Handle one request: parse, limit, check, admit, authorize, forward or upgrade, finish."""
        context = self._context(request)
        with self._traced(request, context), self._lifecycle.begin(context) as scope:
            try:
                headers = self._parse_headers(request, context)
                scope.check_address_rate()
                checked = await self._authorizer.check(request, headers, context)
                _admit(request, scope)  # The permit, before the cluster is asked.
                authorized = await self._authorizer.authorize(request, checked, context)
                relay = _begin_relay(request, authorized, scope)
                await self._forward(request, authorized, relay, scope)
                return RELAYED[relay.keep_alive]
            except LimitExceeded as exc:
                await asyncio.sleep(exc.rejection_delay)
                return _reject(status_for_limit(exc), scope)
            except StatusError as exc:
                return _reject(exc, scope)
            except TemporaryRedirect as redirect:
                context.status, context.rejected = 307, True
                context.reason = "the path repeats the prefix of the cluster"
                return web.Response(status=307, headers={"Location": redirect.location})
            except ConnectionError:
                raise  # The client left, which the scope records.
            except Exception:
                _LOG.exception("request failed", request_id=context.request_id)
                if context.status:  # The response has begun: aiohttp closes the connection.
                    raise
                return _reject(InternalError("an internal error occurred in Sekisho"), scope)

    def handle_malformed(self, request: web.BaseRequest, exc: HttpProcessingError) -> web.Response:
        """Respond to bytes that are not valid HTTP: without a caller, a target or a cluster."""
        self._lifecycle.metrics.malformed.inc()
        context = RequestContext(_connection_address(request), "", "", time.time())
        context.request_id = self._request_ids.next()
        with self._lifecycle.begin(context) as scope:
            return _reject(status_for_parse_error(exc), scope)

    def end_watches(self) -> None:
        """End every watch cleanly, also each that begins later: the server stops."""
        self._lifecycle.end_watches()

    def refuse_waiting(self) -> None:
        """Respond to the requests that clusters have not responded to: the grace period ends."""
        self._lifecycle.active_requests.refuse_waiting()

    def _traced(
        self, request: web.BaseRequest, context: RequestContext
    ) -> AbstractContextManager[None]:
        return self._tracer.trace(request, context) if self._tracer is not None else nullcontext()

    def _context(self, request: web.BaseRequest) -> RequestContext:
        remote = _connection_address(request)
        if not self._addresses.trusts_no_proxy:
            forwarded = request.headers.getall("X-Forwarded-For", ())
            remote = self._addresses.of(remote, forwarded)
        path = path_without_query(request.raw_path)
        return RequestContext(remote, request.method, path, time.time())

    def _parse_headers(self, request: web.BaseRequest, context: RequestContext) -> RequestHeaders:
        try:
            headers = parse_headers(request.raw_headers)
        except InvalidHeaders as exc:
            context.request_id = self._request_ids.next()
            raise BadRequest(str(exc)) from None
        context.request_id = self._request_ids.next(headers.request_id)
        context.user_agent = request.headers.get(hdrs.USER_AGENT, "")
        if self._tracer is not None:
            self._tracer.take_over(request, headers)
        return headers

    async def _forward(
        self,
        request: web.BaseRequest,
        authorized: AuthorizedRequest,
        relay: AwaitedResponse,
        scope: RequestScope,
    ) -> None:
        """Forward the request and relay the response, or tunnel an upgrade. Raises StatusError."""
        client, pool = request.protocol, authorized.cluster.pool
        assert isinstance(client, ClientConnection)
        try:
            if client.writing_paused:
                # The client has not read its last response: its buffer holds one at a time.
                await request.writer.drain()
            upstream_request = authorized.upstream_request
            if authorized.line.info.verb == CONNECT:
                idle = self._upgrade_idle_timeout
                await upgrade(request, client, relay, pool, upstream_request, idle_timeout=idle)
            else:
                await forward(request, relay, pool, upstream_request)
        except UpstreamError as exc:
            if isinstance(exc, UpstreamUnauthorized):
                self._authorizer.credential_rejected(authorized)
            raise scope.upstream_failed(exc) from exc
        except asyncio.CancelledError:
            if (refusal := relay.take_refusal()) is None:
                raise
            raise refusal from None
        finally:
            scope.end_relay()


def _connection_address(request: web.BaseRequest) -> str:
    """Return the address at the other end of the connection, or the origin of its requests."""
    origin = getattr(request.protocol, "origin", "")
    return origin or request.remote or ""


def _admit(request: web.BaseRequest, scope: RequestScope) -> None:
    """Count an authenticated request, and its connection as that of a caller."""
    client = request.protocol
    if isinstance(client, ClientConnection) and not client.known:
        client.become_known()
    scope.acquire_permit()


def _begin_relay(
    request: web.BaseRequest, authorized: AuthorizedRequest, scope: RequestScope
) -> AwaitedResponse:
    """Create the relay of the response, and register the request as active."""
    client, transport = request.protocol, request.transport
    if transport is None or not isinstance(client, ClientConnection):
        raise ConnectionResetError("the client closed the connection")
    context, line, headers = scope.context, authorized.line, authorized.headers
    request_id = context.request_id.encode("ascii")
    extra = b"X-Request-Id: " + request_id + b"\r\n"
    options = RelayOptions(
        prefix=authorized.cluster.prefix,
        extra=extra + SANDBOX if headers.cookie is not None else extra,
        user_agent=context.user_agent,
        request_id=request_id,
        target=line.target_bytes,
        upstreams=authorized.cluster.upstreams,
        to_head=request.method == "HEAD",
        http_1_1=request.version >= HttpVersion11,
        keep_alive=request.keep_alive,
        wants_upgrade=headers.upgrade is not None,
        proxied=line.proxied,
        watch=line.info.verb == "watch",
    )
    lasts = line.info.long_running or line.info.verb == CONNECT
    relay = AwaitedResponse(client, transport, options, scope.response_started if lasts else None)
    relay.on_401 = partial(_hold_unauthorized, authorized)
    scope.begin_relay(
        ActiveRequest(context, authorized.token, relay.refuse, partial(_end, relay, transport)),
        relay,
    )
    return relay


def _hold_unauthorized(
    authorized: AuthorizedRequest, relay: ResponseRelay, upstream: Readable | None
) -> bool:
    """Return whether to hold a 401 back until its meaning is known."""
    assert isinstance(upstream, UpstreamConnection)
    checks = authorized.cluster.checks
    return hold_back(checks, upstream.host.url, authorized.credential, relay)


def _end(relay: AwaitedResponse, transport: asyncio.Transport) -> None:
    """End a request whose response has begun: a watch after its current event, others now."""
    if relay.switched is not None:
        reset(transport)
    elif not relay.end_stream():
        transport.abort()


def _reject(error: StatusError, scope: RequestScope) -> web.Response:
    scope.reject(error)
    return status_response(error, scope.context.request_id)
