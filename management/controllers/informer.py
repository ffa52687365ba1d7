"""A collection of a cluster, kept in memory by list and watch (Kubernetes API concepts).

The state of an object comes from three sources: lists, watch events, and the responses to Sekisho's
own writes. They arrive in any order, so resource versions are compared, and deletions are
remembered for as long as an older response may still arrive.
"""

import asyncio
import operator
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from config.loggers import get_logger
from management.backoff import Backoff
from management.controllers.informer_store import InformerStore, Key, key_of
from management.controllers.timing import InformerTiming
from management.kubernetes.client import ClusterClient
from management.kubernetes.errors import (
    ApiForbidden,
    ApiNotFound,
    ClusterApiError,
    MemoryExhausted,
    ResourceExpired,
)
from management.kubernetes.list_watch import Event, ListPage
from management.kubernetes.manifests import Manifest
from management.kubernetes.memory_budget import weight_of
from management.kubernetes.validation import MalformedObject

_LOG = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Collection:
    """The collection at ``path``, and what of it to keep.

    ``selector`` and ``fields`` are label and field selectors. ``projection`` returns what is kept
    of an object; ``is_same`` returns whether two projections differ in nothing that matters. Of
    more than ``max_items`` objects, those with the highest ``rank`` are kept.
    """

    path: str
    selector: str | None = None
    fields: str | None = None
    projection: Callable[[Manifest], Any] = field(default=lambda manifest: manifest)
    is_same: Callable[[Any, Any], bool] = operator.eq
    max_items: int | None = None
    rank: Callable[[Any], Any] = field(default=lambda projection: 0)


class Informer:
    """Keeps one collection in memory.

    ``synced`` is set after the first complete list. ``absent``: the cluster does not have the API.
    ``error`` is why the collection is not up to date, or None; ``rejected``: the cluster does not
    know the token; ``out_of_memory``: Sekisho has no memory left for the cluster. ``malformed``
    counts objects of the last list that were left out. ``calls`` counts lists and watches.
    """

    def __init__(
        self,
        client: ClusterClient,
        collection: Collection,
        changed: Callable[[], None],
        timing: InformerTiming | None = None,
    ) -> None:
        self._client = client
        self._collection = collection
        self._changed = changed
        self._timing = timing or InformerTiming()
        self._store = InformerStore(collection.max_items, collection.rank)
        self.synced = asyncio.Event()
        self.absent = False
        self.error: str | None = None
        self.rejected = self.out_of_memory = False
        self.malformed = 0
        self.calls = 0

    @property
    def items(self) -> Mapping[Key, Any]:
        """Return the projections of the objects by key."""
        return self._store.items

    @property
    def path(self) -> str:
        """Return the API path of the collection."""
        return self._collection.path

    async def run(self) -> None:
        """List and watch the collection until cancelled."""
        backoff = Backoff(self._timing.first_pause, self._timing.last_pause)
        try:
            while True:
                # Pause outside: a handled exception keeps its frames, and their sockets, alive.
                if await self._is_absent(backoff):
                    await asyncio.sleep(self._timing.absent_pause)
                else:
                    await self._client.before_retry(backoff)
        finally:
            self._client.memory.leave(self)

    async def _is_absent(self, backoff: Backoff) -> bool:
        """List and watch until failure or the next list. Return whether the API is absent."""
        try:
            version = await self._list()
            await self._watch(version, backoff)
        except ResourceExpired:
            pass  # The next list contains the missed changes.
        except ApiNotFound:
            empty = InformerStore(self._collection.max_items, self._collection.rank)
            self._replace(empty, absent=True)
            self._client.memory.leave(self)
            return True
        except ClusterApiError as exc:
            self.error = str(exc)
            self.rejected = isinstance(exc, ApiForbidden) and exc.status == 401
            self.out_of_memory = isinstance(exc, MemoryExhausted)
            self._client.faults.failed += 1
        return False

    def put(self, manifest: Manifest) -> None:
        """Take the response to a write, unless a newer version is known."""
        try:
            self._store.written(manifest, *self._projected(manifest))
        except MalformedObject:
            return  # The watch leaves it out as well.

    def drop(self, manifest: Manifest) -> None:
        """Remove this version of an object after its deletion, unless a newer one is known."""
        self._store.deleted(manifest)

    async def _list(self) -> str:
        """List the collection. Return the resource version to watch from."""
        self.calls += 1
        try:
            return await self._list_pages()
        finally:
            self._client.memory.hold(self, self._store.memory)

    async def _list_pages(self) -> str:
        one = self._collection
        fresh = InformerStore(one.max_items, one.rank)
        malformed, version = 0, ""
        self._store.remember_writes()
        async for page in self._client.pages(one.path, one.selector, one.fields):
            malformed += page.left_out
            version = page.version
            malformed += self._take_page(page, fresh)
            del page  # the next one may take long to come
            # The old state stays until the list is complete, so both are in memory.
            self._client.memory.take(self, self._store.memory + fresh.memory)
        self._log_malformed(malformed)
        fresh.keep_writes(self._store, version)
        self._replace(fresh, absent=False)
        self.error, self.rejected, self.out_of_memory = None, False, False
        return version

    def _take_page(self, page: ListPage, fresh: InformerStore) -> int:
        """Take the objects of a page. Return how many are malformed."""
        malformed = 0
        for item in page.items:
            try:
                fresh.listed(item, *self._projected(item))
            except MalformedObject:
                malformed += 1
        return malformed

    def _log_malformed(self, count: int) -> None:
        if count and count != self.malformed:
            _LOG.warning("malformed objects left out", path=self._collection.path, count=count)
        self.malformed = count

    def _replace(self, fresh: InformerStore, *, absent: bool) -> None:
        differs = fresh.items != self._store.items or not self.synced.is_set()
        self._store, self.absent = fresh, absent
        self.synced.set()
        if differs:
            self._changed()

    async def _watch(self, version: str, backoff: Backoff) -> None:
        """Watch repeatedly, each time from the end of the last watch, until a new list is due."""
        one = self._collection
        jitter = random.uniform(0.75, 1.25)  # noqa: S311 - not for secrecy
        until = time.monotonic() + self._timing.relist_seconds * jitter
        while True:
            self.calls += 1
            backoff.begin()
            async for event in self._client.watch(one.path, version, one.selector, one.fields):
                version = event.item["metadata"].get("resourceVersion") or version
                if event.kind != "BOOKMARK":
                    self._apply(event)
            if time.monotonic() >= until:
                return
            await self._client.before_retry(backoff)

    def _apply(self, event: Event) -> None:
        memory = self._client.memory
        if event.kind == "DELETED":
            differs = self._store.gone(event.item)
            memory.hold(self, self._store.memory)
            if differs:
                self._changed()
            return
        try:
            projection, weight = self._projected(event.item)
        except MalformedObject:
            self._client.faults.malformed += 1
            return
        before = self.items.get(key_of(event.item))
        # First: an object that does not fit must not be kept.
        memory.take(self, self._store.memory_with(key_of(event.item), weight))
        is_news = self._store.watched(event.item, projection, weight)
        memory.hold(self, self._store.memory)
        if not is_news:
            return
        if before is None or not self._collection.is_same(before, projection):
            self._changed()

    def _projected(self, manifest: Manifest) -> tuple[Any, int]:
        """Return an object's projection and its estimated bytes. Raises MalformedObject."""
        projection = self._collection.projection(manifest)
        return projection, weight_of(projection)
