"""A client for one cluster in the name of one caller, with bounds on what it reads."""

import itertools
import random
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self

import aiohttp

from management.caller_client.errors import ResponseBroken, TooMuch
from management.caller_client.responses import (
    BROKEN,
    broken_reason,
    event_of,
    not_sent,
    object_of,
    pieces_of,
    refusal_of,
)
from management.kubernetes.errors import ApiRequestFailed
from management.kubernetes.list_watch import Event, ListPage, ListProgress
from management.kubernetes.manifests import Manifest
from management.kubernetes.validation import MalformedObject
from management.kubernetes.watch_rate import WatchRate
from management.tracing.span import current_span
from providers.http.response_body import (
    BodyTooLarge,
    InvalidJsonBody,
    estimated_memory,
    parse_json,
    read_body,
    read_lines,
)

REQUEST_SECONDS = 30.0
"""How long a request may take in all."""

WATCH_SECONDS = 300
"""How long a watch is requested to last, and up to a minute more, so that not all end together."""

SILENCE_SECONDS = 120.0
"""How long a watch may be silent before it is aborted: bookmarks come about every minute."""

JSON = "application/json"
METADATA = f"{JSON};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
"""Objects without spec and status. An API without this form sends whole objects."""


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """Limits of what is read for one request of a caller."""

    max_response_bytes: int = 8 * 1024 * 1024
    """A larger response is not read; a list is then requested in smaller pages."""

    page: int = 200
    """Objects in one page of a list: about 2 MB of pods, which take 20 ms to parse."""

    max_pages: int = 200
    """Pages of one list."""

    max_list_bytes: int = 64 * 1024 * 1024
    """Estimated memory of a list that is held as a whole."""


DEFAULT_LIMITS = ReadLimits()


class SendsRequests(Protocol):
    """What this module needs of the generated client."""

    async def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: Any,
        timeout: aiohttp.ClientTimeout,
    ) -> aiohttp.ClientResponse:
        """Send a request and return the response, whose body has not been read."""

    async def close(self) -> None:
        """Close the session."""


