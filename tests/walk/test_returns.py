"""Counting the returns of a walk."""

from tests.walk.recorder import Call
from tests.walk.returns import EVENT_LOOP, common_walk, module, returns

WALK: list[Call] = [
    ("", "a/in.py:data_received"),
    ("a/in.py:data_received", "a/in.py:parse"),
    ("a/in.py:parse", "b/x.py:one"),
    ("a/in.py:parse", "b/y.py:two"),
    ("b/y.py:two", "c/z.py:three"),
    ("b/y.py:two", "b/x.py:one"),
    ("", "a/in.py:end"),
]


def test_second_call_into_a_package_is_a_return() -> None:
    assert returns(WALK) == {("a", "b"), (EVENT_LOOP, "a")}


def test_returns_between_modules_count_calls_inside_a_package() -> None:
    assert returns(WALK, module) == {("b/y.py", "b/x.py"), (EVENT_LOOP, "a/in.py")}


def test_return_by_the_same_way_counts_once() -> None:
    assert returns(WALK + WALK[2:4]) == returns(WALK)


def test_calls_that_one_walk_lacks_are_not_in_the_common_walk() -> None:
    noise = ("", "d/timer.py:tick")
    tick = ("", "proxy/limits/loop_lag.py:_look")
    assert common_walk([[*WALK, noise, tick], [tick, *WALK]]) == WALK
