"""Watch a list: server-sent events (WHATWG HTML §9.2) of the items and their changes.

The stream is level-triggered: after a change in the store the list is collected again with the
caller's current access, and the differences to the last one are sent. So the stream never contains
what the plain list would not, and an item that the caller may no longer see is sent as deleted.
"""

import asyncio
import json
from dataclasses import replace
from functools import partial
from typing import Any
from weakref import WeakSet

from aiohttp import web

from management.api.access_requirements import Requirement
from management.api.authentication import CALLER, caller_of
from management.api.change_batches import ALWAYS, batches
from management.api.listing import Item, Listing, check_parameters, select
from management.api.services import services_of
from management.http.problem import ApiProblem
from store.errors import StoreError
from store.pieces import in_pieces

STREAMS = web.AppKey("streams", WeakSet[asyncio.Task[Any]])
"""The running streams; they end with the application."""

DEBOUNCE_SECONDS = 0.1
"""How long changes are collected before the list is read again."""

HEARTBEAT_SECONDS = 20.0
"""Interval of comments on an idle stream, so that no proxy times out."""


async def watch_response(
    listing: Listing, requirement: Requirement, request: web.Request
) -> web.StreamResponse:
    """Stream the list until the client disconnects or the access ends.

    Raises:
        ApiProblem: before the stream begins, for invalid parameters.
    """
    check_parameters(listing, request.query)
    if "continue" in request.query:
        raise ApiProblem(422, "watch: to watch a page, give limit with continue")
    items = select(listing, await listing.collect(request), request.query)
    response = new_stream(request)
    async with services_of(request).store.changes.subscribe() as changes:
        await response.prepare(request)
        known: dict[str, Item] = {}
        await send_changes(response, known, listing, items)
        await send_event(response, "synced", {"items": len(known)})
        async for changed in batches(
            changes,
            lambda change: change.kind in ALWAYS or listing.concerned_by(change, request),
            pause_seconds=DEBOUNCE_SECONDS,
            idle_seconds=HEARTBEAT_SECONDS,
            streams=partial(open_streams, request),
        ):
            if not changed:
                await response.write(b": keep-alive\n\n")
                continue
            try:
                items = await _items(listing, requirement, request, known)
            except ApiProblem as problem:
                await send_event(response, "ended", {"reason": problem.detail})
                break
            except StoreError:
                continue  # When the store is back, it announces that anything may have changed.
            await send_changes(response, known, listing, items)
    return response


async def _items(
    listing: Listing, requirement: Requirement, request: web.Request, known: dict[str, Item]
) -> list[Item]:
    """Return the items as the caller may see them now. Raises ApiProblem and StoreError.

    The access is read before the list. An order that becomes a cluster in between, together with
    the access to it, is missing in the list. So what is missing must be missing twice.
    """
    items: list[Item] = []
    for _ in range(2):
        await revalidate(request, requirement)
        items = select(listing, await listing.collect(request), request.query)
        if known.keys() <= {str(one[listing.key]) for one in items}:
            break
    return items


def new_stream(request: web.Request) -> web.StreamResponse:
    """Return a response for events, which ends with the application."""
    response = web.StreamResponse(
        headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
    )
    response.headers["X-Accel-Buffering"] = "no"
    task = asyncio.current_task()
    if task is not None:
        request.config_dict[STREAMS].add(task)
    return response


def open_streams(request: web.Request) -> int:
    """Return how many streams are open in this process."""
    return len(request.config_dict[STREAMS])


async def end_streams(app: web.Application) -> None:
    """End every stream when the application stops."""
    streams: WeakSet[asyncio.Task[Any]] = app[STREAMS]
    for task in list(streams):
        task.cancel()


async def revalidate(request: web.Request, requirement: Requirement) -> None:
    """Check again that the caller may see this list. Raises ApiProblem."""
    caller = caller_of(request)
    authenticated = await services_of(request).authenticator.revalidate(caller.authenticated)
    if authenticated is None:
        raise ApiProblem(401, "the credential is expired or revoked: sign in again")
    request[CALLER] = replace(caller, authenticated=authenticated)
    await requirement.check(request)


async def send_changes(
    response: web.StreamResponse, known: dict[str, Item], listing: Listing, items: list[Item]
) -> None:
    """Send the differences between ``items`` and ``known``, and update ``known``."""
    now = {str(one[listing.key]): one for one in items}
    async for key, item in in_pieces(now.items()):
        if key not in known:
            await send_event(response, "added", item)
        elif known[key] != item:
            await send_event(response, "modified", item)
    for key in known.keys() - now.keys():
        await send_event(response, "deleted", known[key])
    known.clear()
    known.update(now)


async def send_event(
    response: web.StreamResponse, event: str, data: Item, event_id: str = ""
) -> None:
    """Send an event. A client that reconnects sends the last ``event_id`` in Last-Event-ID."""
    line = f"id: {event_id}\n" if event_id else ""
    await response.write(f"{line}event: {event}\ndata: {json.dumps(data)}\n\n".encode())
