"""Tests of revocations: descendants of a token, and the sessions of a sign-in."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from store.access_records import Binding
from store.database import SqlStore
from store.errors import ParentGone
from store.records import Check, Holdings, Membership, NewPassword, Token
from tests.store.records import a_binding, a_cluster, a_token, a_user


def a_session(name: str, first: str | None = None, parent: str | None = None) -> Token:
    return replace(a_token(name), kind="session", sign_in=first or name, parent=parent)


async def names(store: SqlStore) -> set[str]:
    return {one.name for one in await store.tokens.list_for("u-alice")}


async def test_revoking_token_revokes_its_descendants(store: SqlStore) -> None:
    await store.users.create(a_user())
    await store.users.create(a_user("bob"))
    for name, parent in (("a", None), ("b", "a"), ("c", "b"), ("d", "c"), ("e", None), ("f", "e")):
        await store.tokens.create(a_token(name, parent=parent))
    await store.tokens.create(a_token("bobs", "u-bob"))
    assert await store.tokens.revoke("b")
    assert await names(store) == {"a", "e", "f"}
    assert await store.tokens.get("bobs") is not None


async def test_sign_out_ends_every_session_of_the_sign_in_and_no_token(store: SqlStore) -> None:
    await store.users.create(a_user())
    await store.tokens.create(a_session("s1"))
    await store.tokens.create(a_session("s2", "s1", "s1"))
    await store.tokens.create(a_session("s3", "s1", "s2"))
    await store.tokens.create(a_session("other"))
    await store.tokens.create(a_token("made", parent="s2", sign_in="s1"))
    await store.tokens.create(a_token("made-with-it", parent="made", sign_in="s1"))
    assert await store.tokens.sign_out("s3")
    assert await names(store) == {"other", "made", "made-with-it"}


async def test_revoking_session_revokes_tokens_of_the_sign_in(store: SqlStore) -> None:
    await store.users.create(a_user())
    await store.tokens.create(a_session("s1"))
    await store.tokens.create(a_token("early", parent="s1", sign_in="s1"))
    await store.tokens.create(a_session("s2", "s1", "s1"))
    await store.tokens.create(a_session("other"))
    await store.tokens.create(a_token("late", parent="s2", sign_in="s1"))
    assert await store.tokens.revoke("s2")
    assert await names(store) == {"other"}


async def test_token_is_not_created_with_revoked_parent(store: SqlStore) -> None:
    await store.users.create(a_user())
    await store.users.create(a_user("bob"))
    await store.tokens.create(a_token("bobs", "u-bob"))
    for parent in ("gone", "bobs"):
        with pytest.raises(ParentGone):
            await store.tokens.create(a_token("child", parent=parent))


async def test_token_created_during_revocation_of_its_parent_is_revoked(
    store: SqlStore,
) -> None:
    await store.users.create(a_user())
    for turn in range(10):
        root = f"root-{turn}"
        await store.tokens.create(a_token(root))
        work = [
            asyncio.create_task(store.tokens.create(a_token(f"{root}-{n}", parent=root)))
            for n in range(8)
        ]
        revoked = asyncio.create_task(store.tokens.revoke(root))
        await asyncio.gather(*work, return_exceptions=True)
        assert await revoked
        assert await names(store) == set()


async def test_similar_tokens_are_bounded_and_least_recently_used_ends(store: SqlStore) -> None:
    await store.users.create(a_user())
    for n in range(5):
        await store.tokens.create(
            replace(a_token(f"k{n}"), kind="kubeconfig", clusters=("c-a",)), at_most=3
        )
    await store.tokens.create(
        replace(a_token("else"), kind="kubeconfig", clusters=("c-b",)), at_most=3
    )
    await store.tokens.create(a_token("token"))
    assert await names(store) == {"k2", "k3", "k4", "else", "token"}


def refuse_holders(held: Holdings) -> None:
    """Refuse to act on any user who holds a binding."""
    if held.bindings:
        raise LookupError


@pytest.mark.parametrize("through", ["name", "group"])
async def test_check_sees_holdings_of_the_transaction(store: SqlStore, through: str) -> None:
    await store.users.create(a_user(), password=NewPassword("alice", "hash"))
    await store.clusters.create(a_cluster())
    await store.users.set_memberships(
        "u-alice", "ldap", [Membership("ldap_group://7", "ldap", "crew")]
    )
    await store.tokens.create(a_token("t"))
    await store.bindings.create(
        a_binding("u-alice" if through == "name" else "ldap_group://7", "cluster-owner")
    )
    check: Check = refuse_holders
    for act in (
        store.users.set_password("u-alice", NewPassword("alice", "another"), check=check),
        store.users.update("u-alice", enabled=False, check=check),
        store.users.delete("u-alice", check=check),
        store.tokens.revoke("t", check=check),
        store.identities.revoke_tokens(user_id="u-alice", check=check),
    ):
        with pytest.raises(LookupError):
            await act
    alice = await store.users.get("u-alice")
    assert alice is not None
    assert alice.enabled
    assert (await store.users.password("alice")).hash == "hash"  # type: ignore[union-attr]
    assert await names(store) == {"t"}


async def test_password_change_ends_other_sessions_and_unlocks_the_kept_one(
    store: SqlStore,
) -> None:
    await store.users.create(a_user(), password=NewPassword("alice", "given", must_change=True))
    for name in ("s1", "s2"):
        await store.tokens.create(replace(a_session(name), confined=True))
    await store.tokens.create(a_token("t"))
    new = NewPassword("alice", "chosen", ends="sessions", keep="s1")
    assert await store.users.set_password("u-alice", new) == 1
    assert await names(store) == {"s1", "t"}
    kept = await store.tokens.get("s1")
    assert kept is not None
    assert not kept.confined
    assert await store.users.set_password("u-alice", replace(new, ends="tokens", keep=None)) == 2


async def test_refusal_to_remove_is_checked_in_the_transaction(store: SqlStore) -> None:
    await store.users.create(a_user())
    await store.clusters.create(a_cluster())
    held = await store.bindings.create(a_binding(role="cluster-owner"))
    seen: list[str] = []

    def refuse(taken: Sequence[Binding]) -> None:
        seen.extend(one.role_id for one in taken)
        raise LookupError

    with pytest.raises(LookupError):
        await store.bindings.delete_of("c-prod", "u-alice", check=refuse)
    reader = a_binding(role="cluster-read-only")
    with pytest.raises(LookupError):
        await store.bindings.create(reader, instead=True, check=refuse)
    assert seen == ["cluster-owner"] * 2
    assert await store.bindings.in_cluster("c-prod") == [held]
    assert await store.bindings.delete_of("c-prod", "u-alice", check=lambda _: None) == 1
