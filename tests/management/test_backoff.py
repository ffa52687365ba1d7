"""Pauses grow, are spread, and shrink only after an attempt has lasted."""

from management.backoff import Backoff


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def make(clock: Clock, chance: float = 1.0) -> Backoff:
    return Backoff(1.0, 30.0, healthy=10.0, clock=clock, chance=lambda: chance)


def test_each_pause_is_twice_the_one_before_up_to_the_longest() -> None:
    backoff = make(Clock())
    assert [backoff.pause() for _ in range(7)] == [1, 2, 4, 8, 16, 30, 30]


def test_pause_is_random_within_its_upper_half() -> None:
    assert make(Clock(), 0.0).pause() == 0.5
    assert make(Clock(), 0.5).pause() == 0.75


def test_attempt_that_ended_soon_does_not_shorten_the_pause() -> None:
    clock = Clock()
    backoff = make(clock)
    pauses = []
    for _ in range(4):
        backoff.begin()
        clock.now += 9.9
        pauses.append(backoff.pause())
    assert pauses == [1, 2, 4, 8]


def test_attempt_that_lasted_resets_the_pause() -> None:
    clock = Clock()
    backoff = make(clock)
    for _ in range(5):
        backoff.pause()
    backoff.begin()
    clock.now += 10.0
    assert backoff.pause() == 1
    # Time without an attempt is no success.
    clock.now += 1000.0
    assert backoff.pause() == 2


def test_reset_shortens_the_pause() -> None:
    backoff = make(Clock())
    backoff.pause()
    backoff.reset()
    assert backoff.pause() == 1
