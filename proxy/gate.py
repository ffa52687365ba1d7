"""The data path: what happens to one request to ``/k8s/clusters/<cluster>/…``, in order.

Route, read the head, authenticate, decide, stamp, forward (or upgrade), tell. Each step is a file
of its own; this one is their order. Whatever goes wrong before an answer has begun becomes a
Kubernetes ``Status``; after that, the connection is cut, so that half an answer can't look whole.
"""

import asyncio
from dataclasses import dataclass

import structlog
from aiohttp import HttpVersion11, web

from impersonation.identity import Subject
from impersonation.nested import BadImpersonation, on_behalf, permissions_needed, wished_subject
from impersonation.outbound import Inexpressible, header_block, request_id_line, subject_of
from impersonation.subject_name import subject_name
from management.resolver import Resolved
from proxy.access_log import Access, AccessLog
from proxy.access_review import ReviewFailed
from proxy.admission import admit, allow_by_scope
from proxy.caller import Authenticator
from proxy.clusters import ClusterDirectory, Downstream
from proxy.connection import GateConnection, relayed
from proxy.exchange import Exchange
from proxy.forward import Outbound, forward
from proxy.inbound_head import BadHead, InboundHead, read_head
from proxy.last_used import LastUsed
from proxy.metrics import GateMetrics
from proxy.pool import PoolExhausted
from proxy.request_id import RequestIds
from proxy.request_verb import verb_of
from proxy.response_head import SANDBOX
from proxy.routing import BadTarget, is_proxied, route
from proxy.status import (
    BadRequest,
    Forbidden,
    Refusal,
    TooManyRequests,
    Unavailable,
    UpstreamFailed,
    UpstreamTimeout,
    status_response,
)
from proxy.upgrade import upgrade
from proxy.upstream import (
    UpstreamError,
    UpstreamGarbled,
    UpstreamGone,
    UpstreamRejected,
    UpstreamSlow,
)
from proxy.upstream_head import body_framing, request_lines, upgrade_framing

_LOG = structlog.get_logger("sekisho.gate")


@dataclass(frozen=True, slots=True)
class Passage:
    """One request that may pass: from whom, to which cluster, and the head that will be sent."""

    downstream: Downstream
    head: InboundHead
    outbound: Outbound


