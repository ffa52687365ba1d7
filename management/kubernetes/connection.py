"""HTTP requests to the API servers of one cluster, with failover."""

import json
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode

import aiohttp

from management.kubernetes.attempts import Attempts
from management.kubernetes.endpoint import ClusterCredential, ClusterEndpoint
from management.kubernetes.errors import ApiResponseTooLarge, ApiUnreachable
from management.kubernetes.list_watch import MAX_PAGES, Event
from management.kubernetes.memory_budget import MemoryBudget
from management.kubernetes.request_trace import trace_request
from management.kubernetes.responses import (
    Received,
    connection_error,
    parse_event,
    parse_response,
    response_error,
)
from management.kubernetes.serving_certificates import ServingCertificates
from management.kubernetes.tls import tls_context
from management.kubernetes.watch_rate import WatchRate
from providers.http.response_body import (
    BodyTooLarge,
    open_session,
    parse_json,
    read_body,
    read_lines,
)
from providers.network.checked_connections import connector

CONNECT_SECONDS = 5.0
"""How long an API server may take to accept a connection before the next one is tried."""

WATCH_SECONDS = 300
"""How long a watch is requested to last, and up to a minute more, so that not all end together."""

LONGEST_WATCH_SECONDS = WATCH_SECONDS + 120.0
"""How long a watch may last if the server does not end it as requested."""

WATCH_SILENCE_SECONDS = 120.0
"""How long a watch may be silent before it is aborted: bookmarks come about every minute."""

TEXT_SECONDS = 60.0
"""How long a text, such as an API server's metrics, may take."""

MAX_TEXT_LINE = 64 * 1024
"""Bytes of a line of a text. The longest lines of an API server's metrics have a few hundred."""

JSON = "application/json"
TEXT = "text/plain"


@dataclass(frozen=True, slots=True)
class ClientLimits:
    """Limits on one client's requests."""

    max_response_bytes: int = 8 * 1024 * 1024
    """A larger response is not read; a list is then requested in smaller pages. etcd stores no
    object larger than 1.5 MiB."""

    max_pages: int = MAX_PAGES
    """Pages of one list."""

    request_seconds: float = 15.0
    """How long a request may take in all. Requests and responses are small."""


DEFAULT_LIMITS = ClientLimits()


