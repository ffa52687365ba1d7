"""``GET /v1/tunnel``: from an agent's request to an open tunnel on the same connection.

After the ``101`` the tunnel takes the connection. aiohttp no longer knows of it, so neither idle
times nor the end of running requests at a stop concern it; the directory of tunnels ends it.
"""

import asyncio
import importlib.metadata
import time
from collections.abc import Callable

from aiohttp import web

from agent.tunnel.control import Welcome
from agent.websocket.handshake import HandshakeError, response_headers
from config.loggers import get_logger
from management.http.client_address import ClientAddresses
from management.http.problem import ApiProblem
from management.http.request_id import RequestIds
from management.tunnels.agent_tunnel import AgentTunnel, TunnelOwner
from management.tunnels.directory import TunnelDirectory
from proxy.client.connection import RELAYED, ClientConnection
from proxy.limits.limiter import LimitExceeded
from proxy.tunnels.admission import TunnelAdmission
from proxy.tunnels.cluster_limits import ClusterLimits
from proxy.tunnels.records import Asked, TunnelRecords
from store.errors import StoreError

_LOG = get_logger(__name__)


class TunnelEndpoint:
    """Opens tunnels. One per process. ``ready`` is called when an agent has introduced itself."""

    def __init__(
        self,
        admission: TunnelAdmission,
        records: TunnelRecords,
        directory: TunnelDirectory,
        ready: Callable[[AgentTunnel], None],
        request_ids: RequestIds,
        addresses: ClientAddresses,
    ) -> None:
        self._admission = admission
        self._records = records
        self._directory = directory
        self._ready = ready
        self._request_ids = request_ids
        self._addresses = addresses
        replica = directory.replica
        self._welcome = Welcome(importlib.metadata.version("sekisho"), replica.id, replica.machine)
        self._limits = ClusterLimits(asyncio.get_running_loop().time)

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Open a tunnel, or respond with a problem (RFC 9457)."""
        forwarded = request.headers.getall("X-Forwarded-For", ())
        address = self._addresses.of(request.remote, forwarded)
        asked = Asked(self._request_ids.next(), address, time.time())
        try:
            head, owner = await self._accepted(request, address)
        except ApiProblem as exc:
            problem = exc
        except LimitExceeded as exc:
            await asyncio.sleep(exc.rejection_delay)
            problem = ApiProblem(exc.code, str(exc), headers={"Retry-After": str(exc.retry_after)})
        except StoreError as exc:
            _LOG.error("store unavailable", error=str(exc))
            problem = ApiProblem(503, "the store is unavailable", headers={"Retry-After": "2"})
        else:
            return self._take_over(request, head, owner, asked)
        response = problem.response(asked.request_id)
        response.force_close()
        self._records.answered(request, response, asked, reason=problem.detail)
        return response

    async def _accepted(self, request: web.BaseRequest, address: str) -> tuple[bytes, TunnelOwner]:
        """Return the head of the ``101``, and whose tunnel it opens. Raises as the admission."""
        if request.method != "GET":
            headers = {"Allow": "GET"}
            raise ApiProblem(405, "tunnels are opened with GET", headers=headers)
        owner = await self._admission.owner(request, address)
        if request.body_exists:
            raise ApiProblem(400, "a request for a tunnel has no body")
        try:
            lines = response_headers(request.headers)
        except HandshakeError as exc:
            raise ApiProblem(400, str(exc)) from None
        self._check_room(owner)
        text = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        return f"HTTP/1.1 101 Switching Protocols\r\n{text}\r\n".encode(), owner

    def _check_room(self, owner: TunnelOwner) -> None:
        if self._directory.drains:
            raise ApiProblem(503, "this server stops: connect again", headers={"Retry-After": "1"})
        self._limits.check(owner.cluster_id)

    def _take_over(
        self, request: web.BaseRequest, head: bytes, owner: TunnelOwner, asked: Asked
    ) -> web.StreamResponse:
        """Give the connection of a request to a new tunnel."""
        client = request.protocol
        assert isinstance(client, ClientConnection)
        if request.transport is None or request.transport.is_closing():
            raise ConnectionResetError("the agent closed the connection")
        client.become_known()
        response = web.Response(status=101)
        transport, permit = client.detach()

        def ended(tunnel: AgentTunnel, reason: str) -> None:
            if permit is not None:
                permit.release()
            self._limits.left(owner.cluster_id)
            self._directory.remove(tunnel)
            self._records.ended(tunnel, asked, reason)

        rate = self._limits.entered(owner.cluster_id)
        tunnel = AgentTunnel(owner, self._welcome, ready=self._ready, ended=ended, rate=rate)
        transport.write(head)
        transport.set_protocol(tunnel.connection)
        tunnel.connection.connection_made(transport)
        self._records.answered(
            request, response, asked, tunnel=tunnel.id, agent_token=owner.token_id
        )
        return RELAYED[False]
