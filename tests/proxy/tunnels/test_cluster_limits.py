"""The limits of one cluster's tunnels, by a clock of the test."""

import pytest

from management.http.problem import ApiProblem
from proxy.tunnels.cluster_limits import (
    MOST_OPENINGS,
    MOST_TUNNELS,
    OPENING_SECONDS,
    ClusterLimits,
)


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_tunnels_that_end_soon_use_up_the_openings_of_their_cluster_only() -> None:
    clock = Clock()
    limits = ClusterLimits(clock)
    for _ in range(MOST_OPENINGS):
        limits.check("c-edge")
        limits.entered("c-edge")
        limits.left("c-edge")
    with pytest.raises(ApiProblem, match="too many tunnels"):
        limits.check("c-edge")
    limits.check("c-other")
    clock.now += OPENING_SECONDS
    limits.check("c-edge")


def test_tunnels_of_a_cluster_share_a_limit_of_frames_until_it_is_full_again() -> None:
    clock = Clock()
    limits = ClusterLimits(clock)
    rates = [limits.entered("c-edge") for _ in range(MOST_TUNNELS)]
    assert len(set(map(id, rates))) == 1
    with pytest.raises(ApiProblem, match=f"{MOST_TUNNELS} tunnels here already"):
        limits.check("c-edge")
    for _ in rates:
        limits.left("c-edge")
    assert limits.entered("c-edge") is rates[0], "a new connection is no new allowance"
    clock.now += MOST_OPENINGS * OPENING_SECONDS * 2
    limits.left("c-edge")
    assert limits.entered("c-edge") is not rates[0]
