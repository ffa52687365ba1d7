"""A collection of a cluster, kept in memory by list and watch (Kubernetes API concepts)."""

import asyncio
import operator
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog

from management.downstream.client import ClusterClient
from management.downstream.errors import DownstreamError, Expired, Missing
from management.downstream.objects import Manifest

FIRST_PAUSE, LAST_PAUSE = 0.5, 30.0
"""Seconds before a watch that failed is begun anew: each pause is twice the one before."""

ABSENT_PAUSE = 300.0
"""Seconds before an API that the cluster doesn't have is asked for again."""

_LOG = structlog.get_logger("sekisho.controllers")

Key = tuple[str, str]
"""Namespace (empty: none) and name."""


@dataclass(frozen=True, slots=True)
class Collection:
    """What to keep: where it is, what of it, and what of each object (``essence``).

    ``same`` says whether nothing that matters has changed between two essences.
    """

    path: str
    selector: str | None = None
    fields: str | None = None
    essence: Callable[[Manifest], Any] = field(default=lambda whole: whole)
    same: Callable[[Any, Any], bool] = operator.eq


class Informer:
    """Keeps a collection. ``synced`` is set as long as it is known in full.

    ``absent``: the cluster has no such API. ``calls`` counts lists and watches.
    """

    def __init__(
        self, client: ClusterClient, collection: Collection, changed: Callable[[], None]
    ) -> None:
        self._client = client
        self._collection = collection
        self._changed = changed
        self.items: dict[Key, Any] = {}
        self.synced = asyncio.Event()
        self.absent = False
        self.error: str | None = None
        self.calls = 0

    async def run(self) -> None:
        """Keep it until cancelled."""
        pause = FIRST_PAUSE
        while True:
            missing = False
            try:
                version = await self._list()
                pause = FIRST_PAUSE
                await self._follow(version)
            except Expired:
                continue  # What was missed is listed.
            except Missing:
                missing = True
                self._take({}, absent=True)
            except DownstreamError as exc:
                self.error = str(exc)
            # Not waited for above: an exception keeps everything that its frames hold, sockets too.
            if missing:
                await asyncio.sleep(ABSENT_PAUSE)
            else:
                await self._client.before_retry(pause * random.uniform(0.5, 1.0))  # noqa: S311
                pause = min(pause * 2, LAST_PAUSE)

    def put(self, manifest: Manifest) -> None:
        """Know what was just written before the watch tells."""
        self.items[_key(manifest)] = self._collection.essence(manifest)

    def drop(self, manifest: Manifest) -> None:
        """Know that something was just deleted."""
        self.items.pop(_key(manifest), None)

    async def _list(self) -> str:
        self.calls += 1
        one = self._collection
        items, version = await self._client.list_all(one.path, one.selector, one.fields)
        self._take({_key(item): one.essence(item) for item in items}, absent=False)
        self.error = None
        return version

    def _take(self, items: Mapping[Key, Any], *, absent: bool) -> None:
        differs = items != self.items or not self.synced.is_set()
        self.items, self.absent = dict(items), absent
        self.synced.set()
        if differs:
            self._changed()

    async def _follow(self, version: str) -> None:
        """Watch, again and again from where the last watch ended."""
        one = self._collection
        while True:
            self.calls += 1
            events = self._client.watch(one.path, version, one.selector, one.fields)
            async for event in events:
                item = event["object"]
                version = item["metadata"].get("resourceVersion", version)
                if event["type"] != "BOOKMARK":
                    self._apply(event["type"], item)

    def _apply(self, kind: str, item: Manifest) -> None:
        key = _key(item)
        if kind == "DELETED":
            if self.items.pop(key, None) is not None:
                self._changed()
            return
        essence = self._collection.essence(item)
        before, self.items[key] = self.items.get(key), essence
        if before is None or not self._collection.same(before, essence):
            self._changed()


def _key(manifest: Manifest) -> Key:
    metadata = manifest["metadata"]
    return metadata.get("namespace", ""), metadata["name"]
