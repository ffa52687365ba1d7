"""Watch a document: server-sent events (WHATWG HTML §9.2) with the whole of it when it differs.

A document is the JSON response of an endpoint that names the changes which concern it, or one page
of a list. Like the stream of a list, the stream is level-triggered and never contains what the
plain response would not.
"""

from collections.abc import Awaitable, Callable
from functools import partial

from aiohttp import web

from management.api.access_requirements import Requirement
from management.api.change_batches import ALWAYS, batches
from management.api.services import services_of
from management.api.watch import new_stream, open_streams, revalidate, send_event
from management.http.problem import ApiProblem
from store.errors import StoreError
from store.records import Change

PAUSE_SECONDS = 0.5
"""How long changes are collected. Longer than for lists: a document may sum up the whole store."""

REFRESH_SECONDS = 10.0
"""Interval of reading without a change, for parts that the store does not announce."""

Produce = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def watch_document(
    produce: Produce, kinds: frozenset[str], requirement: Requirement, request: web.Request
) -> web.StreamResponse:
    """Stream what ``produce`` responds until the client disconnects or the access ends.

    Raises:
        ApiProblem: before the stream begins, as ``produce`` does.
    """

    def concerns(change: Change) -> bool:
        return change.kind in kinds | ALWAYS

    async with services_of(request).store.changes.subscribe() as changes:
        sent = await _body(produce, request)
        response = new_stream(request)
        await response.prepare(request)
        await send_state(response, sent)
        async for _ in batches(
            changes,
            concerns,
            pause_seconds=PAUSE_SECONDS,
            idle_seconds=REFRESH_SECONDS,
            streams=partial(open_streams, request),
        ):
            try:
                await revalidate(request, requirement)
                body = await _body(produce, request)
            except ApiProblem as problem:
                await send_event(response, "ended", {"reason": problem.detail})
                break
            except StoreError:
                continue  # When the store is back, it announces that anything may have changed.
            if body == sent:
                await response.write(b": keep-alive\n\n")
            else:
                await send_state(response, body)
                sent = body
    return response


async def _body(produce: Produce, request: web.Request) -> bytes:
    """Return the JSON document of a response, which has no line break."""
    response = await produce(request)
    assert isinstance(response, web.Response)
    return response.body if isinstance(response.body, bytes) else b"{}"


async def send_state(response: web.StreamResponse, body: bytes) -> None:
    """Send the whole document: JSON without a line break."""
    await response.write(b"event: state\ndata: " + body + b"\n\n")
