"""Requests that run, and their end when the right to them ends.

A watch, a followed log or an exec may run for hours. When its token is revoked or ends, its user is
disabled, or a grant is taken back, it is ended as soon as the store tells of the change: what may
not begin any more may not go on either.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

import structlog

from management.resolver import Resolved, TokenResolver, concerns
from proxy.access import Access
from proxy.admission import admit, allow_by_scope
from proxy.request_info import CONNECT
from proxy.status import Refusal
from store.interfaces import Change, Store, StoreUnavailable

EXPIRY_SECONDS = 2.0
"""How often requests are looked through for those whose token has ended meanwhile."""

_LOG = structlog.get_logger("sekisho.live")


class Running(Protocol):
    """A request that runs; ``end`` ends it: cleanly if it can be, but at once."""

    access: Access
    resolved: Resolved

    def end(self) -> None:
        """End it."""


@dataclass(slots=True, eq=False)
class Live:
    """A request that runs. ``end`` ends it: cleanly if it can be, but at once."""

    access: Access
    resolved: Resolved
    end: Callable[[], None]


class LiveRequests:
    """Every request that runs. Run :meth:`follow_changes` and :meth:`end_expired` beside it."""

    def __init__(self, store: Store, resolver: TokenResolver) -> None:
        self._store = store
        self._resolver = resolver
        self._live: set[Running] = set()
        self._late: set[asyncio.Task[None]] = set()
        self.generation = 0
        """Moves with every change in the store."""

    def __len__(self) -> int:
        return len(self._live)

    def add(self, live: Running) -> None:
        """A request has been let through, in the same breath that it was decided on."""
        self._live.add(live)

    def begin(self, live: Running, generation: int) -> None:
        """A request has been let through; it was decided on from ``generation`` on.

        What has changed since then (deciding may take a question to the cluster) is looked at now.
        """
        self._live.add(live)
        if generation != self.generation:
            task = asyncio.create_task(self._recheck([live]))
            self._late.add(task)
            task.add_done_callback(self._late.discard)

    def finish(self, live: Running) -> None:
        """It has ended."""
        self._live.discard(live)

    async def follow_changes(self) -> None:
        """End what changes in the store forbid, until cancelled."""
        async with self._store.changes.subscribe() as changes:
            async for change in changes:
                self.generation += 1
                await self._recheck(self._concerned(change))

    async def end_expired(self) -> None:
        """End what runs on a token that has ended, until cancelled."""
        while True:
            await asyncio.sleep(EXPIRY_SECONDS)
            now = time.time()
            for live in [one for one in self._live if one.resolved.expires_at <= now]:
                self._end(live, "the token has ended")

    def _concerned(self, change: Change) -> list[Running]:
        if change.kind == "all" or change.key is None:
            return list(self._live)
        return [live for live in self._live if concerns(change, live.resolved)]

    async def _recheck(self, concerned: Iterable[Running]) -> None:
        """Ask for each token once whether it still stands. What can't be asked goes on."""
        by_token: dict[str, list[Running]] = defaultdict(list)
        for live in concerned:
            by_token[live.resolved.token.name].append(live)
        for group in by_token.values():
            try:
                now = await self._resolver.again(group[0].resolved)
            except StoreUnavailable as exc:
                # New requests are refused meanwhile. When the store is back, it says "all".
                _LOG.warning("running requests not checked", error=str(exc))
                return
            for live in group:
                if live in self._live and (why := _forbidden(live, now)) is not None:
                    self._end(live, why)

    def _end(self, live: Running, why: str) -> None:
        self._live.discard(live)
        live.access.note = why
        live.end()


def _standing(resolved: Resolved, cluster_id: str) -> object:
    """What decides what somebody may do in a cluster."""
    return resolved.access.standing(cluster_id), resolved.namespaces.get(cluster_id)


def _forbidden(live: Running, now: Resolved | None) -> str | None:
    """Why a running request may not go on, or None."""
    if now is None:
        return "the token was revoked, or its user disabled"
    access = live.access
    was, cluster_id = live.resolved, access.cluster_id
    if now.identity != was.identity or _standing(now, cluster_id) != _standing(was, cluster_id):
        # It began as somebody who the caller isn't any more: let it begin anew, if it may.
        return "the user's groups or rights have changed"
    try:
        admit(now, cluster_id, access.cluster)
        upgrade = access.info.verb == CONNECT
        allow_by_scope(now, cluster_id, access.method, access.target, upgrade=upgrade)
    except Refusal as refusal:
        return refusal.message
    return None
