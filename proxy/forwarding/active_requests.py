"""Active requests, and their end when the right to them ends.

A watch, a followed log or an exec may run for hours. When its token is revoked or expires, its user
is disabled, or a grant is removed, the request ends as soon as the store reports the change.
Running requests end when the permission ends.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from config.loggers import get_logger
from management.authentication.authenticated_token import AuthenticatedToken, concerns
from management.authentication.token_authenticator import TokenAuthenticator
from proxy.auth.authorizer import authorize_cluster, authorize_token_scope
from proxy.forwarding.endings import rights_changed, server_stops, token_ended
from proxy.request.context import RequestContext
from proxy.request.request_info import CONNECT
from proxy.response.status import StatusError
from store.changes import follow
from store.errors import StoreUnavailable
from store.interfaces import Store
from store.records import Change

EXPIRY_SECONDS = 2.0
"""Interval between two searches for active requests whose token has expired."""

_LOG = get_logger(__name__)


class Cancellable(Protocol):
    """An active request."""

    context: RequestContext
    token: AuthenticatedToken

    def refuse(self, error: StatusError) -> bool:
        """Respond with ``error`` instead of the cluster. Return False if a response has begun."""

    def end(self) -> None:
        """End a request whose response has begun: cleanly if possible."""


@dataclass(slots=True, eq=False)
class ActiveRequest:
    """An active request whose ``refuse`` and ``end`` are callables."""

    context: RequestContext
    token: AuthenticatedToken
    refuse: Callable[[StatusError], bool]
    end: Callable[[], None]


class ActiveRequests:
    """Every active request. Run :meth:`follow_changes` and :meth:`end_expired` beside it."""

    def __init__(self, store: Store, authenticator: TokenAuthenticator) -> None:
        self._store = store
        self._authenticator = authenticator
        self._active: set[Cancellable] = set()
        self._rechecks: set[asyncio.Task[None]] = set()
        self.generation = 0
        """Number of changes in the store so far."""

    def __len__(self) -> int:
        return len(self._active)

    def begin(self, request: Cancellable, generation: int) -> None:
        """Add a request whose authorization began at ``generation``.

        If the store has changed since then (authorization may wait for the cluster), the request is
        checked again.
        """
        self._active.add(request)
        if generation != self.generation:
            task = asyncio.create_task(self._recheck([request]))
            self._rechecks.add(task)
            task.add_done_callback(self._rechecks.discard)

    def finish(self, request: Cancellable) -> None:
        """Remove a request that has ended."""
        self._active.discard(request)

    async def follow_changes(self) -> None:
        """End the requests that changes in the store forbid, until cancelled."""
        await follow(self._store.changes, self._apply)

    async def _apply(self, change: Change) -> None:
        self.generation += 1
        await self._recheck(self._concerned(change))

    async def end_expired(self) -> None:
        """End the requests whose token has expired, until cancelled."""
        while True:
            await asyncio.sleep(EXPIRY_SECONDS)
            now = time.time()
            for request in [one for one in self._active if one.token.expires_at <= now]:
                self._end(request, token_ended(request.context, "the token has ended"))

    def refuse_waiting(self) -> None:
        """Respond to the requests that the cluster has not responded to: the server stops."""
        for request in list(self._active):
            request.refuse(server_stops(request.context))

    def _concerned(self, change: Change) -> list[Cancellable]:
        if change.kind == "all" or change.key is None:
            return list(self._active)
        return [request for request in self._active if concerns(change, request.token)]

    async def _recheck(self, requests: Iterable[Cancellable]) -> None:
        """Revalidate each token once. Requests continue if the store is unavailable."""
        by_token: dict[str, list[Cancellable]] = defaultdict(list)
        for request in requests:
            by_token[request.token.token.name].append(request)
        for group in by_token.values():
            try:
                now = await self._authenticator.revalidate(group[0].token)
            except StoreUnavailable as exc:
                # New requests are rejected meanwhile. The store reports "all" when it is back.
                _LOG.warning("active requests not checked", error=str(exc))
                return
            for request in group:
                if request in self._active and (error := _reason_to_end(request, now)) is not None:
                    self._end(request, error)

    def _end(self, request: Cancellable, error: StatusError) -> None:
        self._active.discard(request)
        request.context.reason = error.note or error.message
        if not request.refuse(error):
            request.end()


def _rights(token: AuthenticatedToken, cluster_id: str) -> object:
    """Return what decides about the caller's rights in a cluster, for comparison."""
    return token.access.fingerprint(cluster_id), token.namespaces.get(cluster_id)


def _reason_to_end(request: Cancellable, now: AuthenticatedToken | None) -> StatusError | None:
    """Return why an active request may not continue, or None."""
    context, before = request.context, request.token
    if now is None:
        return token_ended(context, "the token was revoked, or its user disabled")
    cluster_id = context.cluster_id
    if now.identity != before.identity or _rights(now, cluster_id) != _rights(before, cluster_id):
        # The cluster authorized an identity that is no longer the caller's: a new request must.
        return rights_changed(context)
    try:
        authorize_cluster(now, cluster_id, context.cluster)
        upgrade = context.info.verb == CONNECT
        authorize_token_scope(now, cluster_id, context.method, context.target, upgrade=upgrade)
    except StatusError as error:
        return error
    return None
