"""The local provider: Argon2id, and the same work for everybody."""

import asyncio
from dataclasses import replace
from typing import Literal

import pytest
from argon2 import PasswordHasher

from providers.base import Account, Attempt, ExternalIdentity, ProviderUnavailable, Refused
from providers.local import MAX_PASSWORD_BYTES, LocalProvider

FAST = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


class CountingHasher(PasswordHasher):
    """Argon2 that counts its work, so that "the same time" need not be measured in time."""

    verified = 0

    def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:  # noqa: A002
        self.verified += 1
        return super().verify(hash, password)


class Accounts:
    """Accounts in memory: the part of the store that the provider asks for."""

    def __init__(self, *accounts: Account) -> None:
        self.accounts = {account.username: account for account in accounts}

    async def find(self, username: str) -> Account | None:
        return self.accounts.get(username.casefold())

    async def rehash(self, account: Account, password_hash: str) -> None:
        self.accounts[account.username] = replace(account, hash=password_hash)


def account(**values: object) -> Account:
    base = Account("u-alice", "alice", True, FAST.hash(b"right"))
    return replace(base, **values)  # type: ignore[arg-type]


async def provider(*accounts: Account, hasher: PasswordHasher = FAST) -> LocalProvider:
    made = LocalProvider("local", Accounts(*accounts), hasher)
    await made.start()
    return made


async def test_the_right_password_says_who_it_is() -> None:
    local = await provider(account(must_change=True))
    identity = await local.authenticate(Attempt("Alice", "right"))
    assert isinstance(identity, ExternalIdentity)
    assert identity.principal_id == "local://u-alice"
    assert identity.username == "alice"
    assert identity.must_change_password


@pytest.mark.parametrize(
    ("username", "password"),
    [("alice", "wrong"), ("nobody", "right"), ("alice", ""), ("", "right"), ("alice", "x" * 2000)],
)
async def test_everything_else_is_nobody(username: str, password: str) -> None:
    local = await provider(account())
    assert isinstance(await local.authenticate(Attempt(username, password)), Refused | None)


async def test_a_disabled_account_is_refused_like_a_wrong_password() -> None:
    local = await provider(account(enabled=False))
    assert isinstance(await local.authenticate(Attempt("alice", "right")), Refused | None)


async def test_an_unknown_name_costs_what_a_wrong_password_costs() -> None:
    hasher = CountingHasher(time_cost=1, memory_cost=8, parallelism=1)
    local = await provider(account(), account(username="off", enabled=False), hasher=hasher)
    for username in ("alice", "nobody", "off"):
        hasher.verified = 0
        await local.authenticate(Attempt(username, "wrong"))
        assert hasher.verified == 1, username


async def test_a_hash_with_old_parameters_is_made_anew_at_sign_in() -> None:
    accounts = Accounts(account())
    stronger = PasswordHasher(time_cost=2, memory_cost=16, parallelism=1)
    local = LocalProvider("local", accounts, stronger)
    await local.start()
    assert isinstance(await local.authenticate(Attempt("alice", "wrong")), Refused | None)
    assert "t=1" in accounts.accounts["alice"].hash
    assert isinstance(await local.authenticate(Attempt("alice", "right")), ExternalIdentity)
    assert "t=2" in accounts.accounts["alice"].hash
    assert isinstance(await local.authenticate(Attempt("alice", "right")), ExternalIdentity)


async def test_a_password_is_the_same_however_a_keyboard_composes_it() -> None:
    composed, decomposed = "caf\u00e9 caf\u00e9", "cafe\u0301 cafe\u0301"
    local = await provider(account(hash=FAST.hash(composed.encode())))
    assert isinstance(await local.authenticate(Attempt("alice", decomposed)), ExternalIdentity)


async def test_a_password_that_is_too_long_is_not_hashed() -> None:
    hasher = CountingHasher(time_cost=1, memory_cost=8, parallelism=1)
    local = await provider(account(), hasher=hasher)
    assert isinstance(
        await local.authenticate(Attempt("alice", "x" * (MAX_PASSWORD_BYTES + 1))), Refused | None
    )
    assert hasher.verified == 0


async def test_too_many_sign_ins_at_once_are_asked_to_come_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("providers.local.MAX_WAITING", 3)
    local = await provider(account())
    answers = await asyncio.gather(
        *(local.authenticate(Attempt("alice", "right")) for _ in range(10)), return_exceptions=True
    )
    busy = [one for one in answers if isinstance(one, ProviderUnavailable)]
    assert busy
    assert all(one.retry_after for one in busy)
    assert any(one is not None and not isinstance(one, BaseException) for one in answers)


async def test_a_damaged_hash_lets_nobody_in() -> None:
    local = await provider(account(hash="not a hash"))
    assert isinstance(await local.authenticate(Attempt("alice", "right")), Refused | None)


def test_an_attempt_does_not_show_its_password() -> None:
    assert "hunter2" not in repr(Attempt("alice", "hunter2"))
