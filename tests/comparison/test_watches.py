"""Watches that run as long as the rest of the suite see each event once, in order, on both sides.

They start with the first test that has the world, so waiting for them costs next to nothing; this
file's name puts it last.
"""

import time

import pytest

from tests.comparison.world import World
from tests.parts.waiting import until

SECONDS = 75.0
"""How long they run at least. Two minutes and more where the whole suite runs."""


@pytest.mark.timeout(240)
def test_every_watcher_sees_every_event_once_and_in_order(world: World) -> None:
    watchers = world.watchers
    assert watchers is not None
    over = watchers.started + SECONDS
    until(lambda: time.monotonic() > over, SECONDS + 30, "the time to watch")
    watchers.finish()
    expected = set()
    for number in range(watchers.made):
        expected |= {("ADDED", f"event-{number}"), ("MODIFIED", f"event-{number}")}
        if number % 2:
            expected.add(("DELETED", f"event-{number}"))
    diaries = watchers.diaries
    try:
        until(lambda: all(len(diary) >= len(expected) for diary in diaries.values()), 15)
    except AssertionError:
        pass  # what is missing is told below
    for name, diary in diaries.items():
        seen = [(kind, what) for kind, what, _ in diary]
        assert len(seen) == len(set(seen)), f"{name} saw an event twice"
        assert sorted(set(seen) ^ expected) == [], name
    assert len({tuple(diary) for diary in diaries.values()}) == 1
