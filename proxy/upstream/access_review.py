"""Ask a cluster whether a caller may impersonate another user (``kubectl --as``).

The review is a SubjectAccessReview, sent to the cluster that the request is for, about the identity
that the caller has in that cluster. A review of another cluster, or about another subject, proves
nothing (CVE-2026-44945). Without a response, the permission is denied.

Equal reviews at the same time share one request. It continues when one of its callers leaves.
"""

import asyncio
import json
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import aiohttp

from impersonation.identity import Subject
from impersonation.nested import ImpersonationPermission
from management.kubernetes.cluster_client import dialer_of
from providers.http.response_body import open_session, read_json
from providers.network.checked_connections import connector
from proxy.transport.client_tls import ContextSource
from store.records import Cluster

PATH = "/apis/authorization.k8s.io/v1/subjectaccessreviews"

CACHE_SECONDS = 5.0
"""How long "allowed" is cached. "Denied" is not: a user who just got the permission tries again."""

MAX_CACHED = 4096

MAX_CONCURRENT = 16
"""Reviews in one cluster at the same time."""

TIMEOUT_SECONDS = 10.0
"""How long one API server may take for one review."""

TOTAL_TIMEOUT_SECONDS = 20.0
"""How long all reviews of one request may take together."""

SPARE_BYTES = 64 * 1024
"""How much larger than twice the review a response may be: it repeats the review, and may escape
some of its characters."""


class ReviewFailed(Exception):
    """No API server responded to a review. The message is fit for the client."""


_SubjectKey = tuple[str, str | None, tuple[str, ...], tuple[tuple[str, tuple[str, ...]], ...]]
_ReviewKey = tuple[_SubjectKey, ImpersonationPermission]


class AccessReviewer:
    """Send access reviews to one cluster."""

    def __init__(self, cluster: Cluster, context: ContextSource) -> None:
        self._cluster = cluster
        self._context = context
        self._session: aiohttp.ClientSession | None = None
        self._allowed_until: dict[_ReviewKey, float] = {}
        self._running: dict[_ReviewKey, asyncio.Task[bool]] = {}
        self._slots = asyncio.Semaphore(MAX_CONCURRENT)
        self._closing: asyncio.Task[None] | None = None

    def update(self, cluster: Cluster) -> None:
        """Use the cluster's renewed token from now on."""
        self._cluster = cluster

    async def first_denied(
        self, subject: Subject, needed: Sequence[ImpersonationPermission]
    ) -> ImpersonationPermission | None:
        """Return the first permission that ``subject`` lacks; None where it has them all.

        No review is sent after the first denied one. Raises ReviewFailed where one fails.
        """
        now = time.monotonic()
        key = _subject_key(subject)
        unknown = [
            one for one in dict.fromkeys(needed) if self._allowed_until.get((key, one), 0.0) <= now
        ]
        try:
            async with asyncio.timeout(TOTAL_TIMEOUT_SECONDS):
                return await self._first_denied(key, subject, unknown)
        except TimeoutError:
            raise _failure() from None

    async def close(self) -> None:
        """Cancel reviews and close the connections."""
        for task in list(self._running.values()):
            task.cancel()
        if self._session is not None:
            await self._session.close()

    def close_soon(self) -> None:
        """Close in the background."""
        self._closing = asyncio.get_running_loop().create_task(self.close())

    async def _first_denied(
        self, key: _SubjectKey, subject: Subject, needed: Sequence[ImpersonationPermission]
    ) -> ImpersonationPermission | None:
        for start in range(0, len(needed), MAX_CONCURRENT):
            batch = needed[start : start + MAX_CONCURRENT]
            results = await asyncio.gather(*(self._shared(key, subject, one) for one in batch))
            for permission, allowed in zip(batch, results, strict=True):
                if not allowed:
                    return permission
        return None

    async def _shared(
        self, subject_key: _SubjectKey, subject: Subject, permission: ImpersonationPermission
    ) -> bool:
        """Send a review, or wait for an equal one that is running."""
        key = subject_key, permission
        task = self._running.get(key)
        if task is None:
            task = asyncio.create_task(self._send_review(subject, permission))
            self._running[key] = task
            task.add_done_callback(partial(self._finished, key, time.monotonic()))
        try:
            # Shielded: a client that leaves must not cancel the review of the others.
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            current = asyncio.current_task()
            if task.cancelled() and not (current is not None and current.cancelling()):
                raise _failure() from None  # closed meanwhile
            raise

    def _finished(self, key: _ReviewKey, started: float, task: asyncio.Task[bool]) -> None:
        self._running.pop(key, None)
        if task.cancelled() or task.exception() is not None or not task.result():
            return
        if len(self._allowed_until) >= MAX_CACHED:
            self._allowed_until.clear()
        self._allowed_until[key] = started + CACHE_SECONDS

    async def _send_review(self, subject: Subject, permission: ImpersonationPermission) -> bool:
        """Send a review to one API server after the other until one responds."""
        body = json.dumps(_review(subject, permission)).encode()
        async with self._slots:
            for server in self._cluster.servers:
                try:
                    return _allowed(await self._post(server, body))
                except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
                    continue
        raise _failure()

    async def _post(self, server: str, body: bytes) -> Any:
        if self._session is None:
            self._session = open_session(
                connector=connector(self._cluster.addresses, dialer=dialer_of(self._cluster)),
                timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS),
            )
        async with self._session.post(
            server.rstrip("/") + PATH,
            data=body,
            ssl=self._context(),
            server_hostname=self._cluster.tls_server_name,
            allow_redirects=False,
            headers={
                "Accept": "application/json",
                "Authorization": f"Bearer {self._cluster.impersonator_token}",
                "Content-Type": "application/json",
            },
        ) as response:
            if response.status != 201:
                raise ValueError(f"status {response.status}")
            return await read_json(response, 2 * len(body) + SPARE_BYTES)


def _failure() -> ReviewFailed:
    return ReviewFailed("the cluster could not be asked whether you may impersonate")


def _subject_key(subject: Subject) -> _SubjectKey:
    """Return all of a subject that the result may depend on."""
    return subject.user, subject.uid, subject.groups, tuple(subject.extra.items())


def _review(subject: Subject, permission: ImpersonationPermission) -> dict[str, Any]:
    attributes = {
        "verb": "impersonate",
        "group": permission.group,
        "version": "v1" if permission.group else "",
        "resource": permission.resource,
        "subresource": permission.subresource,
        "namespace": permission.namespace,
        "name": permission.name,
    }
    return {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": subject.user,
            "uid": subject.uid or "",
            "groups": list(subject.groups),
            "extra": {key: list(values) for key, values in subject.extra.items()},
            "resourceAttributes": {key: value for key, value in attributes.items() if value},
        },
    }


def _allowed(review: Any) -> bool:
    """Return whether the response allows the permission explicitly. Raises ValueError."""
    if not isinstance(review, dict) or not isinstance(review.get("status"), dict):
        raise ValueError("not a SubjectAccessReview")
    status = review["status"]
    return status.get("allowed") is True and not status.get("denied")
