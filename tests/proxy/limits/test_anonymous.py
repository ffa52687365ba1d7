"""Limits for unauthenticated requests, per network and in total, with delayed rejections."""

import pytest

from config.limit_settings import AnonymousLimits
from management.http.client_address import network_of
from proxy.limits.anonymous import MOST_NETWORKS, AnonymousLimiter
from proxy.limits.limiter import LimitExceeded


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def limiter(clock: Clock | None = None, **limits: float) -> AnonymousLimiter:
    return AnonymousLimiter(AnonymousLimits.model_validate(limits), clock or Clock())


def begun(limits: AnonymousLimiter, network: str, most: int = 10_000) -> int:
    """Return how many requests of a network begin one by one until the first rejection."""
    for count in range(most):
        try:
            limits.begin(network).release()
        except LimitExceeded:
            return count
    return most


def test_network_is_rejected_after_its_burst_and_others_are_not() -> None:
    limits = limiter(requests_per_second=10, burst=50)
    assert begun(limits, "192.0.2.1") == 50
    assert begun(limits, "192.0.2.2") == 50


def test_network_regains_its_rate_with_time() -> None:
    clock = Clock()
    limits = limiter(clock, requests_per_second=10, burst=50)
    begun(limits, "192.0.2.1")
    clock.now += 2
    assert begun(limits, "192.0.2.1") == 20


def test_rejection_is_delayed_and_has_retry_after() -> None:
    limits = limiter(requests_per_second=0.1, burst=1)
    limits.begin("192.0.2.1").release()
    with pytest.raises(LimitExceeded) as refused:
        limits.begin("192.0.2.1")
    assert refused.value.rejection_delay >= 0.5
    assert refused.value.retry_after == 10


def test_network_with_few_requests_is_served_during_a_flood_of_others() -> None:
    limits = limiter(requests_per_second=10, burst=100, total_per_second=10, total_burst=200)
    for n in range(10):
        begun(limits, f"192.0.2.{n}")
    assert 0 < begun(limits, "198.51.100.1") <= 20
    assert begun(limits, "198.51.100.1") == 0


def test_concurrent_requests_are_limited_per_network_and_in_total() -> None:
    limits = limiter(in_flight=2, total_in_flight=3, burst=10)
    permits = [limits.begin("192.0.2.1") for _ in range(2)]
    with pytest.raises(LimitExceeded, match="at a time"):
        limits.begin("192.0.2.1")
    permits.pop().release()
    limits.begin("192.0.2.1")


def test_permit_released_twice_counts_once() -> None:
    limits = limiter(in_flight=1)
    permit = limits.begin("192.0.2.1")
    permit.release()
    permit.release()
    limits.begin("192.0.2.1")
    with pytest.raises(LimitExceeded):
        limits.begin("192.0.2.1")


def test_network_with_many_invalid_credentials_is_rejected_before_verification() -> None:
    limits = limiter(requests_per_second=1, burst=5)
    for _ in range(5):
        limits.check("192.0.2.1")
        limits.failed("192.0.2.1")
    with pytest.raises(LimitExceeded):
        limits.check("192.0.2.1")
    limits.check("192.0.2.2")


def test_health_probe_is_admitted_during_an_anonymous_flood() -> None:
    limits = limiter(requests_per_second=1, burst=5, total_per_second=1, total_burst=5)
    begun(limits, "192.0.2.1")
    for _ in range(10):
        limits.probe("192.0.2.1")
        limits.probe("192.0.2.9")


def test_health_probes_are_limited() -> None:
    limits = limiter(probes_per_second=5)
    for _ in range(10):
        limits.probe("192.0.2.1")
    with pytest.raises(LimitExceeded):
        limits.probe("192.0.2.1")


def test_started_sign_ins_are_limited_per_minute() -> None:
    clock = Clock()
    limits = limiter(clock, sign_ins_per_minute=3)
    for _ in range(3):
        limits.start("192.0.2.1")
    with pytest.raises(LimitExceeded):
        limits.start("192.0.2.1")
    clock.now += 20
    limits.start("192.0.2.1")


def test_zero_means_no_limit() -> None:
    limits = limiter(requests_per_second=0, in_flight=0, total_per_second=0, total_in_flight=0)
    assert begun(limits, "192.0.2.1", 5000) == 5000


def test_known_networks_are_bounded() -> None:
    limits = limiter()
    for n in range(MOST_NETWORKS + 10):
        limits.failed(str(n))
    assert len(limits._networks._by_network) <= MOST_NETWORKS


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("", ""),
        ("x" * 1000, "x" * 45),
    ],
)
def test_network_of_an_address_is_that_of_one_subscriber(address: str, network: str) -> None:
    assert network_of(address) == network
