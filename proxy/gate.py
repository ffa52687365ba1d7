"""The data path: what happens to one request to ``/k8s/clusters/<cluster>/…``, in order.

Read the head, let the checkpoint decide and stamp (:mod:`proxy.passage`), forward or upgrade, tell.
Whatever goes wrong before an answer has begun becomes a Kubernetes ``Status``; after that, the
connection is cut, so that half an answer can't look whole.
"""

import asyncio
import time
from functools import partial

import structlog
from aiohttp import HttpVersion11, hdrs, web
from aiohttp.http_exceptions import HttpProcessingError

from management.client_address import ClientAddresses
from management.resolver import TokenResolver
from proxy.access import Access
from proxy.access_log import AccessLog
from proxy.audit_log import AuditLog
from proxy.connection import GateConnection, relayed
from proxy.exchange import Answer, Exchange
from proxy.express import ExpressLane
from proxy.express_request import CLIENT_GONE
from proxy.failure import refusal_of
from proxy.forward import forward
from proxy.inbound_head import BadHead, read_head
from proxy.last_used import LastUsed
from proxy.limits import REQUESTS, UPGRADES, WATCHES, Limited, Limiter, Place
from proxy.live import Live, LiveRequests
from proxy.malformed import refusal_of_malformed
from proxy.metrics import GateMetrics
from proxy.opening import OpeningReader
from proxy.passage import Checkpoint, Passage
from proxy.request_id import RequestIds
from proxy.request_info import CONNECT
from proxy.response_head import SANDBOX
from proxy.routing import is_proxied, path_alone
from proxy.status import BadRequest, InternalError, Refusal, status_response
from proxy.telling import Teller
from proxy.upgrade import upgrade
from proxy.upstream import UpstreamError, UpstreamRejected

_LOG = structlog.get_logger("sekisho.gate")


