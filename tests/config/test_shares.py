"""What one of several workers may let in."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.settings import Settings
from config.shares import settings_of_one, share, share_of_attempts

LIMITS = st.integers(0, 100_000)
WORKERS = st.integers(1, 256)


@given(LIMITS, WORKERS)
def test_the_shares_together_are_never_less_than_the_limit(limit: int, workers: int) -> None:
    assert share(limit, workers) * workers >= limit
    assert share(limit, workers) <= limit
    assert (share(limit, workers) == 0) == (limit == 0)


@pytest.mark.parametrize(
    ("limit", "workers", "expected"),
    [(500, 1, 500), (500, 2, 284), (500, 8, 85), (10_000, 4, 2630), (2, 4, 2), (1, 256, 1)],
)
def test_a_share_is_an_even_part_and_room_for_chance(
    limit: int, workers: int, expected: int
) -> None:
    assert share(limit, workers) == expected


def test_whoever_is_at_the_limit_is_hardly_ever_over_a_share_by_chance() -> None:
    chance = random.Random(1)
    limit, workers, over = 500, 4, 0
    for _ in range(500):
        counts = [0] * workers
        for _ in range(limit):
            counts[chance.randrange(workers)] += 1
        over += max(counts) > share(limit, workers)
    assert over < 10


@pytest.mark.parametrize(
    ("limit", "workers", "expected"), [(5, 1, 5), (5, 2, 3), (5, 8, 3), (30, 4, 8), (1, 4, 1)]
)
def test_guessing_is_divided_but_everybody_may_mistype(
    limit: int, workers: int, expected: int
) -> None:
    assert share_of_attempts(limit, workers) == expected


def test_one_workers_settings_differ_in_what_is_counted_at_a_time() -> None:
    whole = Settings.model_validate(
        {"limits": {"token": {"in_flight": 100, "requests_per_second": 7}}}
    )
    one = settings_of_one(whole, 4)
    assert one.limits.token.in_flight == share(100, 4)
    assert one.limits.user.watches == share(10_000, 4)
    assert one.limits.cluster.in_flight == 0
    assert one.limits.token.requests_per_second == 7
    assert one.gate.max_connections_per_cluster == share(10_000, 4)
    assert (one.login.attempts_per_user, one.login.attempts_per_address) == (3, 8)
    assert one.server == whole.server
    assert settings_of_one(whole, 1) == whole
