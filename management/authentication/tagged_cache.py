"""A memory of bounded size whose entries can be dropped by what they are about.

For entries that are looked up all the time by one key, and have to go at once when something else
changes that they were made of: dropping costs as much as what is dropped, however much is kept.
"""

from collections.abc import Callable, Hashable, Iterable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Entry = TypeVar("Entry")


class Remembered(Generic[Key, Entry]):
    """Entries by key. ``topics_of`` says what an entry is about, ``bytes_of`` about how large it
    is; both say the same of it for as long as it is here.

    The entry that was put in longest ago makes room for a new one. ``entries`` is for look-ups.
    """

    def __init__(
        self,
        topics_of: Callable[[Entry], Iterable[Hashable]],
        bytes_of: Callable[[Entry], int],
        *,
        most: int,
        most_bytes: int,
    ) -> None:
        self.entries: dict[Key, Entry] = {}
        self.bytes = 0
        self._about: dict[Hashable, set[Key]] = {}
        self._topics_of = topics_of
        self._bytes_of = bytes_of
        self._most = most
        self._most_bytes = most_bytes

    def put(self, key: Key, entry: Entry) -> None:
        """Remember ``entry``; not if it alone is larger than everything may be."""
        self.drop(key)
        size = self._bytes_of(entry)
        if size > self._most_bytes:
            return
        while len(self.entries) >= self._most or self.bytes + size > self._most_bytes:
            self.drop(next(iter(self.entries)))
        self.entries[key] = entry
        self.bytes += size
        for topic in self._topics_of(entry):
            self._about.setdefault(topic, set()).add(key)

    def drop(self, key: Key) -> None:
        """Forget the entry of ``key``, if there is one."""
        entry = self.entries.pop(key, None)
        if entry is None:
            return
        self.bytes -= self._bytes_of(entry)
        for topic in self._topics_of(entry):
            there = self._about.get(topic)
            if there is not None:
                there.discard(key)
                if not there:
                    del self._about[topic]

    def drop_about(self, topic: Hashable) -> None:
        """Forget every entry that is about ``topic``."""
        for key in tuple(self._about.get(topic, ())):
            self.drop(key)

    def clear(self) -> None:
        """Forget everything."""
        self.entries.clear()
        self._about.clear()
        self.bytes = 0
