"""Pauses after repeated rejections."""

from management.clusters.rejection_backoff import FORGET_SECONDS, LONGEST_PAUSE, RejectionBackoff


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_pauses_grow_after_the_second_rejection() -> None:
    clock = Clock()
    rejections = RejectionBackoff(clock)
    pauses = []
    for _ in range(12):
        rejections.note("a")
        pauses.append(rejections.pause("a"))
        clock.now += pauses[-1]
    assert pauses[:4] == [0.0, 2.0, 4.0, 8.0]
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_PAUSE
    assert rejections.pause("b") == 0.0


def test_rejections_during_a_pause_count_once() -> None:
    clock = Clock()
    rejections = RejectionBackoff(clock)
    rejections.note("a")
    for _ in range(50):
        rejections.note("a")
    assert rejections.pause("a") == 2.0


def test_rejection_after_the_forget_time_counts_as_first() -> None:
    clock = Clock()
    rejections = RejectionBackoff(clock)
    for _ in range(5):
        rejections.note("a")
        clock.now += rejections.pause("a")
    clock.now += FORGET_SECONDS + 1
    rejections.note("a")
    assert rejections.pause("a") == 0.0
