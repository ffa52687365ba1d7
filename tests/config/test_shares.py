"""Tests of the limits of one of several workers."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.settings import Settings
from config.shares import settings_of_one, share, share_of_attempts

LIMITS = st.integers(0, 100_000)
WORKERS = st.integers(1, 256)


@given(LIMITS, WORKERS)
def test_share_times_workers_is_at_least_the_limit(limit: int, workers: int) -> None:
    assert share(limit, workers) * workers >= limit
    assert share(limit, workers) <= limit
    assert (share(limit, workers) == 0) == (limit == 0)


@pytest.mark.parametrize(
    ("limit", "workers", "expected"),
    [(500, 1, 500), (500, 2, 284), (500, 8, 85), (10_000, 4, 2630), (2, 4, 2), (1, 256, 1)],
)
def test_share_is_an_even_part_plus_a_margin(limit: int, workers: int, expected: int) -> None:
    assert share(limit, workers) == expected


def test_share_rarely_rejects_a_client_at_the_limit() -> None:
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
def test_share_of_attempts_is_divided_with_a_minimum(
    limit: int, workers: int, expected: int
) -> None:
    assert share_of_attempts(limit, workers) == expected


def test_settings_of_one_divides_concurrency_limits_only() -> None:
    whole = Settings.model_validate(
        {"limits": {"token": {"in_flight": 100, "requests_per_second": 7}}}
    )
    one = settings_of_one(whole, 4)
    assert one.limits.token.in_flight == share(100, 4)
    assert one.limits.user.watches == share(10_000, 4)
    assert one.limits.cluster.in_flight == 0
    assert one.limits.token.requests_per_second == 7
    assert one.upstream.max_connections_per_cluster == share(10_000, 4)
    assert (one.login.attempts_per_user, one.login.attempts_per_address) == (3, 8)
    assert one.server == whole.server
    assert settings_of_one(whole, 1) == whole
