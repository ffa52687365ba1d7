"""Limits on waiting end a wait, and allow for a busy machine also while the condition is asked."""

import pytest

from tests.support.waiting import eventually, wait_until


def test_wait_ends_after_its_limit_with_what_was_awaited() -> None:
    with pytest.raises(AssertionError, match=r"waited 0\.1 s for a response"):
        wait_until(lambda: False, 0.1, "a response")


async def test_wait_on_the_event_loop_ends_after_its_limit() -> None:
    with pytest.raises(AssertionError, match=r"waited 0\.1 s for a response"):
        await eventually(lambda: False, 0.1, "a response")


def test_condition_that_holds_after_a_while_ends_the_wait() -> None:
    times = iter([False, False, True])
    wait_until(lambda: next(times))
    assert list(times) == []
