"""Tests of limits on password attempts."""

import time
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.base import (
    ExternalIdentity,
    PasswordAttempt,
    ProviderUnavailable,
    Rejected,
    Throttled,
)
from providers.throttle import FailureCounter, Limits, ThrottledAuthenticator, network_of

LIMITS = Limits(attempts_per_user=3, attempts_per_address=6, window=60.0)


class CountingProvider:
    """Provider that accepts one password and counts the attempts."""

    name = "local"

    def __init__(self) -> None:
        self.attempts = 0
        self.broken = False

    async def authenticate(self, attempt: PasswordAttempt) -> ExternalIdentity | None:
        self.attempts += 1
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
def provider() -> CountingProvider:
    return CountingProvider()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def throttled(provider: CountingProvider, clock: Clock) -> ThrottledAuthenticator:
    return ThrottledAuthenticator(provider, LIMITS, clock)


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


@given(st.lists(st.tuples(st.sampled_from("ab"), st.floats(0, 30)), max_size=60))
def test_failures_of_one_key_in_a_window_are_bounded(
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


class Directory:
    """Provider in which one account has many names. It reports the account that it finds."""

    name = "corp"

    def __init__(self) -> None:
        self.searches = 0

    async def authenticate(self, attempt: PasswordAttempt) -> ExternalIdentity | None:
        if attempt.username.startswith("unknown"):
            return None
        attempt.found("corp_user://1")
        self.searches += 1
        if attempt.password != "right":
            return None
        return ExternalIdentity("corp_user://1", "alice", "")


def spellings() -> list[str]:
    return [f"alice{n}" for n in range(50)]


async def test_names_of_one_account_are_counted_together(clock: Clock) -> None:
    directory = Directory()
    throttled = ThrottledAuthenticator(directory, LIMITS, clock)
    for name in spellings()[:3]:
        await throttled.authenticate(PasswordAttempt(name, "wrong", "1.1.1.1"))
    with pytest.raises(Throttled) as caught:
        await throttled.authenticate(PasswordAttempt("another-name", "right", "1.1.1.1"))
    assert directory.searches == 3
    clock.now += caught.value.retry_after
    assert await throttled.authenticate(PasswordAttempt("another-name", "right", "1.1.1.1"))


async def test_names_of_one_account_are_counted_together_over_all_addresses(clock: Clock) -> None:
    directory = Directory()
    throttled = ThrottledAuthenticator(directory, LIMITS, clock)
    for n, name in enumerate(spellings()[:30]):
        await throttled.authenticate(PasswordAttempt(name, "wrong", f"10.0.0.{n}"))
    with pytest.raises(Throttled):
        await throttled.authenticate(PasswordAttempt("fresh-name", "right", "10.0.1.1"))
    assert directory.searches == 30


async def test_failures_under_other_names_do_not_lock_out_address_of_earlier_sign_in(
    clock: Clock,
) -> None:
    throttled = ThrottledAuthenticator(Directory(), LIMITS, clock)
    assert await throttled.authenticate(PasswordAttempt("alice", "right", "1.1.1.1"))
    for n, name in enumerate(spellings()[:30]):
        await throttled.authenticate(PasswordAttempt(name, "wrong", f"10.0.0.{n}"))
    for name in ("alice", "another-name"):
        assert await throttled.authenticate(PasswordAttempt(name, "right", "1.1.1.1"))


async def test_successful_sign_in_resets_failures_of_other_names(clock: Clock) -> None:
    throttled = ThrottledAuthenticator(Directory(), LIMITS, clock)
    for _ in range(3):
        for name in spellings()[:2]:
            await throttled.authenticate(PasswordAttempt(name, "wrong", "1.1.1.1"))
        assert await throttled.authenticate(PasswordAttempt("alice", "right", "1.1.1.1"))
        clock.now += LIMITS.window


async def test_attempts_throttled_by_account_count_for_the_address(clock: Clock) -> None:
    """Otherwise such attempts would cause an unlimited number of searches."""
    throttled = ThrottledAuthenticator(Directory(), LIMITS, clock)
    for name in spellings()[:3]:
        await throttled.authenticate(PasswordAttempt(name, "wrong", "1.1.1.1"))
    for name in spellings()[3:6]:
        with pytest.raises(Throttled):
            await throttled.authenticate(PasswordAttempt(name, "wrong", "1.1.1.1"))
    with pytest.raises(Throttled):
        await throttled.authenticate(PasswordAttempt("unknown", "wrong", "1.1.1.1"))


@pytest.mark.parametrize(
    "spelling",
    [
        "ZO\u00cb",
        "zoe\u0308",
        "\uff5a\uff4f\u00eb",
        " zo\u00eb\t",
        "zo\u00ad\u00eb",
        "zo\u200b\u00eb\ufe0f",
        "\u2060zo\u00eb",
    ],
)
async def test_spellings_of_one_name_share_one_counter(
    throttled: ThrottledAuthenticator, provider: CountingProvider, spelling: str
) -> None:
    for _ in range(3):
        await throttled.authenticate(PasswordAttempt("zo\u00eb", "wrong", "1.1.1.1"))
    with pytest.raises(Throttled):
        await throttled.authenticate(PasswordAttempt(spelling, "right", "1.1.1.1"))
    assert provider.attempts == 3


async def test_name_of_combining_characters_takes_linear_time(
    throttled: ThrottledAuthenticator,
) -> None:
    """Normalization takes quadratic time: 64 KiB blocked the event loop for four seconds."""
    name = "a" + "\u0315" * 16_000 + "\u0316" * 16_000
    started = time.process_time()
    await throttled.authenticate(PasswordAttempt(name, "wrong", "1.1.1.1"))
    assert time.process_time() - started < 1
