"""Finding subjects: an exact id, then a principal, then a unique username."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from management.errors import InvalidRequest, UserNotFound
from management.identity.subjects import find_group, find_role_subject, find_user
from store.database import SqlStore
from store.encryption import Keyring
from store.records import Membership, Principal
from tests.store.records import a_binding, a_user
from tests.support.stores import open_new_store

GROUP = "openldap_group://1"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqlStore]:
    opened = await open_new_store(f"sqlite:///{tmp_path / 'x.db'}", Keyring([b"k" * 32]))
    await opened.users.create(a_user("alice"))
    yield opened
    await opened.close()


async def squatter(store: SqlStore, called: str, number: int = 1) -> str:
    """Create a user of that name at an issuer where users choose their names."""
    principal = Principal(f"oidc_wild_user://{number}", "wild", called)
    user = replace(a_user(f"squatter{number}"), username=called, principals=(principal,))
    await store.users.create(user)
    return user.id


@pytest.mark.parametrize("called", ["u-alice", "local://u-alice"])
async def test_id_and_principal_take_precedence_over_usernames(
    store: SqlStore, called: str
) -> None:
    await squatter(store, called)
    assert (await find_user(store, called)).id == "u-alice"
    assert (await find_role_subject(store, called)).id == "u-alice"


@pytest.mark.parametrize("called", ["u-7hx2kqm3va", "github_user://42", GROUP])
async def test_username_with_the_text_of_an_unknown_id_or_principal_is_not_found(
    store: SqlStore, called: str
) -> None:
    for number in (1, 2):
        other = await squatter(store, called, number)
        for provider in (None, "wild"):
            with pytest.raises(UserNotFound, match=f'user "{called}" not found'):
                await find_user(store, called, provider)
        with pytest.raises(UserNotFound, match=f'user "{called}" not found'):
            await find_role_subject(store, called)
        assert (await find_user(store, other)).username == called


async def test_username_of_two_users_is_ambiguous_and_lists_both(
    store: SqlStore,
) -> None:
    other = await squatter(store, "alice")
    with pytest.raises(UserNotFound) as caught:
        await find_user(store, "alice")
    assert "u-alice (alice at local)" in str(caught.value)
    assert f"{other} (alice at wild)" in str(caught.value)
    assert (await find_user(store, "alice", "wild")).id == other
    assert (await find_user(store, "alice", "local")).id == "u-alice"
    with pytest.raises(UserNotFound, match="at nowhere"):
        await find_user(store, "alice", "nowhere")


async def test_known_group_takes_precedence_over_a_username(
    store: SqlStore,
) -> None:
    await store.users.set_memberships("u-alice", "corp", [Membership(GROUP, "corp", "ops")])
    await squatter(store, GROUP)
    assert (await find_role_subject(store, GROUP)).user is None


async def claims(store: SqlStore) -> None:
    for name in ("corp", "lab"):
        await store.claims.claim(name, {"type": "openldap", "servers": [name]}, ["openldap_group"])


async def test_group_is_found_with_its_provider(store: SqlStore) -> None:
    await claims(store)
    for provider, wanted in (("corp", GROUP), ("lab", "openldap_lab_group://1")):
        found = await find_group(store, GROUP, "", provider, trusted=())
        assert found.id == wanted
        assert (await find_group(store, wanted, "", provider, trusted=())).id == wanted
    with pytest.raises(InvalidRequest, match="has no principals"):
        await find_group(store, "openldap_lab_group://1", "", "corp", trusted=())


async def test_group_of_several_providers_is_ambiguous(store: SqlStore) -> None:
    await claims(store)
    # An unknown group whose scheme belongs to a provider that a manager has added.
    with pytest.raises(InvalidRequest, match=r"openldap_lab_group://1 at lab"):
        await find_group(store, GROUP, "", trusted=())
    # The configured provider owns the scheme.
    assert (await find_group(store, GROUP, "", trusted=("corp",))).id == GROUP
    # Users of lab are in a group of that key, and none of corp's.
    await store.users.set_memberships(
        "u-alice", "lab", [Membership("openldap_lab_group://1", "lab", "ops")]
    )
    with pytest.raises(InvalidRequest, match="several providers"):
        await find_group(store, GROUP, "", trusted=("corp",))
    # An exact known id takes precedence.
    await store.users.set_memberships("u-alice", "corp", [Membership(GROUP, "corp", "ops")])
    assert (await find_group(store, GROUP, "", trusted=("corp",))).id == GROUP


async def test_removal_by_id_removes_the_right_subject(store: SqlStore) -> None:
    await squatter(store, "u-alice")
    await store.bindings.create(a_binding(role="administrator", cluster=None))
    assert (await find_role_subject(store, "u-alice")).id == "u-alice"
