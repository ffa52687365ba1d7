"""One listener, two halves: the gate below ``/k8s/``, management everywhere else.

The gate's requests don't pass the router, nor middleware; management's do. There is one way to the
gate, so there is no second one that could forget to check (CVE-2021-36776).
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
RequestFactory = Callable[..., web.BaseRequest]

GATE_PREFIX = "/k8s/"


def dispatcher(gate: Handler, management: Handler) -> Handler:
    """A handler that hands each request to the half it is for."""

    async def dispatch(request: web.BaseRequest) -> web.StreamResponse:
        target = request.raw_path
        if target.startswith(GATE_PREFIX):
            return await gate(request)
        if not target.startswith("/"):
            # Absolute form is for forward proxies (RFC 9112 §3.2.2); read here, its host could
            # differ from what everything else believes.
            return web.Response(status=400, text="the request target must begin with /\n")
        # A client that goes away ends a relayed request at once, but not a change half-made.
        return await asyncio.shield(asyncio.ensure_future(management(request)))

    return dispatch


def request_factory(management: RequestFactory) -> RequestFactory:
    """Makes bare requests for the gate and management's own kind for management."""
    loop = asyncio.get_running_loop()

    def make(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
        if message.path.startswith(GATE_PREFIX):
            return web.BaseRequest(message, payload, protocol, writer, task, loop)
        return management(message, payload, protocol, writer, task)

    return make
