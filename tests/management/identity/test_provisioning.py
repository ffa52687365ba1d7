"""From what a provider says of somebody to a user, on a real store."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from management.access_modes import EVERYBODY
from management.accounts import StoredAccounts
from management.admission import Admission
from management.door import Door
from management.sign_in import SignedIn, SignIn
from management.tokens import Lifetimes, TokenService
from management.users import ensure_administrator, new_user
from providers.base import Attempt, ExternalGroup, ExternalIdentity, ProviderUnavailable, Refused
from store.database import SqlStore, open_store
from store.encryption import Keyring, generate_key
from store.interfaces import User

DAY = timedelta(days=1)
ZOE = ExternalIdentity("dir_user://1", "zoe", "Zoe", (ExternalGroup("dir_group://9", "Ops"),))


class Directory:
    """A provider that says of everybody what it was told to say."""

    def __init__(self, name: str, says: ExternalIdentity | None) -> None:
        self.name = name
        self.says = says

    async def authenticate(self, attempt: Attempt) -> ExternalIdentity | None:
        return self.says


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqlStore]:
    opened = await open_store(f"sqlite:///{tmp_path / 'sekisho.db'}", Keyring.parse(generate_key()))
    yield opened
    await opened.close()


def sign_in(store: SqlStore, *directories: Directory) -> SignIn:
    tokens = TokenService(store.tokens, Lifetimes(DAY, DAY, DAY, DAY))
    doors = {
        one.name: Door(
            ("dir_user", "dir_group"), Admission(store, one.name, EVERYBODY), password=one
        )
        for one in directories
    }
    return SignIn(store, tokens, doors)


async def enter(store: SqlStore, says: ExternalIdentity | None, name: str = "dir") -> SignedIn:
    done = await sign_in(store, Directory(name, says)).with_password(name, Attempt("zoe", "x"))
    assert isinstance(done, SignedIn)
    return done


async def test_the_first_sign_in_makes_a_user_and_the_next_finds_it(store: SqlStore) -> None:
    first = await enter(store, ZOE)
    again = await enter(store, replace(ZOE, username="zoe.smith"))
    assert again.user.id == first.user.id
    assert not first.user.administrator
    assert [one.id for one in await store.users.memberships(first.user.id)] == ["dir_group://9"]


async def test_groups_are_what_the_provider_says_now(store: SqlStore) -> None:
    user = (await enter(store, ZOE)).user
    await enter(store, replace(ZOE, groups=()))
    assert not await store.users.memberships(user.id)


async def test_many_first_sign_ins_at_once_make_one_user(store: SqlStore) -> None:
    done = await asyncio.gather(*(enter(store, ZOE) for _ in range(8)))
    assert len({one.user.id for one in done}) == 1
    assert len(await store.users.list_all()) == 1


async def test_a_disabled_user_does_not_get_in_whatever_the_provider_says(store: SqlStore) -> None:
    user = (await enter(store, ZOE)).user
    await store.users.update(user.id, enabled=False)
    door = sign_in(store, Directory("dir", ZOE))
    assert await door.with_password("dir", Attempt("zoe", "x")) == Refused("user_disabled")


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
async def test_what_a_provider_may_not_say_is_its_fault_and_makes_nobody(
    store: SqlStore, says: ExternalIdentity
) -> None:
    with pytest.raises(ProviderUnavailable, match="named somebody it may not"):
        await enter(store, says)
    assert not await store.users.list_all()


async def test_a_display_name_is_made_fit_to_show(store: SqlStore) -> None:
    user = (await enter(store, replace(ZOE, display_name="Zo\x1b[31m\0e"))).user
    assert user.display_name == "Zo\ufffd[31m\ufffde"


async def test_a_second_provider_of_a_type_does_not_speak_for_the_first(store: SqlStore) -> None:
    user = (await enter(store, ZOE, "first")).user
    both = sign_in(
        store,
        Directory("first", ZOE),
        Directory("second", replace(ZOE, groups=(ExternalGroup("dir_group://666", "Root"),))),
    )
    with pytest.raises(ProviderUnavailable):
        await both.with_password("second", Attempt("zoe", "x"))
    assert [one.id for one in await store.users.memberships(user.id)] == ["dir_group://9"]


async def test_a_provider_that_is_called_something_else_now_keeps_its_people(
    store: SqlStore,
) -> None:
    user = (await enter(store, ZOE, "corp")).user
    assert (await enter(store, ZOE, "corp-ad")).user.id == user.id


async def test_replicas_that_start_together_make_one_administrator(store: SqlStore) -> None:
    told = await asyncio.gather(
        *(ensure_administrator(store, f"password {n}", "hash") for n in range(6))
    )
    assert len([one for one in told if one is not None]) == 1
    admin: User = (await store.users.list_all())[0]
    assert admin.administrator
    assert await ensure_administrator(store, "another", "hash") is None


async def test_a_rehash_does_not_bring_an_old_password_back(store: SqlStore) -> None:
    alice = new_user("alice")
    await store.users.create(alice, password_hash="old, weak hash")
    accounts = StoredAccounts(store)
    read = await accounts.find("alice")
    assert read is not None
    await store.users.set_password(alice.id, "alice", "hash of a new password")
    await accounts.rehash(read, "old, strong hash")
    now = await accounts.find("alice")
    assert now is not None
    assert now.hash == "hash of a new password"
