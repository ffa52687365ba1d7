"""Tests of limits on password attempts."""

import asyncio
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.base import (
    ExternalIdentity,
    Outcome,
    PasswordAttempt,
    ProviderUnavailable,
    Rejected,
    Throttled,
)
from providers.failure_counter import IN_PROGRESS_SECONDS, FailureCounter
from providers.throttle import ThrottledAuthenticator, network_of
from tests.providers.attempts import LIMITS, Clock, CountingProvider


async def test_correct_password_after_too_many_failures_is_throttled(
    throttled: ThrottledAuthenticator, provider: CountingProvider, clock: Clock
) -> None:
    for _ in range(3):
        assert isinstance(
            await throttled.authenticate(PasswordAttempt("alice", "wrong", "1.1.1.1")),
            Rejected | None,
        )
    with pytest.raises(Throttled) as caught:
        await throttled.authenticate(PasswordAttempt("ALICE ", "right", "1.1.1.1"))
    assert provider.attempts == 3
    clock.now += caught.value.retry_after
    assert isinstance(
        await throttled.authenticate(PasswordAttempt("alice", "right", "1.1.1.1")), ExternalIdentity
    )


async def test_failures_from_one_address_do_not_lock_user_out_at_another(
    throttled: ThrottledAuthenticator,
) -> None:
    for _ in range(3):
        await throttled.authenticate(PasswordAttempt("alice", "wrong", "6.6.6.6"))
    assert isinstance(
        await throttled.authenticate(PasswordAttempt("alice", "right", "1.1.1.1")), ExternalIdentity
    )


async def test_failures_from_many_addresses_throttle_one_name(
    throttled: ThrottledAuthenticator,
) -> None:
    for n in range(30):
        await throttled.authenticate(PasswordAttempt("alice", "wrong", f"10.0.0.{n}"))
    with pytest.raises(Throttled):
        await throttled.authenticate(PasswordAttempt("alice", "right", "10.0.1.1"))


async def test_address_of_earlier_sign_in_is_not_locked_out(
    throttled: ThrottledAuthenticator,
) -> None:
    assert isinstance(
        await throttled.authenticate(PasswordAttempt("alice", "right", "1.1.1.1")), ExternalIdentity
    )
    for n in range(30):
        await throttled.authenticate(PasswordAttempt("alice", "wrong", f"10.0.0.{n}"))
    assert isinstance(
        await throttled.authenticate(PasswordAttempt("alice", "right", "1.1.1.1")), ExternalIdentity
    )


async def test_failures_from_address_of_earlier_sign_in_are_throttled(
    throttled: ThrottledAuthenticator,
) -> None:
    await throttled.authenticate(PasswordAttempt("alice", "right", "1.1.1.1"))
    for _ in range(3):
        await throttled.authenticate(PasswordAttempt("alice", "wrong", "1.1.1.1"))
    with pytest.raises(Throttled):
        await throttled.authenticate(PasswordAttempt("alice", "right", "1.1.1.1"))


