"""A client for the Kubernetes API of one cluster.

It exchanges plain JSON objects over an aiohttp session. A generated client adds nothing to objects
that Sekisho writes itself, drops fields that it does not know, and costs 2 s and 74 MiB; see
docs/decisions/0023-start-up.md.
"""

import random
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from management.backoff import Backoff
from management.kubernetes.attempts import Attempts
from management.kubernetes.connection import (
    DEFAULT_LIMITS,
    WATCH_SECONDS,
    ClientLimits,
    ClusterConnection,
)
from management.kubernetes.endpoint import ClusterCredential, ClusterEndpoint
from management.kubernetes.errors import ApiNotFound, ApiResponseTooLarge, ClusterHeld
from management.kubernetes.list_watch import Event, ListPage, ListProgress
from management.kubernetes.manifests import Manifest
from management.kubernetes.memory_budget import MAX_LIST, MemoryBudget
from management.kubernetes.responses import Received, parse_object
from management.kubernetes.serving_certificates import ServingCertificates
from management.kubernetes.watch_rate import WatchRate

PAGE = 500
"""Objects in one page of a list."""

POLL_SECONDS = 0.25
"""Interval for polling what cannot be watched."""

APPLY = "application/apply-patch+yaml"
MERGE_PATCH = "application/merge-patch+json"

_FIELD_MANAGER = {"fieldManager": "sekisho"}


@dataclass(slots=True)
class Faults:
    """Counters of faulty responses of a cluster.

    ``oversized``: responses that were too large. ``malformed``: objects that were left out.
    ``failed``: collections that could not be listed or watched.
    """

    oversized: int = 0
    malformed: int = 0
    failed: int = 0


