"""Read the workloads that a caller may see, and say which ones could not be read."""

import asyncio
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass, field

from management.caller_client.client import CallerClient
from management.caller_client.errors import CallerRequestError, RequestRefused, TooMuch
from management.kubernetes.list_watch import ListPage
from management.workloads.bare_pods import read_bare_pods
from management.workloads.kinds import POD, WorkloadKind
from management.workloads.places import Gap, Place, Scope
from management.workloads.rows import Row, shown

MAX_OBJECTS = 5_000
"""Objects of one kind that are read: 50 MB of pods. A namespace or a label narrows the request."""

MAX_ROWS = 10_000
"""Rows of one list: about 20 MB."""

NARROW = "choose a namespace, a kind, or a label"


@dataclass(slots=True)
class Collected:
    """The rows that were read, and what could not be."""

    rows: list[Row] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Reading:
    """The rows of one collection, and the version from which to watch it.

    ``scanned`` is the number of its objects. ``complete``: there are no more of them.
    """

    rows: list[Row]
    version: str
    scanned: int
    complete: bool


async def collect(client: CallerClient, scope: Scope) -> Collected:
    """Return the rows of a scope.

    A kind that the caller may not read, or that the cluster does not have, does not hide the
    others: it is a gap.

    Raises:
        CallerRequestError: the gate or the cluster does not respond, or the credential has ended.
    """
    readings = [_collect_kind(client, scope, kind) for kind in scope.kinds]
    outcomes = await asyncio.gather(*readings, return_exceptions=True)
    found = Collected()
    for kind, outcome in zip(scope.kinds, outcomes, strict=True):
        if isinstance(outcome, RequestRefused) and outcome.is_over_limit:
            # The caller may send few requests at a time: now one after the other.
            outcome = await _collect_kind(client, scope, kind)
        if isinstance(outcome, BaseException):
            raise outcome
        rows = [row for row in outcome.rows if scope.includes(row)]
        fitting = rows[: MAX_ROWS - len(found.rows)]
        found.rows += fitting
        found.gaps += outcome.gaps
        if len(fitting) < len(rows):
            found.gaps.append(Gap(Place(kind), "TooMany", f"too many workloads: {NARROW}"))
    return found


async def _collect_kind(client: CallerClient, scope: Scope, kind: WorkloadKind) -> Collected:
    found = Collected()
    left = MAX_OBJECTS
    places = scope.first(kind)
    while places:
        place = places.pop(0)
        try:
            reading = await read_place(client, place, scope.selector, left)
        except CallerRequestError as exc:
            instead = scope.instead(place) if is_forbidden(exc) else []
            found.gaps += gaps_of(scope, place, exc, instead)
            places += instead
            continue
        found.rows += reading.rows
        left -= reading.scanned
        if not reading.complete:
            found.gaps.append(too_many(place))
            break
    return found


async def read_place(
    client: CallerClient, place: Place, selector: str | None, most: int = MAX_OBJECTS
) -> Reading:
    """Return the rows of at most ``most`` objects of a collection.

    A list that the cluster has forgotten half-way is read once more. Most pods belong to another
    workload, so they are not read as a whole.
    """
    try:
        return await _read(client, place, selector, most)
    except RequestRefused as exc:
        if exc.status != 410:
            raise
    return await _read(client, place, selector, most)


async def _read(client: CallerClient, place: Place, selector: str | None, most: int) -> Reading:
    if place.kind is POD:
        pods = await read_bare_pods(client, place.namespace, selected(selector), most)
        if pods is not None:
            return Reading(pods.rows, pods.version, pods.scanned, pods.complete)
    rows: list[Row] = []
    scanned = 0
    async with aclosing(
        client.pages(place.kind.path(place.namespace), selected(selector))
    ) as pages:
        async for page in pages:
            scanned += len(page.items) + page.left_out
            rows += rows_of(place.kind, page)
            if scanned > most or (page.following and scanned >= most):
                return Reading(rows, page.version, scanned, complete=False)
            if not page.following:
                return Reading(rows, page.version, scanned, complete=True)
    raise AssertionError("a list ends with a page that nothing follows")


def selected(selector: str | None) -> Mapping[str, str]:
    """Return the query for a label selector."""
    return {"labelSelector": selector} if selector else {}


def rows_of(kind: WorkloadKind, page: ListPage) -> list[Row]:
    """Return the rows of the workloads in a page."""
    return [row for row in (shown(kind, one) for one in page.items) if row is not None]


def gaps_of(
    scope: Scope, place: Place, error: CallerRequestError, instead: list[Place]
) -> list[Gap]:
    """Return the gaps for a collection that was not read, if ``instead`` is read instead of it.

    Re-raises ``error`` if it does not concern this collection alone.
    """
    if instead:
        left_out = scope.left_out()
        message = f"{left_out} namespaces are not shown: choose one"
        return [Gap(place, "TooMany", message)] if left_out else []
    if isinstance(error, TooMuch):
        return [Gap(place, "TooMany", f"{error}: {NARROW}")]
    if isinstance(error, RequestRefused) and error.status in {403, 404}:
        return [Gap(place, "Forbidden" if error.status == 403 else "NotFound", str(error))]
    raise error


def too_many(place: Place) -> Gap:
    """Return the gap for a collection of which only the first objects were read."""
    message = f"there are more than {MAX_OBJECTS} objects, and only the first are shown: {NARROW}"
    return Gap(place, "TooMany", message)


def is_forbidden(error: CallerRequestError) -> bool:
    """Return whether the caller may not do what was requested."""
    return isinstance(error, RequestRefused) and error.status == 403
