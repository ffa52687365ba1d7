"""From a provider's identity to a user, with a real store."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from management.identity.local_passwords import StoredAccounts
from management.identity.provider_capabilities import ProviderCapabilities
from management.identity.sign_in import SignInResult, SignInService
from management.identity.sign_in_policy import UNRESTRICTED, SignInPolicy
from management.identity.tokens import TokenIssuer, TokenLifetimes
from management.identity.users import ensure_administrator, new_user
from providers.base import (
    ExternalGroup,
    ExternalIdentity,
    PasswordAttempt,
    ProviderUnavailable,
    Rejected,
)
from store.database import SqlStore
from store.encryption import Keyring, generate_key
from store.records import NewPassword, User
from tests.support.stores import open_new_store

DAY = timedelta(days=1)
ZOE = ExternalIdentity("dir_user://1", "zoe", "Zoe", (ExternalGroup("dir_group://9", "Ops"),))


class Directory:
    """A provider that returns a scripted outcome for every user."""

    def __init__(self, name: str, says: ExternalIdentity | None) -> None:
        self.name = name
        self.says = says

    async def authenticate(self, attempt: PasswordAttempt) -> ExternalIdentity | None:
        return self.says


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqlStore]:
    opened = await open_new_store(
        f"sqlite:///{tmp_path / 'sekisho.db'}", Keyring.parse(generate_key())
    )
    yield opened
    await opened.close()


def sign_in(store: SqlStore, *directories: Directory) -> SignInService:
    tokens = TokenIssuer(store.tokens, TokenLifetimes(DAY, DAY, DAY, DAY))
    providers = {
        one.name: ProviderCapabilities(
            ("dir_user", "dir_group"), SignInPolicy(store, one.name, UNRESTRICTED), password=one
        )
        for one in directories
    }
    return SignInService(store, tokens, providers)


async def enter(store: SqlStore, says: ExternalIdentity | None, name: str = "dir") -> SignInResult:
    done = await sign_in(store, Directory(name, says)).with_password(
        name, PasswordAttempt("zoe", "x")
    )
    assert isinstance(done, SignInResult)
    return done


async def test_first_sign_in_creates_a_user_and_the_next_finds_it(store: SqlStore) -> None:
    first = await enter(store, ZOE)
    again = await enter(store, replace(ZOE, username="zoe.smith"))
    assert again.user.id == first.user.id
    assert not first.user.administrator
    assert [one.id for one in await store.users.memberships(first.user.id)] == ["dir_group://9"]


async def test_sign_in_updates_the_groups(store: SqlStore) -> None:
    user = (await enter(store, ZOE)).user
    await enter(store, replace(ZOE, groups=()))
    assert not await store.users.memberships(user.id)


async def test_concurrent_first_sign_ins_create_one_user(store: SqlStore) -> None:
    done = await asyncio.gather(*(enter(store, ZOE) for _ in range(8)))
    assert len({one.user.id for one in done}) == 1
    assert len(await store.users.list_all()) == 1


async def test_disabled_user_cannot_sign_in(store: SqlStore) -> None:
    user = (await enter(store, ZOE)).user
    await store.users.update(user.id, enabled=False)
    capabilities = sign_in(store, Directory("dir", ZOE))
    assert await capabilities.with_password("dir", PasswordAttempt("zoe", "x")) == Rejected(
        "user_disabled"
    )


@pytest.mark.parametrize(
    "says",
    [
        replace(ZOE, username="system:admin"),
        replace(ZOE, principal_id="local://u-1234567890"),
        replace(ZOE, principal_id="dir_user://"),
        replace(ZOE, principal_id="dir_user"),
        replace(ZOE, principal_id="system:masters"),
        replace(ZOE, username=""),
        replace(ZOE, username="zo\0e"),
        replace(ZOE, principal_id="dir_user://1\r\nImpersonate-Group: system:masters"),
        replace(ZOE, groups=(ExternalGroup("system:masters", "Ops"),)),
        replace(ZOE, groups=(ExternalGroup("dir_group://9", "system:masters"),)),
        replace(ZOE, groups=(ExternalGroup("github_team://9", "Ops"),)),
    ],
)
async def test_invalid_identity_is_an_error_of_the_provider_and_creates_no_user(
    store: SqlStore, says: ExternalIdentity
) -> None:
    with pytest.raises(ProviderUnavailable, match="returned an invalid identity"):
        await enter(store, says)
    assert not await store.users.list_all()


async def test_display_name_is_stored_without_control_characters(store: SqlStore) -> None:
    user = (await enter(store, replace(ZOE, display_name="Zo\x1b[31m\0e"))).user
    assert user.display_name == "Zo[31me"


async def test_second_provider_of_a_type_does_not_own_the_firsts_principals(
    store: SqlStore,
) -> None:
    user = (await enter(store, ZOE, "first")).user
    both = sign_in(
        store,
        Directory("first", ZOE),
        Directory("second", replace(ZOE, groups=(ExternalGroup("dir_group://666", "Root"),))),
    )
    with pytest.raises(ProviderUnavailable):
        await both.with_password("second", PasswordAttempt("zoe", "x"))
    assert [one.id for one in await store.users.memberships(user.id)] == ["dir_group://9"]


async def test_renamed_provider_keeps_its_users_after_an_operators_confirmation(
    store: SqlStore,
) -> None:
    schemes = ["dir_user", "dir_group"]
    await store.claims.claim("corp", {"type": "dir"}, schemes)
    user = (await enter(store, ZOE, "corp")).user
    with pytest.raises(ProviderUnavailable):
        await enter(store, ZOE, "corp-ad")
    await store.claims.adopt("corp-ad", {"type": "dir"}, schemes, former="corp")
    assert (await enter(store, ZOE, "corp-ad")).user.id == user.id


async def test_replicas_starting_together_create_one_administrator(store: SqlStore) -> None:
    created = await asyncio.gather(
        *(ensure_administrator(store, NewPassword("admin", f"hash {n}")) for n in range(6))
    )
    assert sorted(created) == [False] * 5 + [True]
    admin: User = (await store.users.list_all())[0]
    assert admin.administrator
    assert not await ensure_administrator(store, NewPassword("admin", "another hash"))


async def test_rehash_does_not_restore_an_old_password(store: SqlStore) -> None:
    alice = new_user("alice")
    await store.users.create(alice, password=NewPassword("alice", "old, weak hash"))
    accounts = StoredAccounts(store)
    read = await accounts.find("alice")
    assert read is not None
    await store.users.set_password(alice.id, NewPassword("alice", "hash of a new password"))
    await accounts.rehash(read, "old, strong hash")
    now = await accounts.find("alice")
    assert now is not None
    assert now.hash == "hash of a new password"
