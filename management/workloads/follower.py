"""Follow the workloads of a scope: lists and watches that keep rows up to date.

One task follows each collection. Together they are at most MAX_WATCHES: the rest of a larger scope
is read again from time to time instead of watched.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

from management.backoff import Backoff
from management.caller_client.client import CallerClient
from management.caller_client.errors import CallerRequestError, RequestRefused
from management.workloads.places import Gap, Place, Scope
from management.workloads.reader import (
    MAX_OBJECTS,
    MAX_ROWS,
    gaps_of,
    is_forbidden,
    read_place,
    selected,
    too_many,
)
from management.workloads.rows import Row, shown

MAX_WATCHES = 24
"""Watches of one stream. The cluster serves each, and each takes a connection."""

READ_AGAIN_SECONDS = 30.0
"""Interval of reading what is not watched: collections beyond MAX_WATCHES, and gaps."""

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0


class Follower:
    """The current rows of a scope. ``changed`` is set after each change; its reader clears it.

    ``ended`` is the error that ended it: that the credential is no longer valid. ``failures`` are
    those of collections that are tried again soon, and ``defect`` is an unexpected error. ``ready``
    is set when each collection has been read once, or could not be.
    """

    def __init__(self, client: CallerClient, scope: Scope) -> None:
        self._client = client
        self._scope = scope
        self._rows: dict[Place, dict[str, Row]] = {}
        self._gaps: dict[Place, list[Gap]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._unread: set[Place] = set()
        self._watches = 0
        # Lists are read one after the other: the caller may have few requests at a time.
        self._reading = asyncio.Lock()
        self.changed = asyncio.Event()
        self.ready = asyncio.Event()
        self.ended: CallerRequestError | None = None
        self.failures: dict[Place, CallerRequestError] = {}
        self.defect: BaseException | None = None

    @property
    def rows(self) -> list[Row]:
        """Return the rows of the scope.

        A namespace may be followed by itself and, later, with the whole cluster.
        """
        found = {uid: row for held in self._rows.values() for uid, row in held.items()}
        return [row for row in found.values() if self._scope.includes(row)]

    @property
    def gaps(self) -> list[Gap]:
        """Return what cannot be read."""
        return [gap for gaps in self._gaps.values() for gap in gaps]

    def start(self) -> None:
        """Begin to follow each collection of the scope."""
        for kind in self._scope.kinds:
            for place in self._scope.first(kind):
                self._follow(place)
        if not self._unread:
            self.ready.set()

    async def close(self) -> None:
        """End all tasks."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _follow(self, place: Place) -> None:
        if place in self._rows:
            return
        self._rows[place] = {}
        self._unread.add(place)
        task = asyncio.ensure_future(self._keep(place))
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        """Report a defect: the list would be out of date without a word."""
        self._tasks.discard(task)
        if not task.cancelled() and (defect := task.exception()) is not None:
            self.defect = defect
            self.changed.set()
            self.ready.set()

    async def _keep(self, place: Place) -> None:
        """Keep the rows of one collection up to date until cancelled."""
        backoff = Backoff(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
        while True:
            try:
                pause = await self._read_and_watch(place)
                backoff.reset()
            except CallerRequestError as exc:
                pause = self._failed(place, exc, backoff)
            self._note_read(place)
            if self.ended is not None:
                return
            await asyncio.sleep(pause)

    async def _read_and_watch(self, place: Place) -> float:
        """Read a collection, and watch it until it must be read again. Return a pause before."""
        async with self._reading:
            left = max(0, MAX_ROWS - self._held() + len(self._rows[place]))
            reading = await read_place(self._client, place, self._scope.selector)
            complete = reading.complete and len(reading.rows) <= left
            self._rows[place] = {row["uid"]: row for row in reading.rows[:left]}
        self.failures.pop(place, None)
        self._gaps[place] = [] if complete else [too_many(place)]
        self.changed.set()
        self._note_read(place)
        if self._watches >= MAX_WATCHES or not complete:
            return READ_AGAIN_SECONDS
        self._watches += 1
        try:
            await self._watch(place, reading.version)
        finally:
            self._watches -= 1
        return FIRST_PAUSE_SECONDS

    async def _watch(self, place: Place, version: str) -> None:
        """Apply events, until the cluster has forgotten the version. Raises CallerRequestError."""
        rows = self._rows[place]
        path, query = place.kind.path(place.namespace), selected(self._scope.selector)
        while True:
            began = time.monotonic()
            try:
                async with aclosing(self._client.watch(path, version, query)) as events:
                    async for event in events:
                        version = event.item["metadata"].get("resourceVersion") or version
                        if event.kind != "BOOKMARK":
                            self._apply(rows, place, event.kind, event.item)
                        if len(rows) > MAX_OBJECTS or self._held() > MAX_ROWS:
                            return
            except RequestRefused as exc:
                if exc.status in {410, 500}:
                    return
                raise
            # The cluster ends a watch after some minutes. The gate ends it when an access ends.
            if time.monotonic() - began < FIRST_PAUSE_SECONDS:
                await asyncio.sleep(FIRST_PAUSE_SECONDS)

    def _apply(self, rows: dict[str, Row], place: Place, kind: str, manifest: Row) -> None:
        row = shown(place.kind, manifest)
        uid = str(manifest["metadata"].get("uid") or "")
        if kind == "DELETED" or row is None:
            if rows.pop(uid, None) is None:
                return
        elif rows.get(uid) == row:
            return
        else:
            rows[uid] = row
        self.changed.set()

    def _failed(self, place: Place, error: CallerRequestError, backoff: Backoff) -> float:
        """Note that a collection cannot be read. Return the pause before it is tried again."""
        if isinstance(error, RequestRefused) and error.ends_access:
            self.ended = error
            self.changed.set()
            return 0.0
        instead = self._scope.instead(place) if is_forbidden(error) else []
        try:
            gaps = gaps_of(self._scope, place, error, instead)
        except CallerRequestError:
            # It concerns more than this collection, and may be over soon: the rows stay.
            self.failures[place] = error
            return max(backoff.pause(), float(getattr(error, "retry_after", 0)))
        for one in instead:
            self._follow(one)
        if gaps != self._gaps.get(place) or self._rows[place]:
            self._gaps[place], self._rows[place] = gaps, {}
            self.changed.set()
        return READ_AGAIN_SECONDS

    def _held(self) -> int:
        """Return how many rows are held, also for namespaces that are not wanted."""
        return sum(map(len, self._rows.values()))

    def _note_read(self, place: Place) -> None:
        self._unread.discard(place)
        if not self._unread:
            self.ready.set()


@asynccontextmanager
async def following(client: CallerClient, scope: Scope) -> AsyncIterator[Follower]:
    """Follow a scope while the context lasts."""
    follower = Follower(client, scope)
    follower.start()
    try:
        yield follower
    finally:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.shield(asyncio.ensure_future(follower.close()))
