"""Asking a cluster whether a caller may impersonate somebody (``kubectl --as``).

The question goes to the very cluster that the request is for, as a SubjectAccessReview about the
caller as that cluster knows the caller (CVE-2026-44945: asked of the wrong cluster, or about the
wrong subject, the answer is worth nothing). No answer means no.
"""

import asyncio
import time
from typing import Any

import aiohttp

from impersonation.identity import Subject
from impersonation.nested import Permission
from proxy.cluster_tls import ContextSource
from store.interfaces import Cluster

PATH = "/apis/authorization.k8s.io/v1/subjectaccessreviews"

BELIEVED_SECONDS = 5.0
"""How long a "yes" is believed. A "no" isn't kept: someone was just let in, and tries again."""

MAX_REMEMBERED = 4096


class ReviewFailed(Exception):
    """The cluster couldn't be asked. The message is fit for the client."""


class AccessReviews:
    """Access reviews in one cluster."""

    def __init__(self, cluster: Cluster, context: ContextSource) -> None:
        self._cluster = cluster
        self._context = context
        self._session: aiohttp.ClientSession | None = None
        self._yes: dict[tuple[str, tuple[str, ...], Permission], float] = {}
        self._closing: asyncio.Task[None] | None = None

    def use(self, cluster: Cluster) -> None:
        """Go on with a renewed token."""
        self._cluster = cluster

    async def refused(self, subject: Subject, needed: list[Permission]) -> Permission | None:
        """The first permission that ``subject`` lacks; None where it has them all.

        Raises ReviewFailed where any can't be asked.
        """
        now = time.monotonic()
        asked = [one for one in needed if self._yes.get(_key(subject, one), 0.0) <= now]
        answers = await asyncio.gather(*(self._ask(subject, one) for one in asked))
        for permission, allowed in zip(asked, answers, strict=True):
            if not allowed:
                return permission
            self._remember(subject, permission, now)
        return None

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    def close_soon(self) -> None:
        """Close without waiting, from where one can't wait."""
        self._closing = asyncio.get_running_loop().create_task(self.close())

    def _remember(self, subject: Subject, permission: Permission, now: float) -> None:
        if len(self._yes) >= MAX_REMEMBERED:
            self._yes.clear()
        self._yes[_key(subject, permission)] = now + BELIEVED_SECONDS

    async def _ask(self, subject: Subject, permission: Permission) -> bool:
        """One review, of each master in turn until one answers."""
        for server in self._cluster.servers:
            try:
                return _allowed(await self._post(server, _review(subject, permission)))
            except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
                continue
        raise ReviewFailed("the cluster could not be asked whether you may impersonate")

    async def _post(self, server: str, review: dict[str, Any]) -> Any:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=10), auto_decompress=True
            )
        async with self._session.post(
            server.rstrip("/") + PATH,
            json=review,
            ssl=self._context(),
            server_hostname=self._cluster.tls_server_name,
            allow_redirects=False,
            headers={"Authorization": f"Bearer {self._cluster.impersonator_token}"},
        ) as answer:
            if answer.status != 201:
                raise ValueError(f"status {answer.status}")
            return await answer.json(content_type=None)


def _key(subject: Subject, permission: Permission) -> tuple[str, tuple[str, ...], Permission]:
    return subject.user, subject.groups, permission


def _review(subject: Subject, permission: Permission) -> dict[str, Any]:
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
    """Whether the answer says yes, in so many words."""
    if not isinstance(review, dict) or not isinstance(review.get("status"), dict):
        raise ValueError("not a SubjectAccessReview")
    status = review["status"]
    return status.get("allowed") is True and not status.get("denied")
