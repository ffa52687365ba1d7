"""The age of changes that wait for a pass."""

from management.controllers.pending_changes import PendingChanges


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_age_without_changes_is_zero() -> None:
    assert PendingChanges(Clock()).age_seconds == 0.0


def test_age_is_that_of_the_oldest_change() -> None:
    clock = Clock()
    changes = PendingChanges(clock)
    changes.set()
    clock.now = 103.0
    changes.set()
    assert changes.age_seconds == 3.0


def test_age_of_a_change_that_was_not_applied_continues() -> None:
    clock = Clock()
    changes = PendingChanges(clock)
    changes.set()
    changes.take()
    assert not changes.is_set()
    clock.now = 105.0
    changes.set()
    changes.take()
    clock.now = 107.0
    assert changes.age_seconds == 7.0


def test_age_after_a_pass_is_that_of_changes_during_it() -> None:
    clock = Clock()
    changes = PendingChanges(clock)
    changes.set()
    changes.take()
    clock.now = 104.0
    changes.set()
    clock.now = 106.0
    changes.applied()
    assert changes.age_seconds == 2.0
    changes.take()
    changes.applied()
    assert changes.age_seconds == 0.0
