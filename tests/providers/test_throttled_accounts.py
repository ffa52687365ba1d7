"""Tests of limits on password attempts for an account with several names."""

import time

import pytest

from providers.base import (
    ExternalIdentity,
    PasswordAttempt,
    Throttled,
)
from providers.throttle import ThrottledAuthenticator
from tests.providers.attempts import LIMITS, Clock, CountingProvider


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
