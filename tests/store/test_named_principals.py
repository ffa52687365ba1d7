"""Known principals are found by the beginning of their names."""

from dataclasses import replace

import pytest

from store.interfaces import Store
from store.records import Membership
from tests.store.records import a_user


@pytest.fixture
async def known(store: Store) -> Store:
    for name in ("alice", "Alina", "al%x", "bob"):
        await store.users.create(a_user(name))
    await store.users.create(replace(a_user("alan"), enabled=False))
    groups = [Membership("local_group://ops", "local", "all-ops")]
    for name in ("alice", "bob"):
        await store.users.set_memberships(f"u-{name}", "local", groups)
    return store


@pytest.mark.parametrize(
    ("provider", "beginning", "expected"),
    [
        ("local", "al", ["Alina", "al%x", "alice", "all-ops"]),
        ("local", "ALI", ["Alina", "alice"]),
        ("local", "al%", ["al%x"]),
        ("local", "_", []),
        ("local", "lice", []),
        ("local", "\0", []),
        ("corp", "al", []),
    ],
)
async def test_principals_are_found_by_the_beginning_of_the_name(
    known: Store, provider: str, beginning: str, expected: list[str]
) -> None:
    found = await known.identities.named(provider, beginning, limit=10)
    assert sorted(one.name for one in found) == expected


async def test_group_is_found_once_and_results_are_limited(known: Store) -> None:
    found = await known.identities.named("local", "al", limit=10)
    assert [(one.id, one.kind) for one in found if one.kind == "group"] == [
        ("local_group://ops", "group")
    ]
    assert len(await known.identities.named("local", "al", limit=2)) == 2