class ClusterClient:
    """A client for the API of one cluster as one caller. Use it with ``async with``.

    ``memory`` limits what is read and kept; without it, the client has a budget of its own.
    Methods raise :class:`management.kubernetes.errors.ClusterApiError`.
    """

    def __init__(
        self,
        endpoint: ClusterEndpoint,
        credential: ClusterCredential,
        *,
        limits: ClientLimits | None = None,
        watch_rate: WatchRate | None = None,
        memory: MemoryBudget | None = None,
    ) -> None:
        self.endpoint = endpoint
        self.memory = memory or MemoryBudget()
        self._connection = ClusterConnection(
            endpoint, credential, limits or DEFAULT_LIMITS, watch_rate or WatchRate(), self.memory
        )
        self._page_sizes: dict[str, int] = {}
        self.faults = Faults()

    async def __aenter__(self) -> Self:
        await self._connection.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._connection.__aexit__(kind, error, trace)

    def _refuse_if_held(self) -> None:
        """Raise ClusterHeld if the cluster is held. Reviews and token requests pass."""
        if self.endpoint.held:
            raise ClusterHeld

    @property
    def attempts(self) -> Attempts:
        """Return what all callers of this client share after a failure."""
        return self._connection.attempts

    async def before_retry(self, backoff: Backoff) -> None:
        """Wait after an attempt; see :meth:`Attempts.pause`."""
        await self.attempts.pause(backoff)

    def retry_now(self) -> None:
        """End all pauses: the cluster may be usable again."""
        self.attempts.retry_now()

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Return the response body of ``path``. Raises ApiNotFound, too."""
        return (await self._connection.request("GET", path, query=query)).body

    async def get_weighed(self, path: str) -> Received:
        """Return the response body of ``path`` with the memory that it takes, by estimate."""
        return await self._connection.request("GET", path)

    async def get_object(self, path: str) -> Manifest:
        """Return the object at ``path``, which has a name and a uid."""
        return parse_object(path, await self._connection.request("GET", path))

    @property
    def certificates(self) -> ServingCertificates:
        """Return the certificates of the API servers on the client's connections."""
        return self._connection.certificates

    def lines(self, server: str, path: str, most: int) -> AsyncGenerator[bytes]:
        """Yield the lines of a text of one API server; see :meth:`ClusterConnection.lines`."""
        return self._connection.lines(server, path, most)

    async def find(self, path: str) -> Manifest | None:
        """Return the object at ``path``, or None if it does not exist."""
        try:
            return await self.get_object(path)
        except ApiNotFound:
            return None

    async def create(self, path: str, manifest: Manifest) -> Manifest:
        """Create an object in the collection at ``path``. Return it as stored."""
        self._refuse_if_held()
        return parse_object(path, await self._connection.request("POST", path, body=manifest))

    async def post(
        self, path: str, body: dict[str, Any], headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Post a review or a token request. :meth:`create` makes objects."""
        return (await self._connection.request("POST", path, body=body, headers=headers)).body

    async def apply(
        self, path: str, manifest: dict[str, Any], *, dry_run: bool = False, force: bool = True
    ) -> dict[str, Any]:
        """Apply an object server-side as field manager ``sekisho``. Return it as stored.

        Conflicts are forced: Sekisho takes back a field that another manager changed. The caller
        checks whether Sekisho manages the object at all. Without ``force``, they raise ApiConflict.
        """
        query = {**_FIELD_MANAGER, "force": "true" if force else "false"}
        if dry_run:
            query["dryRun"] = "All"
        else:
            self._refuse_if_held()
        return parse_object(
            path,
            await self._connection.request(
                "PATCH", path, query=query, body=manifest, content_type=APPLY
            ),
        )

    async def put(self, path: str, manifest: dict[str, Any]) -> dict[str, Any]:
        """Replace the object. Raises ApiConflict if its resourceVersion has changed."""
        self._refuse_if_held()
        return parse_object(
            path,
            await self._connection.request("PUT", path, query=_FIELD_MANAGER, body=manifest),
        )

    async def patch(self, path: str, change: dict[str, Any]) -> dict[str, Any]:
        """Change the object by a JSON merge patch (RFC 7396)."""
        self._refuse_if_held()
        return parse_object(
            path,
            await self._connection.request(
                "PATCH", path, query=_FIELD_MANAGER, body=change, content_type=MERGE_PATCH
            ),
        )

    async def delete(self, path: str, uid: str | None = None) -> bool:
        """Delete the object and, in the background, its dependents. False if it did not exist.

        ``uid``: delete only the object with that uid. Raises ApiConflict if it is another.
        """
        self._refuse_if_held()
        body = {"preconditions": {"uid": uid}} if uid is not None else None
        try:
            await self._connection.request(
                "DELETE", path, query={"propagationPolicy": "Background"}, body=body
            )
        except ApiNotFound:
            return False
        return True

    async def list_all(
        self, path: str, selector: str | None = None, fields: str | None = None
    ) -> tuple[list[Manifest], str]:
        """Return all well-formed objects of a collection, and the version to watch from.

        Raises:
            ResourceExpired: the collection changed too much while it was listed.
            ApiResponseTooLarge: the list takes more than MAX_LIST bytes of memory.
        """
        items: list[Manifest] = []
        version, weight = "", 0
        with self.memory.lent(0) as take:
            async for page in self.pages(path, selector, fields):
                weight += page.weight
                if weight > MAX_LIST:
                    raise ApiResponseTooLarge(
                        f"{path}: the list takes more than {MAX_LIST >> 20} MiB of memory"
                    )
                take(weight)
                items += page.items
                version = page.version
        return items, version

    async def pages(
        self, path: str, selector: str | None = None, fields: str | None = None
    ) -> AsyncIterator[ListPage]:
        """Yield a collection page by page. A page that is too large is requested in halves.

        Raises:
            ResourceExpired: the collection changed too much while it was listed.
            ApiRequestFailed: the list does not end.
        """
        query = {"limit": str(self._page_sizes.get(path, PAGE)), **_selectors(selector, fields)}
        progress = ListProgress(path, self._connection.limits.max_pages)
        while True:
            try:
                received = await self._connection.request("GET", path, query=query)
            except ApiResponseTooLarge:
                self.faults.oversized += 1
                query["limit"] = str(self._halve_page(path, int(query["limit"])))
                continue
            page = progress.page(received.body, received.weight)
            self.faults.malformed += page.left_out
            query["continue"] = page.following
            # The page must be in memory only until its reader wants the next one: a cluster may
            # let many lists wait, and each page takes much more memory than its text.
            del received
            yield page
            del page
            if not query["continue"]:
                return

    def _halve_page(self, path: str, size: int) -> int:
        """Halve the page size of a collection. Raises ApiResponseTooLarge if it is one object."""
        if size <= 1:
            most = self._connection.limits.max_response_bytes
            raise ApiResponseTooLarge(f"{path}: one object is over {most >> 20} MiB")
        self._page_sizes[path] = size // 2
        return size // 2

    async def watch(
        self,
        path: str,
        version: str,
        selector: str | None = None,
        fields: str | None = None,
    ) -> AsyncIterator[Event]:
        """Yield well-formed events since ``version``, bookmarks included, until the watch ends.

        It ends after LONGEST_WATCH_SECONDS at the latest.

        Raises:
            ResourceExpired: ``version`` is too old.
            ApiResponseTooLarge: an event is over the limit.
            ApiUnreachable: nothing came for longer than the interval of bookmarks.
        """
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(WATCH_SECONDS + random.randrange(60)),  # noqa: S311
            **_selectors(selector, fields),
        }
        async with aclosing(self._connection.watch(path, query)) as events:
            async for event in events:
                if event is None:
                    self.faults.malformed += 1
                else:
                    yield event


def _selectors(labels: str | None, fields: str | None) -> dict[str, str]:
    selectors = {"labelSelector": labels, "fieldSelector": fields}
    return {key: value for key, value in selectors.items() if value is not None}
