"""Dispatch of one listener's requests: proxy below ``/k8s/``, agents' tunnels, API elsewhere.

Requests to the proxy pass neither router nor middleware; requests to the management API do. There
is exactly one way to the proxy, so no second one can miss a check (CVE-2021-36776).
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from aiohttp import web

from management.api.authentication import ON_CALLER, ON_CLIENT_LEFT
from management.http.client_address import network_of
from proxy.client.aiohttp_internals import closing
from proxy.client.body_deadlines import BodyDeadlines
from proxy.client.connection import ClientConnection
from proxy.limits.anonymous import AnonymousLimiter
from proxy.limits.limiter import LimitExceeded
from proxy.request.headers import MAX_COOKIE_BYTES

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
RequestFactory = Callable[..., web.BaseRequest]

Observer = Callable[[web.BaseRequest, web.StreamResponse, float], None]
"""Called with a request, its response, and the time of its arrival (seconds since the epoch)."""

PROXY_PREFIX = "/k8s/"

TUNNEL_PATH = "/v1/tunnel"
"""Agents open tunnels there. Not an endpoint of the API: a tunnel lasts for days."""

MAX_TARGET = 16 * 1024
"""Characters of a target of the API or the sign-in page. Targets for a cluster may be longer."""


def dispatcher(
    proxy: Handler,
    management: Handler,
    tunnels: Handler,
    anonymous: AnonymousLimiter,
    observer: Observer | None = None,
) -> Handler:
    """Return a handler that passes each request to ``proxy``, ``tunnels``, or ``management``.

    ``observer`` is called after each response of the management API. A request for neither counts
    towards the ``anonymous`` limits, with or without a credential.
    """

    async def reject(request: web.BaseRequest, status: int, text: str) -> web.StreamResponse:
        try:
            anonymous.begin(network_of(request.remote or "")).release()
        except LimitExceeded as exc:
            await asyncio.sleep(exc.rejection_delay)
            headers = {"Retry-After": str(exc.retry_after)}
            return web.Response(status=exc.code, text=f"{exc}\n", headers=headers)
        return web.Response(status=status, text=text)

    async def managed(request: web.BaseRequest) -> web.StreamResponse:
        received = time.time()
        client = request.protocol
        if isinstance(client, ClientConnection):
            request[ON_CALLER] = client.become_known
        response = await management(request)
        if observer is not None:
            observer(request, response, received)
        return response

    async def dispatch(request: web.BaseRequest) -> web.StreamResponse:
        if request.raw_path.startswith(PROXY_PREFIX):
            return await proxy(request)
        objection = _objection(request)
        if objection is not None:
            return await reject(request, *objection)
        if request.raw_path.partition("?")[0] == TUNNEL_PATH:
            return await tunnels(request)
        return await _complete(request, managed(request))

    return dispatch


async def _complete(
    request: web.BaseRequest, work: Coroutine[Any, Any, web.StreamResponse]
) -> web.StreamResponse:
    """Return the response of ``work``, which continues if the client leaves.

    A client that leaves ends a relayed request immediately, but not a change half-way. An endpoint
    that only reads may end itself.
    """
    try:
        return await asyncio.shield(asyncio.ensure_future(work))
    except asyncio.CancelledError:
        on_left = request.get(ON_CLIENT_LEFT)
        if on_left is not None:
            on_left()
        raise


def _objection(request: web.BaseRequest) -> tuple[int, str] | None:
    """Return status and text of the rejection of a request; None if an endpoint handles it."""
    target = request.raw_path
    if len(target) > MAX_TARGET:
        return 414, "the request target is too long\n"
    if sum(map(len, request.headers.getall("Cookie", ()))) > MAX_COOKIE_BYTES:
        return 431, "the request's cookies are too long\n"
    if not target.startswith("/"):
        # Absolute form is for forward proxies (RFC 9112 §3.2.2). Its host could differ from Host,
        # which everything else uses.
        return 400, "the request target must begin with /\n"
    if request.headers.get("Expect", "100-continue").lower() != "100-continue":
        # aiohttp repeats the value in its response, and fails if it is not ASCII.
        return 417, "only 100-continue can be expected\n"
    return None


def request_factory(management: RequestFactory, bodies: BodyDeadlines) -> RequestFactory:
    """Return a factory of plain requests for the proxy, and of ``management``'s for the API.

    A chunked request is the last on its connection, because aiohttp takes the last trailer of its
    body for the first header line of the next request. So is one that offers to switch protocols:
    the bytes after it in the same read are lost, and later bytes would be parsed as a request. If a
    load balancer shares its connections, the next request is another client's.

    ``bodies`` limits the time of bodies that are still arriving.
    """
    loop = asyncio.get_running_loop()

    def make(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
        if message.chunked or message.upgrade:
            message = closing(message)
        for_cluster = message.path.startswith(PROXY_PREFIX)
        if not payload.is_eof():
            bodies.begin(payload, protocol, for_cluster=for_cluster)
        if for_cluster:
            return web.BaseRequest(message, payload, protocol, writer, task, loop)
        return management(message, payload, protocol, writer, task)

    return make
