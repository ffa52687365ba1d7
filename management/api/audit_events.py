"""Audit events as the API shows them, on pages and in streams.

A stream polls: a notification for each batch of events would wake every replica every second.
"""

import asyncio
import time
from collections.abc import Sequence
from datetime import timedelta

from aiohttp import web

from management.api.access_requirements import AnyUser
from management.api.audit_scope import (
    Item,
    audit_scope,
    event_json,
    visible_part,
    with_tokens,
)
from management.api.authentication import caller_of
from management.api.services import Services, services_of
from management.api.watch import HEARTBEAT_SECONDS, new_stream, revalidate, send_event
from management.backoff import Backoff
from management.http.problem import ApiProblem
from management.identity.sealed_state import SealedState
from store.audit_records import AuditEvent, AuditFilter, AuditScope
from store.errors import StoreError

POLL_SECONDS = 1.0
"""The interval in which a stream looks for new events."""

LONGEST_PAUSE_SECONDS = 15.0
"""The longest interval while the store is away."""

STREAM_BATCH = 200
"""Events that a stream reads together."""

POSITIONS_LIVE = timedelta(days=1)
"""How long a position can be used. Positions are encrypted: their numbers would count the events of
others."""


class StreamPosition(SealedState):
    """The position of an event in a stream."""

    purpose_name = "audit stream"

    seq: int


def scope_of(request: web.Request, wanted: AuditFilter | None = None) -> AuditScope:
    """Return what the caller may see now, of what a search is about."""
    caller = caller_of(request)
    scope = audit_scope(caller.user.id, caller.access)
    return scope if wanted is None or wanted.token is None else with_tokens(scope)


async def shown(services: Services, scope: AuditScope, events: Sequence[AuditEvent]) -> list[Item]:
    """Return events as the API shows them, with the names of users who signed in."""
    ids = sorted({one.user_id for one in events if one.user_id and not one.username})
    users = await services.store.users.get_many(ids) if ids else ()
    usernames = {one.id: one.username for one in users}
    return [event_json(visible_part(one, scope), usernames) for one in events]


async def stream_events(request: web.Request, wanted: AuditFilter) -> web.StreamResponse:
    """Send events as they are stored, until the client disconnects or the access ends."""
    for name in ("limit", "continue", "until"):
        if name in request.query:
            raise ApiProblem(422, f"watch: a stream has no pages and no end: leave {name} out")
    seq = await _first_position(request, wanted)
    response = new_stream(request)
    await response.prepare(request)
    try:
        await _Stream(request, response, wanted, seq).run()
    except ApiProblem as problem:
        await send_event(response, "ended", {"reason": problem.detail})
    return response


class _Stream:
    """A running stream. ``seq`` is the position of the last event that was looked at."""

    def __init__(
        self, request: web.Request, response: web.StreamResponse, wanted: AuditFilter, seq: int
    ) -> None:
        self._request = request
        self._response = response
        self._wanted = wanted
        self._seq = seq
        self._sent_at = time.monotonic()

    async def run(self) -> None:
        """Send new events. Raises ApiProblem when the access has ended."""
        await self._send_position()
        backoff = Backoff(POLL_SECONDS, LONGEST_PAUSE_SECONDS)
        while True:
            try:
                await revalidate(self._request, AnyUser())
                more = await self._send_new()
            except StoreError:
                await asyncio.sleep(backoff.pause())
                continue
            backoff.reset()
            if time.monotonic() - self._sent_at > HEARTBEAT_SECONDS:
                await self._send_position()
            if not more:
                await asyncio.sleep(POLL_SECONDS)

    async def _send_new(self) -> bool:
        """Send the next events. Return whether there may be more."""
        services = services_of(self._request)
        scope = scope_of(self._request, self._wanted)
        tail = await services.store.audit.tail(
            scope, self._wanted, limit=STREAM_BATCH, seq=self._seq
        )
        items = await shown(services, scope, tail.events)
        for event, item in zip(tail.events, items, strict=True):
            await send_event(self._response, "added", item, self._sealed(event.seq))
            self._sent_at = time.monotonic()
        self._seq = tail.seq
        return len(items) == STREAM_BATCH

    async def _send_position(self) -> None:
        """Send the position without an event, so that no proxy times out an idle stream."""
        await self._response.write(f"id: {self._sealed(self._seq)}\n\n".encode())
        self._sent_at = time.monotonic()

    def _sealed(self, seq: int) -> str:
        cipher = services_of(self._request).cipher
        return cipher.encrypt(StreamPosition(seq=seq), POSITIONS_LIVE)


async def _first_position(request: web.Request, wanted: AuditFilter) -> int:
    """Return where a stream begins: after Last-Event-ID, with ``since``, or now.

    Raises:
        ApiProblem: 422 for an invalid Last-Event-ID.
    """
    services = services_of(request)
    text = request.headers.get("Last-Event-ID")
    if text is not None:
        position = services.cipher.decrypt(StreamPosition, text)
        if position is None:
            raise ApiProblem(422, "Last-Event-ID is not valid, or too old: begin a new stream")
        return position.data.seq
    if wanted.since is not None:
        return 0
    scope = scope_of(request, wanted)
    return (await services.store.audit.tail(scope, wanted, limit=1, seq=None)).seq
