"""One listener, two halves: the gate below ``/k8s/``, management everywhere else.

The gate's requests don't pass the router, nor middleware; management's do. There is one way to the
gate, so there is no second one that could forget to check (CVE-2021-36776).
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
RequestFactory = Callable[..., web.BaseRequest]

Telling = Callable[[web.BaseRequest, web.StreamResponse, float], None]
"""Takes a request, its answer, and when it came (seconds since the epoch)."""

GATE_PREFIX = "/k8s/"


def dispatcher(gate: Handler, management: Handler, tell: Telling | None = None) -> Handler:
    """A handler that hands each request to the half it is for.

    ``tell`` is told of each request to management when it has been answered.
    """

    async def managed(request: web.BaseRequest) -> web.StreamResponse:
        received = time.time()
        response = await management(request)
        if tell is not None:
            tell(request, response, received)
        return response

    async def dispatch(request: web.BaseRequest) -> web.StreamResponse:
        target = request.raw_path
        if target.startswith(GATE_PREFIX):
            return await gate(request)
        if not target.startswith("/"):
            # Absolute form is for forward proxies (RFC 9112 §3.2.2); read here, its host could
            # differ from what everything else believes.
            return web.Response(status=400, text="the request target must begin with /\n")
        if request.headers.get("Expect", "100-continue").lower() != "100-continue":
            # aiohttp answers with the value in it, and fails where that isn't ASCII.
            return web.Response(status=417, text="only 100-continue can be expected\n")
        # A client that goes away ends a relayed request at once, but not a change half-made.
        return await asyncio.shield(asyncio.ensure_future(managed(request)))

    return dispatch


def request_factory(management: RequestFactory) -> RequestFactory:
    """Makes bare requests for the gate and management's own kind for management.

    A chunked request is the last on its connection, for aiohttp takes the last trailer of its body
    for the first header line of the request that follows. So is one that offers to switch
    protocols, for what follows it in the same read is lost, and what comes next would be read as a
    request. Where a load balancer shares its connections, the next request is somebody else's.
    """
    loop = asyncio.get_running_loop()

    def make(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
        if message.chunked or message.upgrade:
            message = message._replace(should_close=True)
        if message.path.startswith(GATE_PREFIX):
            return web.BaseRequest(message, payload, protocol, writer, task, loop)
        return management(message, payload, protocol, writer, task)

    return make
