"""Tests of the local provider: Argon2id, and equal work for every name."""

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest
from argon2 import PasswordHasher

from providers.base import (
    Account,
    ExternalIdentity,
    PasswordAttempt,
    ProviderUnavailable,
    Rejected,
    Throttled,
)
from providers.local import MAX_PASSWORD_BYTES, MAX_WAITING, LocalProvider

FAST = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


class CountingHasher(PasswordHasher):
    """Argon2 hasher that counts verifications, so that tests measure no time."""

    verified = 0

    def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:  # noqa: A002
        self.verified += 1
        return super().verify(hash, password)


class Accounts:
    """Accounts in memory, with the methods of the store that the provider calls."""

    def __init__(self, *accounts: Account) -> None:
        self.accounts = {account.username: account for account in accounts}

    async def find(self, username: str) -> Account | None:
        return self.accounts.get(username.casefold())

    async def rehash(self, account: Account, password_hash: str) -> None:
        self.accounts[account.username] = replace(account, hash=password_hash)


def account(**values: object) -> Account:
    base = Account("u-alice", "alice", True, FAST.hash(b"right"))
    return replace(base, **values)  # type: ignore[arg-type]


async def provider(
    *accounts: Account, hasher: PasswordHasher = FAST, max_waiting: int = MAX_WAITING
) -> LocalProvider:
    local = LocalProvider("local", Accounts(*accounts), hasher, max_waiting=max_waiting)
    await local.start()
    return local


async def test_correct_password_returns_identity() -> None:
    local = await provider(account(must_change=True))
    identity = await local.authenticate(PasswordAttempt("Alice", "right"))
    assert isinstance(identity, ExternalIdentity)
    assert identity.principal_id == "local://u-alice"
    assert identity.username == "alice"
    assert identity.must_change_password


@pytest.mark.parametrize(
    ("username", "password"),
    [("alice", "wrong"), ("unknown", "right"), ("alice", ""), ("", "right"), ("alice", "x" * 2000)],
)
async def test_wrong_credentials_are_rejected(username: str, password: str) -> None:
    local = await provider(account())
    assert isinstance(
        await local.authenticate(PasswordAttempt(username, password)), Rejected | None
    )


async def test_disabled_account_is_rejected_like_wrong_password() -> None:
    local = await provider(account(enabled=False))
    assert isinstance(await local.authenticate(PasswordAttempt("alice", "right")), Rejected | None)


async def test_unknown_name_costs_the_same_work_as_wrong_password() -> None:
    hasher = CountingHasher(time_cost=1, memory_cost=8, parallelism=1)
    local = await provider(account(), account(username="off", enabled=False), hasher=hasher)
    for username in ("alice", "unknown", "off"):
        hasher.verified = 0
        await local.authenticate(PasswordAttempt(username, "wrong"))
        assert hasher.verified == 1, username


async def test_hash_with_old_parameters_is_replaced_at_sign_in() -> None:
    accounts = Accounts(account())
    stronger = PasswordHasher(time_cost=2, memory_cost=16, parallelism=1)
    local = LocalProvider("local", accounts, stronger)
    await local.start()
    assert isinstance(await local.authenticate(PasswordAttempt("alice", "wrong")), Rejected | None)
    assert "t=1" in accounts.accounts["alice"].hash
    assert isinstance(await local.authenticate(PasswordAttempt("alice", "right")), ExternalIdentity)
    assert "t=2" in accounts.accounts["alice"].hash
    assert isinstance(await local.authenticate(PasswordAttempt("alice", "right")), ExternalIdentity)


async def test_decomposed_password_equals_composed_password() -> None:
    composed, decomposed = "caf\u00e9 caf\u00e9", "cafe\u0301 cafe\u0301"
    local = await provider(account(hash=FAST.hash(composed.encode())))
    assert isinstance(
        await local.authenticate(PasswordAttempt("alice", decomposed)), ExternalIdentity
    )


async def test_oversized_password_is_not_hashed() -> None:
    hasher = CountingHasher(time_cost=1, memory_cost=8, parallelism=1)
    local = await provider(account(), hasher=hasher)
    assert isinstance(
        await local.authenticate(PasswordAttempt("alice", "x" * (MAX_PASSWORD_BYTES + 1))),
        Rejected | None,
    )
    assert hasher.verified == 0


async def test_excess_concurrent_sign_ins_are_unavailable_with_retry_after() -> None:
    local = await provider(account(), max_waiting=3)
    outcomes = await asyncio.gather(
        *(local.authenticate(PasswordAttempt("alice", "right")) for _ in range(10)),
        return_exceptions=True,
    )
    busy = [one for one in outcomes if isinstance(one, ProviderUnavailable)]
    assert busy
    assert all(one.retry_after for one in busy)
    assert any(one is not None and not isinstance(one, BaseException) for one in outcomes)


async def test_damaged_hash_rejects_sign_in() -> None:
    local = await provider(account(hash="not a hash"))
    assert isinstance(await local.authenticate(PasswordAttempt("alice", "right")), Rejected | None)


def test_password_attempt_repr_has_no_password() -> None:
    assert "hunter2" not in repr(PasswordAttempt("alice", "hunter2"))


async def test_password_of_combining_characters_takes_linear_time() -> None:
    local = await provider(account())
    password = "a" + "\u0315" * 16_000 + "\u0316" * 16_000
    started = time.process_time()
    assert await local.authenticate(PasswordAttempt("alice", password)) == Rejected(
        "password_too_long"
    )
    assert time.process_time() - started < 1


async def test_expired_password_is_rejected() -> None:
    ended = datetime.now(UTC) - timedelta(seconds=1)
    local = await provider(account(must_change=True, expires_at=ended))
    outcome = await local.authenticate(PasswordAttempt("alice", "right"))
    assert isinstance(outcome, Rejected)
    assert outcome.reason == "password_expired"
    assert await local.authenticate(PasswordAttempt("alice", "wrong")) == Rejected("wrong_password")


async def test_account_is_reported_before_its_password_is_checked() -> None:
    local = await provider(account())
    found: list[str] = []

    def refuse(principal_id: str) -> None:
        found.append(principal_id)
        raise Throttled(7)

    with pytest.raises(Throttled):
        await local.authenticate(PasswordAttempt("ALICE", "wrong", found=refuse))
    assert found == ["local://u-alice"]
    assert await local.authenticate(PasswordAttempt("unknown", "wrong", found=refuse)) == Rejected(
        "unknown_user"
    )
