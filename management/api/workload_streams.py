"""Stream a list of workloads: its items and their changes, or a page of it.

The store announces no changes in clusters, so the list is followed in the cluster, in the caller's
name. As for all lists, the stream never contains what the plain list would not.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from management.api.access_requirements import Requirement, cluster_of
from management.api.caller_requests import caller_client, problem_of, while_client_stays
from management.api.change_batches import ALWAYS
from management.api.document_watch import send_state
from management.api.listing import Item, Listing, check_parameters, page, select
from management.api.services import services_of
from management.api.watch import (
    HEARTBEAT_SECONDS,
    new_stream,
    revalidate,
    send_changes,
    send_event,
)
from management.api.workload_requests import KnownProjects, known_projects, scope_of
from management.http.problem import ApiProblem
from management.workloads.follower import Follower, following
from management.workloads.places import gaps_json
from store.errors import StoreError
from store.records import Change

DEBOUNCE_SECONDS = 0.25
"""How long changes are collected before they are sent: a roll-out changes many pods at once."""

KINDS = ALWAYS | {"access", "cluster", "group", "project", "role", "user"}
"""Changes in the store after which the caller's access is checked again."""


async def stream_workloads(
    listing: Listing, requirement: Requirement, request: web.Request
) -> web.StreamResponse:
    """Stream until the client disconnects or the access ends.

    Raises:
        ApiProblem: before the stream begins.
    """
    check_parameters(listing, request.query)
    if "continue" in request.query and "limit" not in request.query:
        raise ApiProblem(422, "watch: to watch a page, give limit with continue")
    return await while_client_stays(request, _stream(listing, requirement, request))


async def _stream(
    listing: Listing, requirement: Requirement, request: web.Request
) -> web.StreamResponse:
    projects = await known_projects(request)
    scope = scope_of(request, projects)
    async with (
        _access_changes(request) as access_changed,
        caller_client(request, cluster_of(request).name) as client,
        following(client, scope) as follower,
    ):
        await follower.ready.wait()
        _check(follower)
        output = _Output(listing, request, follower, projects)
        output.items()  # Raises ApiProblem for an invalid parameter.
        response = new_stream(request)
        await response.prepare(request)
        await output.begin(response)
        while True:
            await _wait(follower.changed, access_changed)
            follower.changed.clear()
            try:
                if access_changed.is_set():
                    access_changed.clear()
                    await revalidate(request, requirement)
                    output.projects = await known_projects(request)
                _check(follower, begun=True)
                await output.update(response)
            except ApiProblem as problem:
                await send_event(response, "ended", {"reason": problem.detail})
                return response
            except StoreError:
                continue  # When the store is back, it announces that anything may have changed.


class _Output:
    """What was sent of a followed list, as a page or as items."""

    def __init__(
        self, listing: Listing, request: web.Request, follower: Follower, projects: KnownProjects
    ) -> None:
        self._listing = listing
        self._request = request
        self._follower = follower
        self.projects = projects
        self._is_page = "limit" in request.query
        self._known: dict[str, Item] = {}
        self._gaps: list[Item] = []
        self._sent = b""

    def items(self) -> list[Item]:
        """Return the items of the list. Raises ApiProblem with 422."""
        return select(self._listing, self.projects.named(self._follower.rows), self._request.query)

    async def begin(self, response: web.StreamResponse) -> None:
        """Send the present state."""
        self._gaps = gaps_json(self._follower.gaps)
        await self.update(response)
        if not self._is_page:
            await send_event(
                response, "synced", {"items": len(self._known), "incomplete": self._gaps}
            )

    async def update(self, response: web.StreamResponse) -> None:
        """Send what has changed, or that nothing has.

        Raises:
            ApiProblem: other parts than before can be read, which items do not show.
        """
        gaps = gaps_json(self._follower.gaps)
        if self._is_page:
            document = {
                **page(self._listing, self.items(), self._request.query),
                "incomplete": gaps,
            }
            body = json.dumps(document).encode()
            if body != self._sent:
                self._sent = body
                await send_state(response, body)
                return
        else:
            if gaps != self._gaps:
                raise ApiProblem(409, "other parts of the cluster can be read now: read again")
            await send_changes(response, self._known, self._listing, self.items())
        await response.write(b": keep-alive\n\n")


def _check(follower: Follower, *, begun: bool = False) -> None:
    """Raise ApiProblem if the list cannot be followed. ``begun``: failures are tried again."""
    if follower.defect is not None:
        raise follower.defect
    if follower.ended is not None:
        raise problem_of(follower.ended)
    if follower.failures and not begun:
        raise problem_of(next(iter(follower.failures.values())))


async def _wait(changed: asyncio.Event, access_changed: asyncio.Event) -> None:
    """Wait for a change and what follows it shortly, or for the interval of the heartbeat."""
    waiting = [asyncio.ensure_future(one.wait()) for one in (changed, access_changed)]
    try:
        done, _ = await asyncio.wait(
            waiting, timeout=HEARTBEAT_SECONDS, return_when=asyncio.FIRST_COMPLETED
        )
    finally:
        for one in waiting:
            one.cancel()
    if done:
        await asyncio.sleep(DEBOUNCE_SECONDS)


@asynccontextmanager
async def _access_changes(request: web.Request) -> AsyncIterator[asyncio.Event]:
    """Set an event after each change in the store that concerns the caller's access."""
    changed = asyncio.Event()

    async def follow(changes: AsyncIterator[Change]) -> None:
        async for change in changes:
            if change.kind in KINDS:
                changed.set()

    async with services_of(request).store.changes.subscribe() as changes:
        task = asyncio.ensure_future(follow(changes))
        try:
            yield changed
        finally:
            task.cancel()
            await asyncio.wait([task])
