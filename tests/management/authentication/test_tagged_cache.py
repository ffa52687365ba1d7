"""A bounded cache whose entries are invalidated by tag."""

import random
from collections.abc import Callable

import pytest

from management.authentication.tagged_cache import TaggedCache


def memory(most: int = 10, most_bytes: int = 1000) -> TaggedCache[bytes, str]:
    """Entries are words: tagged by their letters, sized by their length."""
    return TaggedCache(set, len, most=most, most_bytes=most_bytes)


def test_invalidated_tag_drops_exactly_its_entries() -> None:
    kept = memory()
    for word in ("ab", "bc", "cd"):
        kept.put(word.encode(), word)
    kept.invalidate_tag("b")
    assert list(kept.entries) == [b"cd"]
    kept.invalidate_tag("z")
    assert list(kept.entries) == [b"cd"]


def test_new_entry_evicts_the_oldest() -> None:
    kept = memory(most=2)
    for word in ("a", "b", "c"):
        kept.put(word.encode(), word)
    assert list(kept.entries) == [b"b", b"c"]


def test_large_entries_leave_room_for_fewer() -> None:
    kept = memory(most_bytes=10)
    for word in ("aaaa", "bbbb", "cccc"):
        kept.put(word.encode(), word)
    assert list(kept.entries) == [b"bbbb", b"cccc"]
    assert kept.bytes == 8


def test_entry_larger_than_the_cache_is_not_stored_and_evicts_none() -> None:
    kept = memory(most_bytes=10)
    kept.put(b"a", "a")
    kept.put(b"x", "x" * 11)
    assert list(kept.entries) == [b"a"]


def test_entry_stored_again_has_its_new_tags() -> None:
    kept = memory()
    kept.put(b"1", "ab")
    kept.put(b"1", "bc")
    kept.invalidate_tag("a")
    assert kept.entries == {b"1": "bc"}
    kept.invalidate_tag("c")
    assert not kept.entries


@pytest.mark.parametrize("seed", range(20))
def test_dropped_entries_leave_nothing_behind(seed: int) -> None:
    chance = random.Random(seed)
    kept = memory(most=5, most_bytes=12)
    deeds: list[Callable[[], None]] = [
        lambda: kept.put(chance.choice("123456789").encode(), "".join(chance.sample("abcd", 3))),
        lambda: kept.drop(chance.choice("123456789").encode()),
        lambda: kept.invalidate_tag(chance.choice("abcd")),
    ]
    for _ in range(200):
        chance.choice(deeds)()
        assert kept.bytes == sum(map(len, kept.entries.values())) <= 12
        about = {letter for word in kept.entries.values() for letter in word}
        assert kept._keys.keys() == about
    kept.clear()
    assert (kept.entries, kept.bytes, kept._keys) == ({}, 0, {})