async def test_ipv6_addresses_of_one_subscriber_are_counted_together(
    throttled: ThrottledAuthenticator,
) -> None:
    for n in range(3):
        await throttled.authenticate(PasswordAttempt("alice", "wrong", f"2001:db8::{n}"))
    with pytest.raises(Throttled):
        await throttled.authenticate(PasswordAttempt("alice", "right", "2001:db8::ffff"))
    assert isinstance(
        await throttled.authenticate(PasswordAttempt("alice", "right", "2001:db8:0:1::1")),
        ExternalIdentity,
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
def test_network_of_address_is_ipv4_address_or_ipv6_prefix(address: str, counted: str) -> None:
    assert network_of(address) == counted


async def test_counters_of_many_long_names_take_bounded_memory(
    provider: CountingProvider, clock: Clock
) -> None:
    throttled = ThrottledAuthenticator(provider, LIMITS, clock, max_counters=10)
    tracemalloc.start()
    for n in range(100):
        await throttled.authenticate(PasswordAttempt(f"{n}" + "x" * 50_000, "wrong", f"10.0.0.{n}"))
    memory, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert memory < 200_000


async def test_many_names_from_one_address_are_throttled(throttled: ThrottledAuthenticator) -> None:
    for n in range(6):
        await throttled.authenticate(PasswordAttempt(f"user-{n}", "wrong", "6.6.6.6"))
    with pytest.raises(Throttled):
        await throttled.authenticate(PasswordAttempt("user-7", "right", "6.6.6.6"))


async def test_unknown_names_are_throttled_like_known_names(
    throttled: ThrottledAuthenticator,
) -> None:
    waits = []
    for name in ("alice", "unknown"):
        for _ in range(3):
            await throttled.authenticate(PasswordAttempt(name, "wrong", name))
        with pytest.raises(Throttled) as caught:
            await throttled.authenticate(PasswordAttempt(name, "wrong", name))
        waits.append(caught.value.retry_after)
    assert waits[0] == waits[1]


async def test_successful_sign_in_resets_failures(throttled: ThrottledAuthenticator) -> None:
    for n in range(10):
        address = f"1.1.1.{n % 5}"
        for _ in range(2):
            assert isinstance(
                await throttled.authenticate(PasswordAttempt("alice", "wrong", address)),
                Rejected | None,
            )
        assert isinstance(
            await throttled.authenticate(PasswordAttempt("alice", "right", address)),
            ExternalIdentity,
        )


async def test_unavailable_backend_counts_no_failure(
    throttled: ThrottledAuthenticator, provider: CountingProvider
) -> None:
    provider.broken = True
    for _ in range(20):
        with pytest.raises(ProviderUnavailable):
            await throttled.authenticate(PasswordAttempt("alice", "right", "1.1.1.1"))


class SilentProvider:
    """A provider that answers after ``answered`` is set."""

    name = "silent"

    def __init__(self) -> None:
        self.answered = asyncio.Event()
        self.outcome: ExternalIdentity | Rejected | ProviderUnavailable = Rejected("wrong")

    async def authenticate(self, attempt: PasswordAttempt) -> Outcome:
        """Return or raise the outcome as soon as it is known."""
        await self.answered.wait()
        if isinstance(self.outcome, ProviderUnavailable):
            raise self.outcome
        return self.outcome


@pytest.mark.parametrize("unavailable", [True, False])
async def test_attempt_beside_those_in_progress_may_be_repeated_soon(
    clock: Clock, *, unavailable: bool
) -> None:
    silent = SilentProvider()
    throttled = ThrottledAuthenticator(silent, LIMITS, clock)
    address = "6.6.6.6"
    waiting = [
        asyncio.create_task(throttled.authenticate(PasswordAttempt(f"user-{n}", "x", address)))
        for n in range(LIMITS.attempts_per_address)
    ]
    await asyncio.sleep(0)  # Each of them begins.
    with pytest.raises(Throttled) as caught:
        await throttled.authenticate(PasswordAttempt("another", "x", address))
    assert caught.value.retry_after <= IN_PROGRESS_SECONDS
    if unavailable:
        silent.outcome = ProviderUnavailable("no response")
    silent.answered.set()
    await asyncio.gather(*waiting, return_exceptions=True)
    if unavailable:
        silent.outcome = Rejected("wrong")
        assert isinstance(
            await throttled.authenticate(PasswordAttempt("another", "x", address)), Rejected
        )
        return
    with pytest.raises(Throttled) as caught:
        await throttled.authenticate(PasswordAttempt("another", "x", address))
    assert caught.value.retry_after > IN_PROGRESS_SECONDS


@given(st.lists(st.tuples(st.sampled_from("ab"), st.floats(0, 30)), max_size=60))
def test_failures_of_one_key_in_a_window_are_bounded(
    steps: list[tuple[str, float]],
) -> None:
    counter, now, allowed = FailureCounter(3, 60.0), 0.0, []
    for key, pause in steps:
        now += pause
        if counter.wait(key, now) == 0.0:
            counter.fail(key, now)
            counter.settle(key)
            allowed.append((key, now))
    for key, at in allowed:
        assert len([1 for k, t in allowed if k == key and at - 60.0 < t <= at]) <= 3