class CallerClient:
    """Requests to a cluster's API in a caller's name. Use it with ``async with``.

    Paths begin with ``/api/`` or ``/apis/``. Methods raise :class:`.errors.CallerRequestError`.
    Leaving the context ends everything that runs: watches and streams, too.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[SendsRequests]],
        cluster: str,
        request_id: str,
        limits: ReadLimits = DEFAULT_LIMITS,
    ) -> None:
        self.cluster = cluster
        self._limits = limits
        self._connect = connect
        self._client: SendsRequests | None = None
        # An id of at most 64 characters: see management.http.request_id.
        self._request_id = request_id[:56]
        self._count = itertools.count(1)
        self._rate = WatchRate()

    async def __aenter__(self) -> Self:
        self._client = await self._connect()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._client is not None:
            await self._client.close()
            self._client = None

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Return the object at ``path``. A missing one is a refusal with status 404."""
        return await self.request("GET", path, query=query)

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        content_type: str = JSON,
        seconds: float = REQUEST_SECONDS,
    ) -> dict[str, Any]:
        """Send a request and return the object in the response, without its null fields."""
        return (await self._exchange(method, path, query, body, content_type, seconds))[0]

    async def list_all(
        self, path: str, query: Mapping[str, str] | None = None, *, most: int = 2_000
    ) -> list[Manifest]:
        """Return the objects of a collection.

        Raises TooMuch if there are more than ``most``, or if they take too much memory.
        """
        found: list[Manifest] = []
        weight = 0
        async for page in self.pages(path, query):
            found += page.items
            weight += page.weight
            if len(found) > most or weight > self._limits.max_list_bytes:
                raise TooMuch(
                    f"{path}: more than {most} objects, or larger ones than Sekisho reads"
                )
        return found

    async def pages(
        self, path: str, query: Mapping[str, str] | None = None, *, metadata_only: bool = False
    ) -> AsyncGenerator[ListPage]:
        """Yield a collection page by page. A page that is too large is requested in halves.

        ``metadata_only``: nothing else of the objects is needed.
        """
        accept = f"{METADATA},{JSON}" if metadata_only else JSON
        progress, size = ListProgress(path, self._limits.max_pages), self._limits.page
        following = ""
        while True:
            wanted = {**(query or {}), "limit": str(size)}
            if following:
                wanted["continue"] = following
            try:
                body, weight = await self._exchange("GET", path, wanted, None, JSON, accept=accept)
            except TooMuch:
                if size <= 1:
                    raise
                size //= 2
                continue
            try:
                page = progress.page(body, weight)
            except ApiRequestFailed as exc:
                raise TooMuch(str(exc)) from exc
            following = page.following
            del body  # and the page, before the next one is awaited
            yield page
            del page
            if not following:
                return

    async def watch(
        self, path: str, version: str, query: Mapping[str, str] | None = None
    ) -> AsyncGenerator[Event]:
        """Yield well-formed events since ``version``, bookmarks included, until the watch ends.

        A ``version`` that is too old is a refusal with status 410. Iterate with ``aclosing``.
        """
        wanted = {
            **(query or {}),
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(WATCH_SECONDS + random.randrange(60)),  # noqa: S311
        }
        timeout = aiohttp.ClientTimeout(total=None, sock_read=SILENCE_SECONDS)
        async with self._response("GET", path, wanted, None, JSON, timeout) as response:
            try:
                async for line in read_lines(
                    response, self._limits.max_response_bytes, self._rate.taken
                ):
                    event = event_of(line)
                    if event is not None:
                        yield event
            except BodyTooLarge as exc:
                raise TooMuch(f"{path}: an event of the watch is too large") from exc
            except BROKEN as exc:
                raise ResponseBroken(f"{path}: the watch broke off") from exc

    @asynccontextmanager
    async def stream(
        self, path: str, query: Mapping[str, str] | None = None
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open a response of any length, such as a log, and yield its pieces as they arrive.

        While they are not read, the cluster is not read either. A response that breaks off raises
        ResponseBroken.
        """
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=REQUEST_SECONDS)
        async with self._response("GET", path, query, None, JSON, timeout) as response:
            yield pieces_of(path, response)

    async def _exchange(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: Mapping[str, Any] | None,
        content_type: str,
        seconds: float = REQUEST_SECONDS,
        accept: str = JSON,
    ) -> tuple[dict[str, Any], int]:
        """Return the object in the response, and the estimated bytes that it takes in memory."""
        timeout = aiohttp.ClientTimeout(total=seconds)
        async with self._response(
            method, path, query, body, content_type, timeout, accept
        ) as response:
            try:
                data = await read_body(response, self._limits.max_response_bytes)
                return object_of(method, parse_json(data)), estimated_memory(data)
            except BodyTooLarge as exc:
                raise TooMuch(f"{path}: the response is too large") from exc
            except (InvalidJsonBody, MalformedObject) as exc:
                raise ResponseBroken(f"{path}: not a response of a Kubernetes API") from exc
            except BROKEN as exc:
                raise ResponseBroken(f"{path}: {broken_reason(exc)}") from exc

    @asynccontextmanager
    async def _response(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: Mapping[str, Any] | None,
        content_type: str,
        timeout: aiohttp.ClientTimeout,
        accept: str = JSON,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a request, and yield a successful response. Its connection ends with the context."""
        client = self._client
        assert client is not None, "the client is used outside its context"
        assert path.startswith(("/api/", "/apis/"))
        headers = {
            "Accept": accept,
            "Content-Type": content_type,
            "X-Request-Id": f"{self._request_id}-{next(self._count)}",
            **dict(current_span().headers),
        }
        try:
            response = await client.send(
                method, path, query=query or {}, headers=headers, body=body, timeout=timeout
            )
        except BROKEN as exc:
            raise not_sent(path, exc) from exc
        try:
            if not 200 <= response.status < 300:
                raise await refusal_of(response)
            yield response
        finally:
            # The connection of a response that was not read to its end is closed by this.
            response.release()
