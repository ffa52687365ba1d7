"""A bounded memory whose entries go by what they are about."""

import random
from collections.abc import Callable

import pytest

from management.remembered import Remembered


def memory(most: int = 10, most_bytes: int = 1000) -> Remembered[bytes, str]:
    """Entries are words; each is about its letters, and as large as it is long."""
    return Remembered(set, len, most=most, most_bytes=most_bytes)


def test_an_entry_goes_with_any_of_what_it_is_about_and_no_other_does() -> None:
    kept = memory()
    for word in ("ab", "bc", "cd"):
        kept.put(word.encode(), word)
    kept.drop_about("b")
    assert list(kept.entries) == [b"cd"]
    kept.drop_about("z")
    assert list(kept.entries) == [b"cd"]


def test_the_oldest_makes_room_for_a_new_one() -> None:
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


def test_what_is_larger_than_all_may_be_is_not_kept_and_drives_nobody_out() -> None:
    kept = memory(most_bytes=10)
    kept.put(b"a", "a")
    kept.put(b"x", "x" * 11)
    assert list(kept.entries) == [b"a"]


def test_an_entry_that_is_put_again_is_about_what_it_says_now() -> None:
    kept = memory()
    kept.put(b"1", "ab")
    kept.put(b"1", "bc")
    kept.drop_about("a")
    assert kept.entries == {b"1": "bc"}
    kept.drop_about("c")
    assert not kept.entries


@pytest.mark.parametrize("seed", range(20))
def test_whatever_is_done_nothing_is_left_of_what_is_gone(seed: int) -> None:
    chance = random.Random(seed)
    kept = memory(most=5, most_bytes=12)
    deeds: list[Callable[[], None]] = [
        lambda: kept.put(chance.choice("123456789").encode(), "".join(chance.sample("abcd", 3))),
        lambda: kept.drop(chance.choice("123456789").encode()),
        lambda: kept.drop_about(chance.choice("abcd")),
    ]
    for _ in range(200):
        chance.choice(deeds)()
        assert kept.bytes == sum(map(len, kept.entries.values())) <= 12
        about = {letter for word in kept.entries.values() for letter in word}
        assert kept._about.keys() == about
    kept.clear()
    assert (kept.entries, kept.bytes, kept._about) == ({}, 0, {})