class Gate:
    """Serves requests below ``/k8s/clusters/``. One per process."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        metrics: GateMetrics,
        *,
        limiter: Limiter,
        live: LiveRequests,
        last_used: LastUsed,
        access_log: AccessLog | None,
        audit_log: AuditLog | None,
        addresses: ClientAddresses,
        upgrade_idle_timeout: float,
    ) -> None:
        self._checkpoint = checkpoint
        self._metrics = metrics
        self._limiter = limiter
        self._live = live
        self._last_used = last_used
        self._teller = Teller(metrics, access_log, audit_log)
        self._addresses = addresses
        self._upgrade_idle_timeout = upgrade_idle_timeout
        self._request_ids = RequestIds()
        self._loop = asyncio.get_running_loop()
        self._watching: set[Answer] = set()

    def express(self, resolver: TokenResolver, reader: OpeningReader) -> ExpressLane:
        """The lane beside this one, for requests that need nothing but to be passed on."""
        return ExpressLane(
            self._loop,
            self._checkpoint,
            resolver,
            reader,
            self._request_ids,
            self._limiter,
            self._live,
            self._last_used,
            self._teller,
            self._metrics,
            self._watching,
        )

    def end_watches(self) -> None:
        """End every watch cleanly: the server stops, and their clients shall go elsewhere."""
        for exchange in list(self._watching):
            exchange.end_watch()

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request, and tell of it."""
        started = self._loop.time()
        path = path_alone(request.raw_path)
        access = Access(self._address(request), request.method, path, time.time())
        self._metrics.traffic.in_flight += 1
        try:
            return await self._serve(request, access)
        except Refusal as refusal:
            return self._refused(refusal, access)
        except (asyncio.CancelledError, ConnectionError):
            access.code = access.code or CLIENT_GONE
            access.note = access.note or "the client went away"
            raise
        except Exception:
            _LOG.exception("request failed", request_id=access.request_id)
            if access.code:  # Half an answer is out: the connection is cut behind it.
                raise
            return self._refused(InternalError("something went wrong inside Sekisho"), access)
        finally:
            self._metrics.traffic.in_flight -= 1
            self._teller.ended(access, self._loop.time() - started)

    async def _serve(self, request: web.BaseRequest, access: Access) -> web.StreamResponse:
        try:
            head = read_head(request.raw_headers)
        except BadHead as exc:
            access.request_id = self._request_ids.next()
            raise BadRequest(str(exc)) from None
        access.request_id = self._request_ids.next(head.request_id)
        access.user_agent = request.headers.get(hdrs.USER_AGENT, "")
        await self._within_limits(access)
        generation = self._live.generation
        passage = await self._checkpoint.examine(request, head, access)
        place = await self._place(access, passage)
        try:
            return await self._pass(request, passage, access, generation)
        finally:
            place.leave()

    def malformed(self, request: web.BaseRequest, exc: HttpProcessingError) -> web.Response:
        """Answer what isn't valid HTTP: nobody knows who sent it, nor to which cluster."""
        self._metrics.malformed.inc()
        access = Access(request.remote or "", "", "", time.time())  # its headers aren't there
        access.request_id = self._request_ids.next()
        answer = self._refused(refusal_of_malformed(exc), access)
        self._teller.ended(access, 0.0)
        return answer

    async def _within_limits(self, access: Access) -> None:
        try:
            self._limiter.arrive(access.remote)
        except Limited as exc:
            await asyncio.sleep(exc.hold)
            raise refusal_of(exc) from None

    async def _place(self, access: Access, passage: Passage) -> Place:
        info, resolved = access.info, passage.resolved
        kind = UPGRADES if info.verb == CONNECT else WATCHES if info.long_running else REQUESTS
        keys = (resolved.token.name, resolved.user.id, access.remote, access.cluster_id)
        try:
            return self._limiter.enter(kind, keys)
        except Limited as exc:
            await asyncio.sleep(exc.hold)
            raise refusal_of(exc) from None

    async def _pass(
        self, request: web.BaseRequest, passage: Passage, access: Access, generation: int
    ) -> web.StreamResponse:
        """Relay the request, and keep it under watch while it runs."""
        self._last_used.note(passage.resolved.token.name)
        exchange = self._exchange(request, passage, access)
        client, transport = request.protocol, request.transport
        assert isinstance(client, GateConnection)
        assert transport is not None
        if client.writing_paused:
            # The client hasn't taken the last answer yet: one answer at a time in its buffer.
            await request.writer.drain()
        end = partial(_end, exchange, transport, cleanly=access.info.verb == "watch")
        live = Live(access, passage.resolved, end)
        self._live.begin(live, generation)
        try:
            await self._relay(request, client, passage, exchange, access)
        except UpstreamError as exc:
            if isinstance(exc, UpstreamRejected):
                self._checkpoint.refused(passage)
            raise self._teller.failure(exc, access) from exc
        finally:
            self._live.finish(live)
            access.code = exchange.status or access.code
            access.sent += exchange.sent
        if exchange.truncated:
            access.note = access.note or "the cluster broke off its answer"
        return relayed(keep_alive=exchange.keep_alive)

    def _exchange(self, request: web.BaseRequest, passage: Passage, access: Access) -> Exchange:
        client = request.protocol
        transport = request.transport
        if transport is None or not isinstance(client, GateConnection):
            raise ConnectionResetError("the client went away")
        extra = b"X-Request-Id: " + access.request_id.encode("ascii") + b"\r\n"
        lasts = access.info.long_running or access.info.verb == CONNECT
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
            on_head=partial(self._teller.began, access) if lasts else None,
        )

    async def _relay(
        self,
        request: web.BaseRequest,
        client: GateConnection,
        passage: Passage,
        exchange: Exchange,
        access: Access,
    ) -> None:
        pool, cluster = passage.downstream.pool, access.cluster
        if access.info.verb == CONNECT:
            with self._metrics.upgrades.labels(cluster).track_inprogress():
                access.sent = await upgrade(
                    request,
                    client,
                    exchange,
                    pool,
                    passage.outbound,
                    idle_timeout=self._upgrade_idle_timeout,
                )
        elif access.info.verb == "watch":
            self._watching.add(exchange)
            try:
                with self._metrics.watches.labels(cluster).track_inprogress():
                    await forward(request, exchange, pool, passage.outbound)
            finally:
                self._watching.discard(exchange)
        else:
            await forward(request, exchange, pool, passage.outbound)

    def _address(self, request: web.BaseRequest) -> str:
        if self._addresses.trusts_nobody:
            return request.remote or ""
        return self._addresses.of(request.remote, request.headers.getall("X-Forwarded-For", ()))

    def _refused(self, refusal: Refusal, access: Access) -> web.Response:
        self._teller.refused(refusal, access)
        return status_response(refusal, access.request_id)


def _end(exchange: Exchange, transport: asyncio.Transport, *, cleanly: bool) -> None:
    """End a request that may not go on: after a watch's last event, or right where it is."""
    if cleanly:
        exchange.end_watch()
    if exchange.switched is not None or not exchange.over:
        transport.abort()
