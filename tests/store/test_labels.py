"""Tests of labels in the store, over both databases."""

from dataclasses import replace
from typing import Any

from store.access_records import Project, Role
from store.database import SqlStore, open_store, upgrade_database
from store.encryption import Keyring, generate_key
from tests.store.direct_access import execute
from tests.store.records import NOW, a_binding, a_cluster, a_user

TEAM = {"example.com/team": "shop"}
ROLE = Role("r-x", "cluster", "x", created_at=NOW, labels=TEAM)


async def test_labels_of_every_kind_are_returned_unchanged(store: SqlStore) -> None:
    await store.users.create(a_user(labels=TEAM))
    await store.clusters.create(a_cluster(labels=TEAM))
    await store.roles.create(ROLE)
    await store.projects.create(Project("p-shop", "c-prod", "shop", NOW, labels=TEAM))
    await store.bindings.create(a_binding(labels=TEAM))
    found: list[Any] = [
        await store.users.get("u-alice"),
        await store.clusters.get("prod"),
        *await store.roles.list_all(),
        await store.projects.get("p-shop"),
        *await store.bindings.everywhere(),
    ]
    assert [one.labels for one in found] == [TEAM] * 5


async def test_labels_change_with_a_record_and_stay_otherwise(store: SqlStore) -> None:
    await store.users.create(a_user(labels=TEAM))
    assert (await store.users.update("u-alice", display_name="A")).labels == TEAM
    assert (await store.users.update("u-alice", labels={})).labels == {}
    await store.roles.create(ROLE)
    await store.roles.replace(replace(ROLE, labels={"a": "b"}), revision=1)
    assert (await store.roles.list_all())[0].labels == {"a": "b"}


async def test_existing_binding_gets_labels_only_on_request(store: SqlStore) -> None:
    await store.users.create(a_user())
    await store.clusters.create(a_cluster())
    first = await store.bindings.create(a_binding())
    again = a_binding(id="b-other", labels=TEAM)
    assert await store.bindings.create(again) == first
    labelled = await store.bindings.create(again, relabel=True)
    assert labelled == replace(first, labels=TEAM) == await store.bindings.get(first.id)


async def test_rows_from_before_the_migration_have_no_labels(url: str) -> None:
    await upgrade_database(url)
    await execute(
        url,
        "INSERT INTO users (id, username, display_name, enabled, created_at) "
        "VALUES ('u-old', 'old', 'Old', true, '2026-01-01 00:00:00')",
    )
    store = await open_store(url, Keyring.parse(generate_key()))
    found = await store.users.get("u-old")
    await store.close()
    assert found is not None
    assert found.labels == {}
