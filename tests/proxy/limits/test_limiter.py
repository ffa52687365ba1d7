"""How much of the gate one caller may have."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.limit_settings import LimitSettings
from proxy.limits import REQUESTS, UPGRADES, WATCHES, Limited, Limiter, Overloaded, Place

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
def test_each_scope_has_its_own_limit_and_others_are_not_touched(position: int) -> None:
    scope = ("token", "user", "address", "cluster")[position]
    chosen: dict[str, Any] = {scope: {**UNLIMITED, "in_flight": 2}}
    limits = limiter(**chosen)
    places = [limits.enter(REQUESTS, KEYS) for _ in range(2)]
    with pytest.raises(Limited, match=f"for one {scope}: at most 2") as caught:
        limits.enter(REQUESTS, KEYS)
    assert (caught.value.code, caught.value.retry_after, caught.value.hold) == (429, 1, 0.0)
    other = tuple(f"{key}x" if n == position else key for n, key in enumerate(KEYS))
    limits.enter(REQUESTS, other)  # type: ignore[arg-type]
    places[0].leave()
    limits.enter(REQUESTS, KEYS)


def test_requests_watches_and_upgrades_are_counted_apart() -> None:
    limits = limiter(token={"in_flight": 1, "watches": 1, "upgrades": 1})
    for kind in (REQUESTS, WATCHES, UPGRADES):
        limits.enter(kind, KEYS)
    for kind in (REQUESTS, WATCHES, UPGRADES):
        with pytest.raises(Limited):
            limits.enter(kind, KEYS)


def test_a_refusal_takes_no_place_in_the_scopes_before_it() -> None:
    limits = limiter(token={**UNLIMITED, "in_flight": 2}, cluster={**UNLIMITED, "in_flight": 1})
    limits.enter(REQUESTS, KEYS).leave()
    held = limits.enter(REQUESTS, ("token-b", *KEYS[1:]))
    for _ in range(5):
        with pytest.raises(Limited, match="cluster"):
            limits.enter(REQUESTS, KEYS)
    held.leave()
    limits.enter(REQUESTS, KEYS)


def test_a_place_is_given_back_once() -> None:
    limits = limiter(token={**UNLIMITED, "in_flight": 1})
    place = limits.enter(REQUESTS, KEYS)
    place.leave()
    place.leave()
    limits.enter(REQUESTS, KEYS)
    with pytest.raises(Limited):
        limits.enter(REQUESTS, KEYS)


def test_a_rate_allows_a_burst_then_so_many_a_second() -> None:
    clock = Clock()
    limits = limiter(clock, token={**UNLIMITED, "requests_per_second": 10, "burst": 5})
    for _ in range(5):
        limits.enter(REQUESTS, KEYS)
    with pytest.raises(Limited, match="per second for one token: at most 10"):
        limits.enter(REQUESTS, KEYS)
    clock.now += 0.1
    limits.enter(REQUESTS, KEYS)
    with pytest.raises(Limited):
        limits.enter(REQUESTS, KEYS)
    clock.now += 3600
    for _ in range(5):
        limits.enter(REQUESTS, KEYS)
    with pytest.raises(Limited):
        limits.enter(REQUESTS, KEYS)


def test_a_slow_rate_says_how_long_to_wait() -> None:
    limits = limiter(token={**UNLIMITED, "requests_per_second": 0.1, "burst": 1})
    limits.enter(REQUESTS, KEYS)
    with pytest.raises(Limited) as caught:
        limits.enter(REQUESTS, KEYS)
    assert caught.value.retry_after == 10


def test_an_address_is_limited_before_anybody_knows_who_it_is() -> None:
    limits = limiter(address={"requests_per_second": 1, "burst": 2})
    limits.arrive("10.0.0.1")
    limits.arrive("10.0.0.1")
    with pytest.raises(Limited, match="one address"):
        limits.arrive("10.0.0.1")
    limits.arrive("10.0.0.2")


def test_what_is_remembered_of_those_who_went_is_nothing() -> None:
    clock = Clock()
    limits = limiter(
        clock,
        token={**UNLIMITED, "in_flight": 5},
        address={"requests_per_second": 100, "burst": 100},
    )
    for number in range(25_000):
        limits.enter(REQUESTS, (f"token-{number}", *KEYS[1:])).leave()
        limits.arrive(f"10.0.{number}")
        clock.now += 0.1
    [(_, token, usages, _)] = limits._counting[REQUESTS]
    assert usages is token.usages
    assert len(usages) <= 10_000
    assert len(limits._address.usages) <= 10_000


def test_who_still_runs_something_is_not_forgotten_when_many_others_come() -> None:
    limits = limiter(token={**UNLIMITED, "in_flight": 1, "watches": 1})
    limits.enter(WATCHES, KEYS)
    for number in range(25_000):
        limits.enter(REQUESTS, (f"token-{number}", *KEYS[1:])).leave()
    with pytest.raises(Limited):
        limits.enter(WATCHES, KEYS)


def test_many_who_all_run_something_are_all_remembered() -> None:
    limits = limiter(token={**UNLIMITED, "watches": 1})
    everybody = [(f"token-{number}", *KEYS[1:]) for number in range(25_000)]
    places = [limits.enter(WATCHES, keys) for keys in everybody]
    for keys in everybody[::1000]:
        with pytest.raises(Limited):
            limits.enter(WATCHES, keys)
    for place in places:
        place.leave()
    limits.enter(WATCHES, everybody[0])


def overload(limits: Limiter) -> None:
    """Two rounds of looks that are all late, in which one user asks a hundred times as often."""
    for number in range(60):
        limits.guard.look(1000 + number * 0.1, 0.09)
        for ask in range(100):
            with suppress(Limited):
                limits.enter(REQUESTS, NOISY).leave()
            if not ask:
                limits.enter(REQUESTS, KEYS).leave()


def test_overload_refuses_who_asks_for_most_and_tells_of_it() -> None:
    told: list[str] = []
    limits = Limiter(LimitSettings(), Clock(), told.append)
    overload(limits)
    assert set(told) == {"overload"}
    with pytest.raises(Overloaded, match="you ask for more than others") as caught:
        limits.enter(REQUESTS, NOISY)
    assert caught.value.code == 429
    assert caught.value.retry_after in (1, 2)
    assert caught.value.scope == "overload"
    limits.enter(REQUESTS, KEYS).leave()


def test_a_session_is_let_in_though_there_is_overload() -> None:
    limits = limiter()
    overload(limits)
    for _ in range(100):
        limits.enter(UPGRADES, NOISY)
    with pytest.raises(Overloaded):
        limits.enter(WATCHES, NOISY)


def test_nobody_is_refused_for_overload_where_that_is_turned_off() -> None:
    limits = limiter(overload={"enabled": False})
    overload(limits)
    assert not limits.guard.counting


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 2), st.integers(0, 3)), max_size=60))
def test_never_more_at_a_time_than_allowed_whoever_comes_and_goes(
    steps: list[tuple[bool, int, int]],
) -> None:
    limits = limiter(token={"in_flight": 2, "watches": 2, "upgrades": 2})
    held: dict[tuple[int, int], list[Place]] = {}
    for arrives, kind, token in steps:
        mine = held.setdefault((kind, token), [])
        if not arrives:
            if mine:
                mine.pop().leave()
            continue
        try:
            mine.append(limits.enter(kind, (f"token-{token}", "u", "a", "c")))
        except Limited:
            assert len(mine) == 2
        assert len(mine) <= 2