class Gate:
    """Serves requests below ``/k8s/clusters/``. One per process."""

    def __init__(
        self,
        directory: ClusterDirectory,
        authenticator: Authenticator,
        metrics: GateMetrics,
        *,
        last_used: LastUsed,
        access_log: AccessLog | None,
        upgrade_idle_timeout: float,
    ) -> None:
        self._directory = directory
        self._authenticator = authenticator
        self._metrics = metrics
        self._last_used = last_used
        self._access_log = access_log
        self._upgrade_idle_timeout = upgrade_idle_timeout
        self._request_ids = RequestIds()
        self._loop = asyncio.get_running_loop()
        self._watching: set[Exchange] = set()

    def end_watches(self) -> None:
        """End every watch cleanly: the server stops, and their clients shall go elsewhere."""
        for exchange in list(self._watching):
            exchange.end_watch()

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request, and tell of it."""
        started = self._loop.time()
        path = request.raw_path.partition("?")[0]
        access = Access("", request.remote or "", request.method, path)
        self._metrics.in_flight.inc()
        try:
            return await self._serve(request, access)
        except Refusal as refusal:
            access.code = refusal.code
            access.note = access.note or refusal.message
            return status_response(refusal, access.request_id)
        except asyncio.CancelledError:
            access.code = access.code or 499
            access.note = "the client went away"
            raise
        finally:
            self._metrics.in_flight.dec()
            self._tell(access, self._loop.time() - started)

    async def _serve(self, request: web.BaseRequest, access: Access) -> web.StreamResponse:
        try:
            head = read_head(request.raw_headers)
        except BadHead as exc:
            access.request_id = self._request_ids.next()
            raise BadRequest(str(exc)) from None
        access.request_id = self._request_ids.next(head.request_id)
        passage = await self._passage(request, head, access)
        exchange = self._exchange(request, passage, access)
        client = request.protocol
        assert isinstance(client, GateConnection)
        if client.writing_paused:
            # The client hasn't taken the last answer yet: one answer at a time in its buffer.
            await request.writer.drain()
        try:
            await self._relay(request, client, passage, exchange, access)
        except UpstreamError as exc:
            raise self._failure(exc, passage.downstream, access) from exc
        finally:
            access.code = exchange.status or access.code
            access.sent += exchange.sent
        if exchange.truncated:
            access.note = "the cluster broke off its answer"
        return relayed(keep_alive=exchange.keep_alive)

    async def _passage(
        self, request: web.BaseRequest, head: InboundHead, access: Access
    ) -> Passage:
        """Route, authenticate, decide, stamp: everything that can refuse before the cluster."""
        try:
            way = route(request.raw_path)
        except BadTarget as exc:
            raise BadRequest(str(exc)) from None
        resolved = await self._authenticator.authenticate(request, head)
        access.user = resolved.user.id
        downstream = self._directory.find(way.cluster)
        admit(resolved, downstream.cluster.id if downstream else None, way.cluster)
        assert downstream is not None
        access.cluster = downstream.cluster.name
        access.verb = "connect" if head.upgrade else verb_of(request.method, way.target)
        allow_by_scope(resolved, request.method, way.target, upgrade=head.upgrade is not None)
        identity = await self._identity(request, head, resolved, downstream, access)
        self._last_used.note(resolved.token.name)
        framing = (
            upgrade_framing(head.upgrade)
            if head.upgrade
            else body_framing(head.length, chunked=head.chunked)
        )
        lines = request_lines(
            head.passed,
            credential=downstream.credential,
            framing=framing,
            forwarded_for=access.remote.encode("ascii", "replace"),
            identity=identity,
            request_id=request_id_line(access.request_id),
        )
        outbound = Outbound(
            request.method,
            way.target,
            lines,
            has_body=head.chunked or head.length not in {None, b"0"},
            chunked=head.chunked,
            expects_continue=head.expects_continue,
        )
        return Passage(downstream, head, outbound)

    async def _identity(
        self,
        request: web.BaseRequest,
        head: InboundHead,
        resolved: Resolved,
        downstream: Downstream,
        access: Access,
    ) -> bytes:
        """The ``Impersonate-*`` block: the caller's, or that of whom the caller may act as."""
        kind = downstream.cluster.user_name
        try:
            if head.impersonates:
                wish = wished_subject(request.raw_headers)
                assert wish is not None
                access.acting_as = wish.user
                return header_block(await self._allowed(wish, resolved, downstream))
            block = resolved.blocks.get(kind)
            if block is None:
                block = resolved.blocks[kind] = header_block(_subject(resolved, downstream))
        except BadImpersonation as exc:
            raise BadRequest(str(exc)) from None
        except Inexpressible as exc:
            _LOG.error("identity refused", user=resolved.user.id, error=str(exc))
            raise Forbidden("your identity can't be told to the cluster in full") from None
        return block

    async def _allowed(self, wish: Subject, resolved: Resolved, downstream: Downstream) -> Subject:
        """The subject to act as, once the cluster has said that the caller may."""
        caller = _subject(resolved, downstream)
        try:
            lacking = await downstream.reviews.refused(caller, permissions_needed(wish))
        except ReviewFailed as exc:
            raise Unavailable(str(exc), retry_after=2) from None
        if lacking is not None:
            what = lacking.resource + (f"/{lacking.subresource}" if lacking.subresource else "")
            raise Forbidden(
                f'{what} "{lacking.name}" is forbidden: User "{caller.user}" cannot impersonate '
                f'resource "{what}" in API group "{lacking.group}" of cluster '
                f'"{downstream.cluster.name}"'
            )
        return on_behalf(wish, caller)

    def _exchange(self, request: web.BaseRequest, passage: Passage, access: Access) -> Exchange:
        client = request.protocol
        transport = request.transport
        if transport is None or not isinstance(client, GateConnection):
            raise ConnectionResetError("the client went away")
        extra = b"X-Request-Id: " + access.request_id.encode("ascii") + b"\r\n"
        return Exchange(
            client,
            transport,
            loop=self._loop,
            to_head=request.method == "HEAD",
            http_1_1=request.version >= HttpVersion11,
            keep_alive=request.keep_alive,
            prefix=passage.downstream.prefix,
            extra=extra + SANDBOX if passage.head.cookie is not None else extra,
            wants_upgrade=passage.head.upgrade is not None,
            pass_401=is_proxied(passage.outbound.target),
        )

    async def _relay(
        self,
        request: web.BaseRequest,
        client: GateConnection,
        passage: Passage,
        exchange: Exchange,
        access: Access,
    ) -> None:
        downstream, cluster = passage.downstream, access.cluster
        if passage.head.upgrade is not None:
            open_upgrades = self._metrics.upgrades.labels(cluster)
            with open_upgrades.track_inprogress():
                access.sent = await upgrade(
                    request,
                    client,
                    exchange,
                    downstream.pool,
                    passage.outbound,
                    idle_timeout=self._upgrade_idle_timeout,
                )
            return
        if access.verb == "watch":
            self._watching.add(exchange)
            try:
                with self._metrics.watches.labels(cluster).track_inprogress():
                    await forward(request, exchange, downstream.pool, passage.outbound)
            finally:
                self._watching.discard(exchange)
            return
        await forward(request, exchange, downstream.pool, passage.outbound)

    def _failure(self, exc: UpstreamError, downstream: Downstream, access: Access) -> Refusal:
        """What the client is told of a cluster that failed: which one and how, no internals."""
        name = downstream.cluster.name
        kind = _KINDS.get(type(exc))
        if kind is not None:
            self._metrics.upstream_errors.labels(name, kind).inc()
        message = f'cluster "{name}": {exc}'
        access.note = f"{message} ({exc.__cause__})" if exc.__cause__ else message
        if isinstance(exc, UpstreamSlow):
            return UpstreamTimeout(message)
        if isinstance(exc, PoolExhausted):
            return TooManyRequests(message, retry_after=1)
        if isinstance(exc, UpstreamGone | UpstreamGarbled | UpstreamRejected):
            return UpstreamFailed(message)
        return Unavailable(message, retry_after=2)

    def _tell(self, access: Access, seconds: float) -> None:
        access.seconds = seconds
        verb = access.verb or "none"
        self._metrics.finished(access.cluster, verb, access.code)
        if verb not in {"watch", "connect"} and access.cluster:
            self._metrics.took(access.cluster, verb, seconds)
        if self._access_log is not None:
            self._access_log.record(access)


_KINDS: dict[type[UpstreamError], str] = {
    UpstreamGone: "closed",
    UpstreamGarbled: "garbled",
    UpstreamRejected: "rejected",
    PoolExhausted: "exhausted",
}


def _subject(resolved: Resolved, downstream: Downstream) -> Subject:
    identity = resolved.identity
    return subject_of(
        identity,
        subject_name(
            downstream.cluster.user_name,
            user_id=identity.user_id,
            principal_id=identity.principal_id,
            provider=identity.provider,
            username=identity.username,
        ),
    )
