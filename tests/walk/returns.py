"""Count the returns of a walk: how often a reader who follows a request comes back to a room. Pure.

The walk follows the calls of :mod:`tests.walk.recorder` in their order. A room is a package, or a
module. A call from another room, or from the event loop, enters a room. It is a return if the walk
has been in that room before. Each pair of rooms counts once, because a reader learns each way once.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from tests.walk.recorder import Call

EVENT_LOOP = "the event loop"

Return = tuple[str, str]
"""The room that calls, and the room to which the walk returns."""

TIMERS = frozenset({"proxy/limits/loop_lag.py", "proxy/overload_watch.py"})
"""Modules whose timers run between the steps of a request. The second is the name before
decision 0036."""


def package(function: str) -> str:
    """Return the package of a function."""
    return module(function).rpartition("/")[0]


def module(function: str) -> str:
    """Return the module of a function."""
    return function.partition(":")[0]


def read_walks(recording: Path) -> list[list[Call]]:
    """Return the calls of each request in a recording."""
    lines = recording.read_text().splitlines()
    return [[(caller, callee) for caller, callee in json.loads(line)] for line in lines]


def common_walk(walks: Sequence[list[Call]]) -> list[Call]:
    """Return the calls of equal requests that every walk has, in their order.

    Timers and background tasks that happened to run during one of them are not part of the request.
    """
    left = Counter(walks[0])
    for walk in walks[1:]:
        left &= Counter(walk)
    common = []
    for call in walks[0]:
        if left[call] > 0:
            left[call] -= 1
            common.append(call)
    return _without_timers(common)


def _without_timers(walk: Iterable[Call]) -> list[Call]:
    return [call for call in walk if not TIMERS & {module(function) for function in call}]


def returns(walk: Iterable[Call], room: Callable[[str], str] = package) -> set[Return]:
    """Return the pairs of rooms by which the walk returns to a room that it has left."""
    visited: set[str] = set()
    found = set()
    for caller, callee in walk:
        before = room(caller) if caller else EVENT_LOOP
        after = room(callee)
        if before != after and after in visited:
            found.add((before, after))
        visited.add(after)
    return found
