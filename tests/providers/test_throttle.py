"""Slowing down those who guess."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.base import Attempt, ExternalIdentity, ProviderUnavailable, Refused, Throttled
from providers.throttle import FailureCounter, Limits, ThrottledAuthenticator, subscriber

LIMITS = Limits(attempts_per_user=3, attempts_per_address=6, window=60.0)


class Door:
    """A provider that knows one password, and counts how often it is asked."""

    name = "local"

    def __init__(self) -> None:
        self.asked = 0
        self.broken = False

    async def authenticate(self, attempt: Attempt) -> ExternalIdentity | None:
        self.asked += 1
        if self.broken:
            raise ProviderUnavailable("down")
        if attempt.password != "right":
            return None
        return ExternalIdentity(f"local://{attempt.username}", attempt.username, "")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def door() -> Door:
    return Door()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def throttled(door: Door, clock: Clock) -> ThrottledAuthenticator:
    return ThrottledAuthenticator(door, LIMITS, clock)


async def test_the_right_password_is_refused_too_after_so_many_wrong_ones(
    throttled: ThrottledAuthenticator, door: Door, clock: Clock
) -> None:
    for _ in range(3):
        assert isinstance(
            await throttled.authenticate(Attempt("alice", "wrong", "1.1.1.1")), Refused | None
        )
    with pytest.raises(Throttled) as caught:
        await throttled.authenticate(Attempt("ALICE ", "right", "1.1.1.1"))
    assert door.asked == 3
    clock.now += caught.value.retry_after
    assert isinstance(
        await throttled.authenticate(Attempt("alice", "right", "1.1.1.1")), ExternalIdentity
    )


async def test_an_attacker_elsewhere_does_not_lock_a_person_out(
    throttled: ThrottledAuthenticator,
) -> None:
    for _ in range(3):
        await throttled.authenticate(Attempt("alice", "wrong", "6.6.6.6"))
    assert isinstance(
        await throttled.authenticate(Attempt("alice", "right", "1.1.1.1")), ExternalIdentity
    )


async def test_many_addresses_together_are_slowed_down_on_one_name(
    throttled: ThrottledAuthenticator,
) -> None:
    for n in range(30):
        await throttled.authenticate(Attempt("alice", "wrong", f"10.0.0.{n}"))
    with pytest.raises(Throttled):
        await throttled.authenticate(Attempt("alice", "right", "10.0.1.1"))


async def test_nobody_is_locked_out_from_where_they_always_sign_in(
    throttled: ThrottledAuthenticator,
) -> None:
    assert isinstance(
        await throttled.authenticate(Attempt("alice", "right", "1.1.1.1")), ExternalIdentity
    )
    for n in range(30):
        await throttled.authenticate(Attempt("alice", "wrong", f"10.0.0.{n}"))
    assert isinstance(
        await throttled.authenticate(Attempt("alice", "right", "1.1.1.1")), ExternalIdentity
    )


async def test_a_familiar_address_may_not_guess_either(throttled: ThrottledAuthenticator) -> None:
    await throttled.authenticate(Attempt("alice", "right", "1.1.1.1"))
    for _ in range(3):
        await throttled.authenticate(Attempt("alice", "wrong", "1.1.1.1"))
    with pytest.raises(Throttled):
        await throttled.authenticate(Attempt("alice", "right", "1.1.1.1"))


async def test_one_subscriber_has_many_ipv6_addresses_and_counts_as_one(
    throttled: ThrottledAuthenticator,
) -> None:
    for n in range(3):
        await throttled.authenticate(Attempt("alice", "wrong", f"2001:db8::{n}"))
    with pytest.raises(Throttled):
        await throttled.authenticate(Attempt("alice", "right", "2001:db8::ffff"))
    assert isinstance(
        await throttled.authenticate(Attempt("alice", "right", "2001:db8:0:1::1")), ExternalIdentity
    )


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
    ],
)
def test_an_address_is_counted_with_those_of_its_subscriber(address: str, counted: str) -> None:
    assert subscriber(address) == counted


async def test_memory_is_bounded_whatever_names_are_tried(
    throttled: ThrottledAuthenticator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("providers.throttle.MAX_COUNTERS", 10)
    tracemalloc.start()
    for n in range(100):
        await throttled.authenticate(Attempt(f"{n}" + "x" * 50_000, "wrong", f"10.0.0.{n}"))
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 200_000


async def test_one_address_cannot_try_many_names(throttled: ThrottledAuthenticator) -> None:
    for n in range(6):
        await throttled.authenticate(Attempt(f"user-{n}", "wrong", "6.6.6.6"))
    with pytest.raises(Throttled):
        await throttled.authenticate(Attempt("user-7", "right", "6.6.6.6"))


async def test_unknown_names_are_throttled_like_known_ones(
    throttled: ThrottledAuthenticator,
) -> None:
    waits = []
    for name in ("alice", "nobody"):
        for _ in range(3):
            await throttled.authenticate(Attempt(name, "wrong", name))
        with pytest.raises(Throttled) as caught:
            await throttled.authenticate(Attempt(name, "wrong", name))
        waits.append(caught.value.retry_after)
    assert waits[0] == waits[1]


async def test_success_forgives(throttled: ThrottledAuthenticator) -> None:
    for n in range(10):
        address = f"1.1.1.{n % 5}"
        for _ in range(2):
            assert isinstance(
                await throttled.authenticate(Attempt("alice", "wrong", address)), Refused | None
            )
        assert isinstance(
            await throttled.authenticate(Attempt("alice", "right", address)), ExternalIdentity
        )


async def test_a_broken_backend_is_nobodys_failure(
    throttled: ThrottledAuthenticator, door: Door
) -> None:
    door.broken = True
    for _ in range(20):
        with pytest.raises(ProviderUnavailable):
            await throttled.authenticate(Attempt("alice", "right", "1.1.1.1"))


@given(st.lists(st.tuples(st.sampled_from("ab"), st.floats(0, 30)), max_size=60))
def test_no_key_ever_has_more_failures_in_a_window_than_allowed(
    steps: list[tuple[str, float]],
) -> None:
    counter, now, allowed = FailureCounter(3, 60.0), 0.0, []
    for key, pause in steps:
        now += pause
        if counter.wait(key, now) == 0.0:
            counter.fail(key, now)
            allowed.append((key, now))
    for key, at in allowed:
        assert len([1 for k, t in allowed if k == key and at - 60.0 < t <= at]) <= 3
