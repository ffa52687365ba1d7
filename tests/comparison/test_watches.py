"""Watches that run during the whole suite see each event once, in order, on both sides.

They start with the fixture ``world``. This file comes last in alphabetical order, so waiting for
them takes little extra time.
"""

import time

import pytest

from tests.comparison.world import World
from tests.support.waiting import wait_until

SECONDS = 75.0
"""Minimum duration. With the whole suite it is two minutes or more."""


@pytest.mark.timeout(600)
def test_watchers_see_every_event_once_in_order(world: World) -> None:
    watchers = world.watchers
    assert watchers is not None
    over = watchers.started + SECONDS
    wait_until(lambda: time.monotonic() > over, SECONDS + 30, "the time to watch")
    watchers.finish()
    expected = set()
    for number in range(watchers.changes):
        expected |= {("ADDED", f"event-{number}"), ("MODIFIED", f"event-{number}")}
        if number % 2:
            expected.add(("DELETED", f"event-{number}"))
    event_logs = watchers.event_logs
    try:
        wait_until(lambda: all(len(log) >= len(expected) for log in event_logs.values()), 15)
    except AssertionError:
        pass  # The assertions below name the missing events.
    for name, log in event_logs.items():
        events = [(kind, what) for kind, what, _ in log]
        assert len(events) == len(set(events)), f"{name} saw an event twice"
        assert sorted(set(events) ^ expected) == [], name
    assert len({tuple(log) for log in event_logs.values()}) == 1
