"""The newest known state of a collection's objects, from lists, watches and writes. Pure."""

import heapq
from collections.abc import Callable, Mapping
from sys import intern
from typing import Any

from management.kubernetes.manifests import Manifest
from management.kubernetes.validation import is_newer

MAX_TOMBSTONES = 10_000
"""Deleted objects that are remembered per collection; the oldest are evicted."""

ENTRY_BYTES = 500
"""Estimated bytes of an object's key, versions and places in tables, beside its projection."""

TOMBSTONE_BYTES = 300
"""Estimated bytes of a deleted object that is remembered."""

Key = tuple[str, str]
"""Namespace (empty: none) and name."""


def key_of(manifest: Manifest) -> Key:
    """Return the key of an object in its collection."""
    metadata = manifest["metadata"]
    return intern(metadata.get("namespace", "")), metadata["name"]


class InformerStore:
    """Projections of objects by key, with their versions and the versions of deleted objects.

    Of more than ``max_items`` objects (None: no limit), those with the highest ``rank`` are kept.
    ``weight`` is the estimated bytes of all projections.
    """

    def __init__(
        self, max_items: int | None = None, rank: Callable[[Any], Any] = lambda projection: 0
    ) -> None:
        self._max_items = max_items
        self._rank = rank
        self._items: dict[Key, Any] = {}
        self._marks: dict[Key, tuple[str, str, int]] = {}
        self._tombstones: dict[Key, str] = {}
        self._writes: set[Key] | None = None
        self.weight = 0

    @property
    def items(self) -> Mapping[Key, Any]:
        """Return the projections by key."""
        return self._items

    @property
    def memory(self) -> int:
        """Return the estimated bytes of everything that is kept."""
        entries, tombstones = len(self._items), len(self._tombstones)
        return self.weight + entries * ENTRY_BYTES + tombstones * TOMBSTONE_BYTES

    def memory_with(self, key: Key, weight: int) -> int:
        """Return the estimated bytes if the object at ``key`` had a projection of ``weight``."""
        mark = self._marks.get(key)
        before = ENTRY_BYTES + mark[2] if mark is not None else 0
        return self.memory - before + ENTRY_BYTES + weight

    def listed(self, manifest: Manifest, projection: Any, weight: int) -> None:
        """Take an object from a list."""
        self._put(manifest, projection, weight)

    def watched(self, manifest: Manifest, projection: Any, weight: int) -> bool:
        """Take an object from a watch event. Return False if a newer version is known."""
        if self._is_older(manifest):
            return False
        self._put(manifest, projection, weight)
        return True

    def gone(self, manifest: Manifest) -> bool:
        """Take the event of a deletion. Return whether it changes anything."""
        if self._is_older(manifest):
            return False
        key = key_of(manifest)
        self._remember_deletion(key, _version(manifest))
        return self._remove(key)

    def written(self, manifest: Manifest, projection: Any, weight: int) -> None:
        """Take the response to a write. Newer events may have arrived before it.

        If versions can't be compared, the state from the watch is kept.
        """
        key = key_of(manifest)
        known = self._version(key)
        if known is not None and not is_newer(_version(manifest), known):
            return
        self._put(manifest, projection, weight)
        if self._writes is not None:
            self._writes.add(key)

    def deleted(self, manifest: Manifest) -> None:
        """Take the response to the deletion of an object in the version that was observed.

        Another object with that name, or a newer version, is kept: a finalizer may delay the
        deletion. The watch reports when the object is deleted.
        """
        key = key_of(manifest)
        if key not in self._marks:
            return
        version, uid, _ = self._marks[key]
        if uid != manifest["metadata"].get("uid", "") or version != _version(manifest):
            return
        self._remember_deletion(key, version)
        self._remove(key)
        if self._writes is not None:
            self._writes.add(key)

    def remember_writes(self) -> None:
        """Record writes from now on, for :meth:`keep_writes`: a list begins."""
        self._writes = set()

    def keep_writes(self, before: "InformerStore", version: str) -> None:
        """Take what was written during the list, if it is newer than the list."""
        for key in before._writes or ():
            known = before._version(key)
            if known is None or not is_newer(known, version):
                continue
            if key in before._items:
                self._set(key, before._items[key], before._marks[key])
            else:
                self._remember_deletion(key, known)
                self._remove(key)

    def _put(self, manifest: Manifest, projection: Any, weight: int) -> None:
        key = key_of(manifest)
        self._tombstones.pop(key, None)
        mark = _version(manifest), manifest["metadata"].get("uid", ""), weight
        self._set(key, projection, mark)
        if self._max_items is not None and len(self._items) > 2 * self._max_items:
            self._trim(self._max_items)

    def _set(self, key: Key, projection: Any, mark: tuple[str, str, int]) -> None:
        self._remove(key)
        self._items[key], self._marks[key] = projection, mark
        self.weight += mark[2]

    def _remove(self, key: Key) -> bool:
        if key not in self._items:
            return False
        del self._items[key]
        self.weight -= self._marks.pop(key)[2]
        return True

    def _trim(self, most: int) -> None:
        least = heapq.nsmallest(
            len(self._items) - most, self._items, key=lambda key: self._rank(self._items[key])
        )
        for key in least:
            self._remove(key)

    def _remember_deletion(self, key: Key, version: str) -> None:
        self._tombstones.pop(key, None)
        self._tombstones[key] = version
        if len(self._tombstones) > MAX_TOMBSTONES:
            del self._tombstones[next(iter(self._tombstones))]

    def _version(self, key: Key) -> str | None:
        mark = self._marks.get(key)
        return mark[0] if mark is not None else self._tombstones.get(key)

    def _is_older(self, manifest: Manifest) -> bool:
        known = self._version(key_of(manifest))
        return known is not None and is_newer(known, _version(manifest)) is True


def _version(manifest: Manifest) -> str:
    return str(manifest["metadata"].get("resourceVersion", ""))