class ClusterConnection:
    """An HTTP session with one cluster as one caller. Use it with ``async with``.

    API servers are tried in their order. The next one is tried only if the one before could not be
    reached.
    """

    def __init__(
        self,
        endpoint: ClusterEndpoint,
        credential: ClusterCredential,
        limits: ClientLimits,
        watch_rate: WatchRate,
        memory: MemoryBudget,
    ) -> None:
        self.endpoint = endpoint
        self.limits = limits
        self._credential = credential
        self._context = tls_context(endpoint, credential)
        self.certificates = ServingCertificates()
        self.certificates.observe(self._context)
        self._watch_rate = watch_rate
        self._memory = memory
        self._session: aiohttp.ClientSession
        self.attempts = Attempts()

    async def __aenter__(self) -> Self:
        headers = {}
        if self._credential.token is not None:
            headers["Authorization"] = f"Bearer {self._credential.token}"
        # No proxies or passwords from the environment and no redirects, as in the proxy: what is
        # verified here must be what the proxy connects to.
        self._session = open_session(
            connector=connector(self.endpoint.addresses, self._context, self.endpoint.dialer),
            headers=headers,
            middlewares=(trace_request, _refuse_redirects),
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._session.close()

    async def request(self, method: str, path: str, **options: Any) -> Received:
        """Send a request to the API servers in their order until one responds.

        ``options`` are those of :meth:`_send`. Raises ClusterApiError.
        """
        return await self.attempts.send(partial(self._request, method, path, options))

    async def _request(self, method: str, path: str, options: Mapping[str, Any]) -> Received:
        failure: ApiUnreachable | None = None
        for server in self.endpoint.servers:
            try:
                return await self._send(server, method, path, **options)
            except ApiUnreachable as exc:
                failure = failure or exc
        raise failure or ApiUnreachable("the cluster has no server")

    async def watch(self, path: str, query: Mapping[str, str]) -> AsyncGenerator[Event | None]:
        """Yield the events of a watch until it ends; None for each malformed event.

        Raises:
            ApiResponseTooLarge: an event is over the limit.
            ApiUnreachable: the connection failed, or nothing came for WATCH_SILENCE_SECONDS.
            ClusterApiError: the server rejects the watch.
        """
        server = await self._reachable_server()
        most = self.limits.max_response_bytes
        timeout = aiohttp.ClientTimeout(
            total=LONGEST_WATCH_SECONDS,
            sock_connect=CONNECT_SECONDS,
            sock_read=WATCH_SILENCE_SECONDS,
        )
        try:
            response = await self._call(server, "GET", path, query, None, {"Accept": JSON}, timeout)
            async with response:
                if response.status != 200:
                    data = await read_body(response, most)
                    raise response_error(server, "GET", path, response.status, data)
                with self.attempts.watch(), self._memory.reading() as held:
                    async for line in read_lines(response, most, self._watch_rate.taken, held):
                        yield parse_event(server, path, parse_json(line))
        except BodyTooLarge as exc:
            raise ApiResponseTooLarge(f"{server}{path}: an event that is too large") from exc
        except (aiohttp.ClientError, OSError, ValueError) as exc:
            self.attempts.doubt()
            raise connection_error(server, exc, self.endpoint.tls_server_name) from exc

    async def lines(self, server: str, path: str, most: int) -> AsyncGenerator[bytes]:
        """Yield the lines of a text of one API server that are not empty.

        The caller may stop early: the rest of the response is not read then.

        Raises:
            ApiResponseTooLarge: the text is over ``most`` bytes, or a line over MAX_TEXT_LINE.
            ClusterApiError: the server does not respond, or rejects the request.
        """
        timeout = aiohttp.ClientTimeout(total=TEXT_SECONDS, sock_connect=CONNECT_SECONDS)
        left = most

        def take(size: int) -> float:
            nonlocal left
            left -= size
            if left < 0:
                raise BodyTooLarge(f"a body that is too large, over {most} bytes")
            return 0.0

        try:
            response = await self._call(server, "GET", path, {}, None, {"Accept": TEXT}, timeout)
            async with response:
                if response.status != 200:
                    data = await read_body(response, self.limits.max_response_bytes)
                    raise response_error(server, "GET", path, response.status, data)
                async for line in read_lines(response, MAX_TEXT_LINE, take):
                    yield line
        except BodyTooLarge as exc:
            raise ApiResponseTooLarge(f"{server}{path}: a response that is too large") from exc
        except (aiohttp.ClientError, OSError, ValueError) as exc:
            raise connection_error(server, exc, self.endpoint.tls_server_name) from exc

    async def _reachable_server(self) -> str:
        """Return the first API server that responds, or the first one if none does."""
        if len(self.endpoint.servers) == 1:
            return self.endpoint.servers[0]
        for server in self.endpoint.servers:
            try:
                await self._send(server, "GET", "/version")
            except ApiUnreachable:
                continue
            return server
        return self.endpoint.servers[0]

    async def _send(
        self,
        server: str,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: dict[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        content_type: str = JSON,
    ) -> Received:
        headers = {"Accept": JSON, "Content-Type": content_type, **(headers or {})}
        timeout = aiohttp.ClientTimeout(
            total=self.limits.request_seconds, sock_connect=CONNECT_SECONDS
        )
        try:
            response = await self._call(server, method, path, query or {}, body, headers, timeout)
            async with response:
                with self._memory.reading() as held:
                    data = await read_body(response, self.limits.max_response_bytes, held)
        except BodyTooLarge as exc:
            raise ApiResponseTooLarge(f"{server}{path}: a response that is too large") from exc
        except (aiohttp.ClientError, OSError, ValueError) as exc:
            raise connection_error(server, exc, self.endpoint.tls_server_name) from exc
        return parse_response(server, method, path, response.status, data)

    async def _call(
        self,
        server: str,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: dict[str, Any] | None,
        headers: Mapping[str, str],
        timeout: aiohttp.ClientTimeout,
    ) -> aiohttp.ClientResponse:
        suffix = f"?{urlencode(query)}" if query else ""
        return await self._session.request(
            method,
            f"{server}{path}{suffix}",
            data=json.dumps(body) if body else None,
            headers=headers,
            timeout=timeout,
            server_hostname=self.endpoint.tls_server_name,
        )


async def _refuse_redirects(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Reject redirects: API servers send none, and the target would receive Sekisho's token."""
    response = await handler(request)
    if 300 <= response.status < 400:
        response.close()
        raise aiohttp.ClientPayloadError("a redirect, so this is not a Kubernetes API server")
    return response
