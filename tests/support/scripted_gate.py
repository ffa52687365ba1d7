"""A gate whose clusters are scripted: Sekisho's server and in-process connections are real."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from management.caller_client.client import DEFAULT_LIMITS, ReadLimits
from management.caller_client.gate import Gate, OnBehalf
from proxy.client.connection import ClientConnection
from proxy.client.in_process import InProcessServer
from proxy.client.server import ProxyServer
from tests.proxy.relay import make_request

Script = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

ALICE = OnBehalf("token-alice:secret", "192.0.2.7", "request-of-alice", "curl/8")


@asynccontextmanager
async def scripted_gate(
    script: Script, most: int = 100, limits: ReadLimits = DEFAULT_LIMITS
) -> AsyncIterator[tuple[Gate, InProcessServer]]:
    """Yield a gate whose requests ``script`` answers, and what connects to it."""
    server = ProxyServer(script, request_factory=make_request, access_log=None)
    in_process = InProcessServer(most)
    in_process.serve(server)
    try:
        yield Gate(in_process.dial, limits), in_process
    finally:
        await server.shutdown(1)


def origin_of(request: web.BaseRequest) -> str:
    """Return the address of the client on whose behalf a request is sent."""
    connection = request.protocol
    assert isinstance(connection, ClientConnection)
    return connection.origin


def listed(names: list[str], following: str = "", version: str = "7", **more: Any) -> web.Response:
    """Return a page of a list."""
    items = [{"metadata": {"name": name, "uid": f"u-{name}"}, **more} for name in names]
    metadata = {"resourceVersion": version, "continue": following}
    return web.json_response({"kind": "List", "metadata": metadata, "items": items})


def status(code: int, message: str, **more: Any) -> web.Response:
    """Return a Kubernetes Status."""
    body = {"kind": "Status", "status": "Failure", "code": code, "message": message, **more}
    return web.json_response(body, status=code)


def lines(*events: dict[str, Any]) -> bytes:
    """Return events of a watch."""
    return b"".join(json.dumps(one).encode() + b"\n" for one in events)
