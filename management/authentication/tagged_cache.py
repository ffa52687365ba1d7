"""A cache of bounded size whose entries can be invalidated by tag.

For entries that are looked up often by one key, and must be dropped immediately when something
changes that they were made from. Dropping costs as much as the entries that are dropped, regardless
of the size of the cache.
"""

from collections.abc import Callable, Hashable, Iterable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Entry = TypeVar("Entry")


class TaggedCache(Generic[Key, Entry]):
    """Entries by key. ``tags_of`` returns an entry's tags, ``bytes_of`` its approximate size.

    Both must return the same while the entry is cached. A new entry evicts the oldest ones.
    ``entries`` is for look-ups.
    """

    def __init__(
        self,
        tags_of: Callable[[Entry], Iterable[Hashable]],
        bytes_of: Callable[[Entry], int],
        *,
        most: int,
        most_bytes: int,
    ) -> None:
        self.entries: dict[Key, Entry] = {}
        self.bytes = 0
        self._keys: dict[Hashable, set[Key]] = {}
        self._tags_of = tags_of
        self._bytes_of = bytes_of
        self._most = most
        self._most_bytes = most_bytes

    def put(self, key: Key, entry: Entry) -> None:
        """Cache ``entry``, unless it alone is larger than the cache may be."""
        self.drop(key)
        size = self._bytes_of(entry)
        if size > self._most_bytes:
            return
        while len(self.entries) >= self._most or self.bytes + size > self._most_bytes:
            self.drop(next(iter(self.entries)))
        self.entries[key] = entry
        self.bytes += size
        for tag in self._tags_of(entry):
            self._keys.setdefault(tag, set()).add(key)

    def drop(self, key: Key) -> None:
        """Drop the entry of ``key``, if there is one."""
        entry = self.entries.pop(key, None)
        if entry is None:
            return
        self.bytes -= self._bytes_of(entry)
        for tag in self._tags_of(entry):
            keys = self._keys.get(tag)
            if keys is not None:
                keys.discard(key)
                if not keys:
                    del self._keys[tag]

    def invalidate_tag(self, tag: Hashable) -> None:
        """Drop every entry with that tag."""
        for key in tuple(self._keys.get(tag, ())):
            self.drop(key)

    def clear(self) -> None:
        """Drop every entry."""
        self.entries.clear()
        self._keys.clear()
        self.bytes = 0
