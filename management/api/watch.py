"""Lists that go on: server-sent events (WHATWG HTML §9.2) of what there is and what changes.

Level-triggered: after a change in the store the list is made again, as the caller may see it then,
and told where it differs from what was told before. So nothing is told that a plain list wouldn't
show, and what is no longer the caller's to see is told as gone.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from weakref import WeakSet

from aiohttp import web

from management.api.listing import Item, Listing, check_parameters, select
from management.api.requirements import Requirement
from management.authentication import CALLER, caller_of
from management.problems import Problem
from management.services import services_of
from store.interfaces import Change, StoreError

STREAMS = web.AppKey("streams", WeakSet[asyncio.Task[Any]])
"""The streams that run, to be ended with the application."""

SETTLE_SECONDS = 0.1
"""How long changes are gathered before the list is made again."""

HEARTBEAT_SECONDS = 20.0
"""How often something is sent where nothing changes, so that nobody on the way gives up."""


async def watch_response(
    listing: Listing, who: Requirement, request: web.Request
) -> web.StreamResponse:
    """Stream the list until the client goes, or the right to it ends. Raises Problem before."""
    check_parameters(listing, request.query)
    if "limit" in request.query or "continue" in request.query:
        raise Problem(422, "watch: a stream has no pages; leave limit and continue out")
    items = select(listing, await listing.collect(request), request.query)
    response = web.StreamResponse(
        headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
    )
    response.headers["X-Accel-Buffering"] = "no"
    task = asyncio.current_task()
    if task is not None:
        request.config_dict[STREAMS].add(task)
    async with services_of(request).store.changes.subscribe() as changes:
        await response.prepare(request)
        known: dict[str, Item] = {}
        await _tell(response, known, listing, items)
        await _send(response, "synced", {"items": len(known)})
        async for changed in _gathered(changes, listing):
            if not changed:
                await response.write(b": still here\n\n")
                continue
            try:
                await _renew(request, who)
                items = select(listing, await listing.collect(request), request.query)
            except Problem as problem:
                await _send(response, "ended", {"reason": problem.detail})
                break
            except StoreError:
                continue  # When the store is back, it says that anything may have changed.
            await _tell(response, known, listing, items)
    return response


async def end_streams(app: web.Application) -> None:
    """End every stream: the application stops."""
    streams: WeakSet[asyncio.Task[Any]] = app[STREAMS]
    for task in list(streams):
        task.cancel()


async def _renew(request: web.Request, who: Requirement) -> None:
    """Ask again whether the caller may see this, and as whom. Raises Problem."""
    caller = caller_of(request)
    resolved = await services_of(request).resolver.again(caller.resolved)
    if resolved is None:
        raise Problem(401, "the credential has ended, or was revoked")
    request[CALLER] = replace(caller, resolved=resolved)
    await who.check(request)


async def _gathered(changes: AsyncIterator[Change], listing: Listing) -> AsyncIterator[bool]:
    """True when the list may have changed; False when nothing has for a while."""
    waiting: asyncio.Future[Change] | None = None
    try:
        while True:
            waiting = waiting or asyncio.ensure_future(anext(changes))
            done, _ = await asyncio.wait({waiting}, timeout=HEARTBEAT_SECONDS)
            if not done:
                yield False
                continue
            change, waiting = waiting.result(), None
            # Whoever calls may have changed in any case: a token that was revoked ends the stream.
            if change.kind in listing.kinds | {"all", "token", "provider"}:
                await asyncio.sleep(SETTLE_SECONDS)
                yield True
    finally:
        if waiting is not None:
            waiting.cancel()


async def _tell(
    response: web.StreamResponse, known: dict[str, Item], listing: Listing, items: list[Item]
) -> None:
    """Tell what differs from what is known, and know it."""
    now = {str(one[listing.key]): one for one in items}
    for key, item in now.items():
        if key not in known:
            await _send(response, "added", item)
        elif known[key] != item:
            await _send(response, "modified", item)
    for key in known.keys() - now.keys():
        await _send(response, "deleted", known[key])
    known.clear()
    known.update(now)


async def _send(response: web.StreamResponse, event: str, data: Item) -> None:
    await response.write(f"event: {event}\ndata: {json.dumps(data)}\n\n".encode())
