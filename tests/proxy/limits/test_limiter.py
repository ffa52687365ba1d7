"""Limits of concurrent requests and rates for each token, user, address and cluster."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.limit_settings import LimitSettings
from proxy.limits.limiter import (
    REQUESTS,
    UPGRADES,
    WATCHES,
    Limiter,
    LimitExceeded,
    OverloadRejected,
    Permit,
)

KEYS = ("token-a", "u-1", "10.0.0.1", "c-1")
NOISY = ("token-noisy", "u-noisy", "10.0.0.9", "c-1")
UNLIMITED = {"in_flight": 0, "watches": 0, "upgrades": 0}


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def limiter(clock: Clock | None = None, **scopes: Any) -> Limiter:
    everything = {"token": UNLIMITED, "user": UNLIMITED} | scopes
    return Limiter(LimitSettings.model_validate(everything), clock or Clock())


@pytest.mark.parametrize("position", range(4))
def test_limit_of_one_scope_does_not_affect_other_keys(position: int) -> None:
    scope = ("token", "user", "address", "cluster")[position]
    chosen: dict[str, Any] = {scope: {**UNLIMITED, "in_flight": 2}}
    limits = limiter(**chosen)
    permits = [limits.acquire(REQUESTS, KEYS) for _ in range(2)]
    with pytest.raises(LimitExceeded, match=f"for one {scope}: at most 2") as caught:
        limits.acquire(REQUESTS, KEYS)
    assert (caught.value.code, caught.value.retry_after, caught.value.rejection_delay) == (
        429,
        1,
        0.0,
    )
    other = tuple(f"{key}x" if n == position else key for n, key in enumerate(KEYS))
    limits.acquire(REQUESTS, other)  # type: ignore[arg-type]
    permits[0].release()
    limits.acquire(REQUESTS, KEYS)


def test_requests_watches_and_upgrades_have_separate_limits() -> None:
    limits = limiter(token={"in_flight": 1, "watches": 1, "upgrades": 1})
    for kind in (REQUESTS, WATCHES, UPGRADES):
        limits.acquire(kind, KEYS)
    for kind in (REQUESTS, WATCHES, UPGRADES):
        with pytest.raises(LimitExceeded):
            limits.acquire(kind, KEYS)


def test_rejected_request_takes_no_permit_in_any_scope() -> None:
    limits = limiter(token={**UNLIMITED, "in_flight": 2}, cluster={**UNLIMITED, "in_flight": 1})
    limits.acquire(REQUESTS, KEYS).release()
    held = limits.acquire(REQUESTS, ("token-b", *KEYS[1:]))
    for _ in range(5):
        with pytest.raises(LimitExceeded, match="cluster"):
            limits.acquire(REQUESTS, KEYS)
    held.release()
    limits.acquire(REQUESTS, KEYS)


def test_permit_released_twice_counts_once() -> None:
    limits = limiter(token={**UNLIMITED, "in_flight": 1})
    permit = limits.acquire(REQUESTS, KEYS)
    permit.release()
    permit.release()
    limits.acquire(REQUESTS, KEYS)
    with pytest.raises(LimitExceeded):
        limits.acquire(REQUESTS, KEYS)


def test_rate_limit_allows_a_burst_and_then_its_rate() -> None:
    clock = Clock()
    limits = limiter(clock, token={**UNLIMITED, "requests_per_second": 10, "burst": 5})
    for _ in range(5):
        limits.acquire(REQUESTS, KEYS)
    with pytest.raises(LimitExceeded, match="per second for one token: at most 10"):
        limits.acquire(REQUESTS, KEYS)
    clock.now += 0.1
    limits.acquire(REQUESTS, KEYS)
    with pytest.raises(LimitExceeded):
        limits.acquire(REQUESTS, KEYS)
    clock.now += 3600
    for _ in range(5):
        limits.acquire(REQUESTS, KEYS)
    with pytest.raises(LimitExceeded):
        limits.acquire(REQUESTS, KEYS)


def test_rate_limit_below_one_sets_retry_after() -> None:
    limits = limiter(token={**UNLIMITED, "requests_per_second": 0.1, "burst": 1})
    limits.acquire(REQUESTS, KEYS)
    with pytest.raises(LimitExceeded) as caught:
        limits.acquire(REQUESTS, KEYS)
    assert caught.value.retry_after == 10


def test_address_rate_is_limited_before_authentication() -> None:
    limits = limiter(address={"requests_per_second": 1, "burst": 2})
    limits.check_address_rate("10.0.0.1")
    limits.check_address_rate("10.0.0.1")
    with pytest.raises(LimitExceeded, match="one address"):
        limits.check_address_rate("10.0.0.1")
    limits.check_address_rate("10.0.0.2")


def test_usages_without_permits_are_removed() -> None:
    clock = Clock()
    limits = limiter(
        clock,
        token={**UNLIMITED, "in_flight": 5},
        address={"requests_per_second": 100, "burst": 100},
    )
    for number in range(25_000):
        limits.acquire(REQUESTS, (f"token-{number}", *KEYS[1:])).release()
        limits.check_address_rate(f"10.0.{number}")
        clock.now += 0.1
    [(_, token, usages, _)] = limits._counting[REQUESTS]
    assert usages is token.usages
    assert len(usages) <= 10_000
    assert len(limits._address.usages) <= 10_000


def test_usage_with_a_permit_is_kept_when_many_others_come() -> None:
    limits = limiter(token={**UNLIMITED, "in_flight": 1, "watches": 1})
    limits.acquire(WATCHES, KEYS)
    for number in range(25_000):
        limits.acquire(REQUESTS, (f"token-{number}", *KEYS[1:])).release()
    with pytest.raises(LimitExceeded):
        limits.acquire(WATCHES, KEYS)


def test_usages_with_permits_are_kept_above_the_cache_size() -> None:
    limits = limiter(token={**UNLIMITED, "watches": 1})
    callers = [(f"token-{number}", *KEYS[1:]) for number in range(25_000)]
    permits = [limits.acquire(WATCHES, keys) for keys in callers]
    for keys in callers[::1000]:
        with pytest.raises(LimitExceeded):
            limits.acquire(WATCHES, keys)
    for permit in permits:
        permit.release()
    limits.acquire(WATCHES, callers[0])


def overload(limits: Limiter) -> None:
    """Observe 60 late ticks, in which one user sends 100 times as many requests as another."""
    for number in range(60):
        limits.guard.observe_lag(1000 + number * 0.1, 0.09)
        for count in range(100):
            with suppress(LimitExceeded):
                limits.acquire(REQUESTS, NOISY).release()
            if not count:
                limits.acquire(REQUESTS, KEYS).release()


def test_overload_rejects_the_heaviest_user_and_counts_it() -> None:
    scopes: list[str] = []
    limits = Limiter(LimitSettings(), Clock(), scopes.append)
    overload(limits)
    assert set(scopes) == {"overload"}
    with pytest.raises(OverloadRejected, match="you send more requests than others") as caught:
        limits.acquire(REQUESTS, NOISY)
    assert caught.value.code == 429
    assert caught.value.retry_after in (1, 2)
    assert caught.value.scope == "overload"
    limits.acquire(REQUESTS, KEYS).release()


def test_upgrade_is_admitted_during_overload() -> None:
    limits = limiter()
    overload(limits)
    for _ in range(100):
        limits.acquire(UPGRADES, NOISY)
    with pytest.raises(OverloadRejected):
        limits.acquire(WATCHES, NOISY)


def test_disabled_overload_limit_does_not_count() -> None:
    limits = limiter(overload={"enabled": False})
    overload(limits)
    assert not limits.guard.counting


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 2), st.integers(0, 3)), max_size=60))
def test_concurrent_permits_never_exceed_the_limit(
    steps: list[tuple[bool, int, int]],
) -> None:
    limits = limiter(token={"in_flight": 2, "watches": 2, "upgrades": 2})
    held: dict[tuple[int, int], list[Permit]] = {}
    for arrives, kind, token in steps:
        permits = held.setdefault((kind, token), [])
        if not arrives:
            if permits:
                permits.pop().release()
            continue
        try:
            permits.append(limits.acquire(kind, (f"token-{token}", "u", "a", "c")))
        except LimitExceeded:
            assert len(permits) == 2
        assert len(permits) <= 2
